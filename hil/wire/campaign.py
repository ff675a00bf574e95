"""The messages of a campaign: values, and their bytes (csrc/wire/message.h, csrc/SPEC.md).

Thread-safe, as `hil.wire.decoding`."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from hil._kernel import ffi, lib
from hil.kernel import pack, unpack

__all__ = [
    "EXPERIMENTS_MAX",
    "FOLLOW_MAX",
    "TEXT_FROM",
    "CodePart",
    "Detail",
    "OpenedStep",
    "Site",
    "Space",
    "StrikeStop",
    "Struck",
    "TracePart",
    "code",
    "code_request",
    "follow_requests",
    "opened",
    "position_request",
    "remaining_sites",
    "site_bytes",
    "sites_request",
    "strike_request",
    "struck",
    "trace",
]

EXPERIMENTS_MAX: Final[int] = lib.CAMPAIGN_EXPERIMENTS_MAX
"""The most experiments in one request that lists them."""
TEXT_FROM: Final[int] = lib.SPACE_CPU_TEXT
"""The byte of `Space.CPU` that is the first one of the machine code."""
FOLLOW_MAX: Final[int] = lib.CAMPAIGN_FOLLOW_MAX
"""The most steps that experiments follow, after the one that is held."""
_PACKED_MAX: Final[int] = lib.MESSAGE_PACKED_MAX
_BYTES_MAX: Final = 255  # of one site


class Space(enum.IntEnum):
    """A space in which experiments flip bits (hil_space_t)."""

    MEMORY = lib.SPACE_MEMORY
    GPR = lib.SPACE_GPR
    VECTOR = lib.SPACE_VECTOR
    CPU = lib.SPACE_CPU


class Detail(enum.IntFlag):
    """The details of outcomes that a request asks for (hil_detail_t)."""

    NONE = 0
    BITS = lib.DETAIL_BITS
    DIFFERS = lib.DETAIL_DIFFERS
    OUTPUT = lib.DETAIL_OUTPUT
    FATE = lib.DETAIL_FATE


class StrikeStop(enum.IntEnum):
    """The place where an experiment stops that is inspected (hil_stop_t)."""

    AT_UPSET = lib.STOP_AT_UPSET
    AT_END = lib.STOP_AT_END
    FOR_DEBUGGER = lib.STOP_FOR_DEBUGGER


@dataclass(frozen=True, slots=True)
class OpenedStep:
    """The layout of a worker whose step is held: addresses, offsets from `arena` and lengths
    [byte]. `rest`: the address at which a step ends."""

    arena: int
    state_at: int
    input_at: int
    output_at: int
    heap_at: int
    stack_at: int
    stack_len: int
    rest: int
    text: int
    text_len: int
    gpr_count: int
    gpr_bytes: int
    vector_bytes: int
    ticks: int
    output_digest: int
    state_digest: int


@dataclass(frozen=True, slots=True)
class TracePart:
    """Part of a trace, packed as csrc/wire/message.h says. `ended`: the step has no more."""

    position: int
    ended: bool
    packed: bytes


@dataclass(frozen=True, slots=True)
class CodePart:
    """Memory of the worker from `address` on."""

    address: int
    content: bytes


class Site(NamedTuple):
    """One byte at one instruction: the bits of `mask` are flipped one after the other, in `bytes`
    consecutive bytes."""

    position: int
    space: Space
    byte: int
    mask: int = 0xFF
    bytes: int = 1

    @property
    def experiments(self) -> int:
        """Return how many experiments the site is."""
        return self.mask.bit_count() * self.bytes


@dataclass(frozen=True, slots=True)
class Struck:
    """The state of a worker after a STRIKE. `signal`: the one that would end it now, or 0. `fault`:
    the address whose access has raised it, or 0 where the system does not say. `pid`: the number of
    its process on the board."""

    pc: int
    fault: int
    pid: int
    signal: int


def position_request(position: int) -> bytes:
    """Encode a request for the trace from `position` on."""
    return pack("campaign_position", ffi.new("hil_campaign_position_t *", {"position": position}))


def code_request(address: int, length: int) -> bytes:
    """Encode a request for `length` bytes of the worker's memory."""
    fields = {"address": address, "len": length}
    return pack("campaign_code_query", ffi.new("hil_campaign_code_query_t *", fields))


def follow_requests(inputs: Sequence[bytes], *, restored: bool) -> list[bytes]:
    """Encode requests for steps that follow the held one, with their `inputs`. `restored`: their
    state is put right before them. Raises: ValueError if they are more than FOLLOW_MAX."""
    if len(inputs) > FOLLOW_MAX:
        raise ValueError("too many steps to follow")
    requests, first = [], 0
    while first < len(inputs):
        most = max(1, _PACKED_MAX // len(inputs[first]))
        part = b"".join(inputs[first : first + most])
        m = ffi.new("hil_campaign_follow_t *")
        m.first, m.restored, m.len = first, int(restored), len(part)
        ffi.memmove(m.bytes, part, len(part))
        requests.append(pack("campaign_follow", m))
        first += most
    return requests


def remaining_sites(sites: Sequence[Site], done: int) -> list[Site]:
    """Return the experiments of `sites` without the first `done` of them."""
    out: list[Site] = []
    for site in sites:
        if done >= site.experiments:
            done -= site.experiments
            continue
        bits = site.mask.bit_count()
        whole, part = divmod(done, bits)
        byte, left = site.byte + whole, site.bytes - whole
        if part:
            mask = site.mask
            for _ in range(part):
                mask &= mask - 1
            out.append(site._replace(byte=byte, mask=mask, bytes=1))
            byte, left = byte + 1, left - 1
        if left:
            out.append(site._replace(byte=byte, bytes=left))
        done = 0
    return out


def sites_request(
    sites: Sequence[Site], *, severity: bool = False, details: Detail = Detail.NONE
) -> bytes:
    """Encode a request for the experiments of `sites`, which are in the order of their positions.
    `severity` is `Detail.BITS`. Raises: ValueError if they do not fit into one request."""
    packed = bytearray()
    before = 0
    for site in sites:
        packed += _varint(site.position - before) + _varint(site.byte << 2 | site.space)
        packed += bytes((site.mask, site.bytes))
        before = site.position
    if len(packed) > _PACKED_MAX or sum(s.experiments for s in sites) > EXPERIMENTS_MAX:
        raise ValueError("too many sites for one request")
    m = ffi.new("hil_campaign_sites_t *")
    m.details, m.len = int(details | Detail.BITS if severity else details), len(packed)
    ffi.memmove(m.bytes, bytes(packed), len(packed))
    return pack("campaign_sites", m)


def site_bytes(site: Site, before: int) -> int:
    """Return the bytes that a site takes in a request, behind one at position `before`."""
    return 2 + _varint_bytes(site.position - before) + _varint_bytes(site.byte << 2 | site.space)


def _varint_bytes(value: int) -> int:
    return max(1, (value.bit_length() + 6) // 7)


def strike_request(site: Site, stop: StrikeStop) -> bytes:
    """Encode a request for one experiment that is left where it stops: of the bit of `site`, which
    has one bit in one byte."""
    fields = {
        "position": site.position,
        "space": int(site.space),
        "byte": site.byte,
        "bit": site.mask.bit_length() - 1,
        "stop": int(stop),
    }
    return pack("campaign_strike", ffi.new("hil_campaign_strike_t *", fields))


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def opened(payload: bytes) -> OpenedStep:
    """Decode the answer to CAMPAIGN_OPEN."""
    m = unpack("campaign_opened", payload)
    return OpenedStep(**{name: int(getattr(m, name)) for name in OpenedStep.__slots__})


def trace(payload: bytes) -> TracePart:
    """Decode the answer to CAMPAIGN_TRACE."""
    m = unpack("campaign_trace", payload)
    return TracePart(m.position, bool(m.ended), ffi.buffer(m.bytes, m.len)[:])


def code(payload: bytes) -> CodePart:
    """Decode the answer to CAMPAIGN_CODE."""
    m = unpack("campaign_code", payload)
    return CodePart(m.address, ffi.buffer(m.bytes, m.len)[:])


def struck(payload: bytes) -> Struck:
    """Decode the answer to CAMPAIGN_STRIKE."""
    m = unpack("campaign_struck", payload)
    return Struck(**{name: int(getattr(m, name)) for name in Struck.__slots__})
