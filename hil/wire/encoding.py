"""Encoding: requests to an agent, and two of its answers, into payloads.

Every function raises KernelError if a value does not fit its field. Thread-safe."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from hil._kernel import ffi, lib
from hil.errors import KernelError
from hil.kernel import pack
from hil.wire.messages import (
    PATTERNS,
    SEFIS,
    TARGETS,
    Arm,
    Limits,
    Region,
)

_EXACT: Final[int] = 1 << lib.ARM_EXACT_SHIFT


def _new(message: str, /, **fields: Any) -> bytes:
    try:
        m = ffi.new(f"hil_{message}_t *", fields)
    except (IndexError, OverflowError) as error:  # longer, or greater, than the field
        raise KernelError(lib.HIL_ERR_ARG, f"{message}: {error}") from None
    return pack(message, m)


def _text(value: str, length: int) -> bytes:
    """Encode a text for a field of `length` bytes, the last of which is zero: the board would take
    a longer text, or one that contains a zero, for another text."""
    raw = value.encode()
    if len(raw) >= length or 0 in raw:
        raise KernelError(lib.HIL_ERR_ARG, f"text {value!r} is too long, or contains a zero")
    return raw


def load_request(workload: str, seed: int) -> bytes:
    """Encode LOAD: load a workload with this seed. Of a long name the first characters are sent, in
    which all names differ."""
    sent = workload[: lib.WORKLOAD_NAME_SENT] if "+" in workload else workload
    return _new("load", workload=_text(sent, lib.MESSAGE_NAME_LEN), seed=seed)


def budget_request(cpu_us: int, max_ticks: int, scrub_words: int) -> bytes:
    """Encode BUDGET: the CPU time [us] and progress ticks that one step may take, and the words of
    checkpoint memory that it scrubs."""
    return _new("budget", cpu_us=cpu_us, max_ticks=max_ticks, scrub_words=scrub_words)


def step_request(frame: int, input_: bytes) -> bytes:
    """Encode STEP: run one frame on this input."""
    return _new("step", frame=frame, len=len(input_), input=input_)


def limit_request(limits: Limits) -> bytes:
    """Encode LIMIT: set all limits of the board."""
    return _new(
        "limits",
        duty_permille=limits.duty_permille,
        cores=limits.cores,
        suspend=int(limits.suspend),
        clock_khz=limits.clock_khz,
        mode=_text(limits.mode, lib.MESSAGE_TEXT_LEN),
    )


def baud_request(baud: int) -> bytes:
    """Encode BAUD: change the line rate [bit/s]; 0 confirms the present one."""
    return _new("baud", baud=baud)


def program_request(init_ms: int, offset: int) -> bytes:
    """Encode PROGRAM: give programs this time to answer INIT [ms] from now on, 0: leave it; ask for
    the standard error of the last one that ended, from this byte on."""
    return _new("program_query", init_ms=init_ms, offset=offset)


def regions_request(first: int) -> bytes:
    """Encode REGIONS: ask for the regions that a program has named, from this number on."""
    return _new("regions_query", first=first)


def id_request(id_: int) -> bytes:
    """Encode REPORT or ACTIVATION: ask about one upset. Raises: KernelError if the id is out of
    range."""
    out = ffi.new("uint8_t[]", 8)
    n = ffi.new("size_t *")
    try:
        lib.hil_id_pack(id_, out, 8, n)
    except OverflowError as error:
        raise KernelError(lib.HIL_ERR_ARG, f"id: {error}") from None
    return bytes(ffi.buffer(out, n[0]))


def spans_request(region: Region, span: int, first: int, count: int) -> bytes:
    """Encode SPANS: ask for digests of `count` spans of `span` bytes from number `first` on."""
    return _new("spans_query", region=int(region), span=span, first=first, count=count)


def read_request(region: Region, offset: int, length: int) -> bytes:
    """Encode READ: ask for `length` bytes of a region from `offset` on."""
    return _new("range", region=int(region), offset=offset, len=length)


class AlteredReply(NamedTuple):
    """An answer to a STEP with another value: its payload, which bit of how many was flipped, and
    the byte there before and after."""

    payload: bytes
    bit: int
    space: int
    before: bytes
    after: bytes


def altered_reply(payload: bytes, bit: int) -> AlteredReply:
    """Return an answer to a STEP with one bit of its output flipped, and the digest of that output:
    what a two-faced node sends. `bit` is taken modulo the size of the output; of an answer that has
    only the digest of its output, that of the digest. Raises: KernelError if `payload` is not an
    answer to a STEP."""
    m = ffi.new("hil_reply_t *")
    if lib.hil_reply_unpack(m, payload, len(payload)) < 0:
        raise KernelError(lib.HIL_ERR_PAYLOAD, "reply_unpack")
    space = 8 * (m.len or ffi.sizeof("uint64_t"))
    position = bit % space
    value = ffi.buffer(m.output, m.len)[:] if m.len else int(m.output_digest).to_bytes(8, "little")
    at, mask = position // 8, 1 << position % 8
    before, after = value[at : at + 1], bytes([value[at] ^ mask])
    changed = value[:at] + after + value[at + 1 :]
    if m.len:
        ffi.memmove(m.output, changed, len(changed))
        m.output_digest = lib.hil_digest64(m.output, m.len, 0)
    else:
        m.output_digest = int.from_bytes(changed, "little")
    return AlteredReply(pack("reply", m), position, space, before, after)


def unknown_type_answer(type_: int) -> bytes:
    """Encode the ERROR with which an agent refuses a request of an unknown type."""
    return _new("refusal", request=type_, status=lib.HIL_ERR_NOSYS)


def nak_answer(reason: int) -> bytes:
    """Encode a NAK with this hil_status_t."""
    return _new("nak", reason=reason)


def write_request(region: Region, offset: int, bytes_: bytes) -> bytes:
    """Encode WRITE: write bytes to a region at `offset`."""
    return _new("data", region=int(region), offset=offset, len=len(bytes_), bytes=bytes_)


def sync_request(frame: int, state_digest: int) -> bytes:
    """Encode SYNC, CHECKPOINT or RESTORE: a frame number and a state digest."""
    return _new("sync", frame=frame, state_digest=state_digest)


def arm_request(a: Arm) -> bytes:
    """Encode ARM: prepare an upset that is injected when its trigger is reached."""
    return _new(
        "arm",
        id=a.id,
        frame=a.frame,
        trigger=lib.TRIGGER_TICK if a.us is None else lib.TRIGGER_US,
        target=TARGETS[a.target],
        at=a.tick if a.us is None else a.us,
        steps=a.steps,
        hold_frames=a.hold_frames,
        kind=SEFIS[a.kind] if TARGETS[a.target] == lib.TARGET_CPU else PATTERNS[a.kind],
        width=a.width,
        bit=a.bit | (_EXACT if a.exact else 0),
        value=a.value,
    )
