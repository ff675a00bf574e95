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
    "TEXT_FROM",
    "CodePart",
    "OpenedStep",
    "Outcomes",
    "Site",
    "Space",
    "TracePart",
    "code",
    "code_request",
    "opened",
    "outcomes",
    "position_request",
    "site_bytes",
    "sites_request",
    "trace",
]

EXPERIMENTS_MAX: Final[int] = lib.CAMPAIGN_EXPERIMENTS_MAX
"""The most experiments in one request."""
TEXT_FROM: Final[int] = lib.SPACE_CPU_TEXT
"""The byte of `Space.CPU` that is the first one of the machine code."""
_PACKED_MAX: Final[int] = lib.MESSAGE_PACKED_MAX
_BYTES_MAX: Final = 255  # of one site


class Space(enum.IntEnum):
    """A space in which experiments flip bits (hil_space_t)."""

    MEMORY = lib.SPACE_MEMORY
    GPR = lib.SPACE_GPR
    VECTOR = lib.SPACE_VECTOR
    CPU = lib.SPACE_CPU


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
class Outcomes:
    """The outcomes of a request, in its order: `codes` are hil_outcome_t, `details` has a byte for
    each failure, and for each wrong output if severity was asked for. `path` is the digest of the
    program counters up to `position`."""

    position: int
    path: int
    codes: bytes
    details: bytes


def position_request(position: int) -> bytes:
    """Encode a request for the trace from `position` on."""
    return pack("campaign_position", ffi.new("hil_campaign_position_t *", {"position": position}))


def code_request(address: int, length: int) -> bytes:
    """Encode a request for `length` bytes of the worker's memory."""
    fields = {"address": address, "len": length}
    return pack("campaign_code_query", ffi.new("hil_campaign_code_query_t *", fields))


def sites_request(sites: Sequence[Site], *, severity: bool) -> bytes:
    """Encode a request for the experiments of `sites`, which are in the order of their positions.
    Raises: ValueError if they do not fit into one request."""
    packed = bytearray()
    before = 0
    for site in sites:
        packed += _varint(site.position - before) + _varint(site.byte << 2 | site.space)
        packed += bytes((site.mask, site.bytes))
        before = site.position
    if len(packed) > _PACKED_MAX or sum(s.experiments for s in sites) > EXPERIMENTS_MAX:
        raise ValueError("too many sites for one request")
    m = ffi.new("hil_campaign_sites_t *")
    m.severity, m.len = int(severity), len(packed)
    ffi.memmove(m.bytes, bytes(packed), len(packed))
    return pack("campaign_sites", m)


def site_bytes(site: Site, before: int) -> int:
    """Return the bytes that a site takes in a request, behind one at position `before`."""
    return 2 + _varint_bytes(site.position - before) + _varint_bytes(site.byte << 2 | site.space)


def _varint_bytes(value: int) -> int:
    return max(1, (value.bit_length() + 6) // 7)


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


def outcomes(payload: bytes) -> Outcomes:
    """Decode the answer to CAMPAIGN_RUN."""
    m = unpack("campaign_outcomes", payload)
    packed = ffi.buffer(m.bytes, m.len)[:]
    head = (m.count + 3) // 4
    codes = bytes(packed[i // 4] >> 2 * (i % 4) & 3 for i in range(m.count))
    return Outcomes(m.position, m.path, codes, packed[head:])
