"""The line test: which byte values a line changes or drops, each tested in both directions.

Noise is overcome by sending a frame again. A line that drops or changes a certain byte every time
is not: a port server in telnet mode doubles 0xFF, software flow control drops 0x11 and 0x13, a line
set to 7 bits clears the highest bit of all bytes.

An agent refuses a request of an unknown type, and the refusal has the sequence number (seq) of the
request. So a request with a certain byte in its number carries that byte to the board and back. The
other bytes are printable characters and those of every frame, which such lines let pass; the type
and the rest of the number are chosen for that. The types from 0x60 to 0x7D are reserved for this
purpose (csrc/SPEC.md, section 3).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from hil.clock import HOST, Clock
from hil.kernel import WIRE_VERSION, Decoder, encode
from hil.rig.transport import Transport
from hil.wire.encoding import nak_answer, unknown_type_answer
from hil.wire.messages import Msg

__all__ = ["LineFault", "find_fault"]

_TYPES: Final = range(0x60, 0x7E)
_PRINTABLE: Final = range(0x21, 0x7F)
_IN_EVERY_REQUEST: Final = {0x00, WIRE_VERSION, 0x09}
"""The delimiter, the wire version, and the length that COBS puts before a request."""

_OFTEN_CHANGED: Final = {0x03, 0x04, 0x0A, 0x0D, 0x11, 0x13, 0x1A, 0x1B, 0x7F, 0xFF}
"""Bytes with a meaning for terminals, telnet or flow control."""

_AT_ONCE: Final = 32
_QUIET_US: Final = 400_000
"""A chunk of trials ends when nothing has arrived for this long."""

_CHUNK_MAX_US: Final = 10_000_000
_TRIES: Final = 3
_MANY: Final = 64
"""More lost values than this are not due to noise, and are not tried again."""

_EXAMPLES: Final = 8


@dataclass(frozen=True, slots=True)
class LineFault:
    """The way in which a line changes bytes, in words, and the remedy."""

    reason: str
    remedy: str


@dataclass(frozen=True, slots=True)
class _Trial:
    """A request that contains `value`, and the answer over a perfect line."""

    value: int
    request: bytes
    answer: bytes
    seq: int


@dataclass(slots=True)
class _Answers:
    """The answers to some trials: sequence numbers, the count of NAKs, and all the bytes."""

    seqs: set[int] = field(default_factory=set)
    naks: int = 0
    raw: bytearray = field(default_factory=bytearray)


def find_fault(transport: Transport, clock: Clock = HOST) -> LineFault | None:
    """Try every byte value on the line of `transport`, on which something answers.

    Takes 0.7 s at 115200 baud if the line is good. Returns None if every value arrives, or if there
    is not a sign of an agent. Raises: TransportLost."""
    first = [_round_trip(value) for value in _PRINTABLE[:_AT_ONCE]]
    answers = _exchange(transport, first, clock)
    if not answers.seqs:
        return _every_byte_changed(first, answers)
    # Downwards: 0x13 stops a transmitter with software flow control, 0x11 starts it again.
    lost = _lost(transport, range(255, 0, -1), clock)
    for _ in range(_TRIES - 1):
        if not lost or len(lost) > _MANY:
            break
        lost = _lost(transport, lost, clock)  # noise hits any byte, but not the same each time
    return _fault_of(lost, lambda value: _direction(transport, value, clock)) if lost else None


# --- trials -------------------------------------------------------------------------------------


def _is_plain(request: bytes, besides: int | None = None) -> bool:
    return all(b in _PRINTABLE or b in _IN_EVERY_REQUEST or b == besides for b in request)


def _numbers(lows: Iterable[int]) -> Iterator[tuple[int, int]]:
    return ((type_, low | high << 8) for low in lows for type_ in _TYPES for high in _PRINTABLE)


@lru_cache(maxsize=512)
def _round_trip(value: int) -> _Trial:
    """Return a trial of `value` in both directions."""
    for type_, seq in _numbers([value]):
        request = encode(type_, seq)
        if not _is_plain(request, value):
            continue
        answer = encode(Msg.ERROR, seq, unknown_type_answer(type_))
        if not _OFTEN_CHANGED & set(answer) - {value}:
            return _Trial(value, request, answer, seq)
    raise AssertionError(f"no request carries {value:#x}")


@lru_cache(maxsize=512)
def _back_only(value: int) -> _Trial:
    """Return a trial of `value` in the direction from the board: the answer's CRC contains it."""
    for type_, seq in _numbers(_PRINTABLE):
        answer = encode(Msg.ERROR, seq, unknown_type_answer(type_))
        if value not in answer[-5:-1] or _OFTEN_CHANGED & set(answer) - {value}:
            continue
        request = encode(type_, seq)
        if _is_plain(request):
            return _Trial(value, request, answer, seq)
    raise AssertionError(f"no answer carries {value:#x}")


def _exchange(transport: Transport, trials: Sequence[_Trial], clock: Clock) -> _Answers:
    """Send the requests of all `trials`, and receive until all are answered or the line is
    quiet."""
    transport.write(b"".join(trial.request for trial in trials))
    missing = {trial.seq for trial in trials}
    answers, decoder = _Answers(), Decoder()
    now = clock.now_us()
    quiet_us, end_us = now + _QUIET_US, now + _CHUNK_MAX_US
    while missing - answers.seqs and now < min(quiet_us, end_us):
        fds = [] if transport.fd is None else [transport.fd]
        clock.readable(fds, min(quiet_us, end_us) - now)
        data = transport.read()
        now = clock.now_us()
        if data:
            quiet_us = now + _QUIET_US
        answers.raw += data
        for frame in decoder.push(data)[0]:
            if frame.type == Msg.ERROR and frame.seq in missing:
                answers.seqs.add(frame.seq)
            answers.naks += frame.type == Msg.NAK
    return answers


def _lost(transport: Transport, values: Iterable[int], clock: Clock) -> list[int]:
    """Return those of `values` that do not return."""
    trials = [_round_trip(value) for value in values]
    lost: list[int] = []
    for at in range(0, len(trials), _AT_ONCE):
        some = trials[at : at + _AT_ONCE]
        answers = _exchange(transport, some, clock)
        lost += [trial.value for trial in some if trial.seq not in answers.seqs]
    return lost


def _direction(transport: Transport, value: int, clock: Clock) -> str:
    """Return the direction in which `value` is lost, in words."""
    if _exchange(transport, [_back_only(value)], clock).seqs:
        return "on the way to the board"
    trial = _round_trip(value)
    arrived = trial.answer[2:4] in _exchange(transport, [trial], clock).raw
    return "on the way from the board" if arrived else "both ways"


# --- findings -----------------------------------------------------------------------------------

_EIGHT_BITS: Final = (
    "set the line to 8 data bits, no parity and 1 stop bit (8N1) on both sides, and at the port "
    "server if there is one"
)
_RAW: Final = (
    "use rfc2217://HOST:PORT in place of socket://HOST:PORT, or switch the port server from telnet "
    "to raw mode"
)
_NO_FLOW: Final = (
    "switch software flow control (XON/XOFF) off: in the port server, or with `stty -ixon -ixoff` "
    "on the board"
)
_NO_TRANSLATION: Final = "switch the translation of line ends off: raw mode, or `stty raw`"
_CLEAN: Final = (
    "let whatever stands between the board and this computer carry raw bytes: 8 data bits, no "
    "parity, no flow control, no telnet"
)


def _fault_of(lost: Collection[int], direction: Callable[[int], str]) -> LineFault:
    """Return the fault that loses these values."""
    unexplained = set(lost)
    reasons: list[str] = []
    remedies: list[str] = []

    def add(values: set[int], what: str, remedy: str) -> None:
        reasons.append(f"{what} {direction(min(values))}")
        remedies.append(remedy)
        unexplained.difference_update(values)

    high = {value for value in unexplained if value >= 0x80}
    if len(high) > _MANY:
        add(high, "bytes from 0x80 up lose their highest bit", _EIGHT_BITS)
    if 0xFF in unexplained:
        add(
            unexplained & {0xFF, 0x0D},
            "byte 0xFF is doubled or swallowed (a port server in telnet mode)",
            _RAW,
        )
    if flow := unexplained & {0x11, 0x13}:
        names = " and ".join(f"{value:#04x}" for value in sorted(flow))
        add(flow, f"{_subject(flow, names)} swallowed (software flow control)", _NO_FLOW)
    if ends := unexplained & {0x0A, 0x0D}:
        names = " and ".join(f"{value:#04x}" for value in sorted(ends))
        add(ends, f"{_subject(ends, names)} translated (line ends of text)", _NO_TRANSLATION)
    if unexplained:
        shown = ", ".join(f"{value:#04x}" for value in sorted(unexplained)[:_EXAMPLES])
        more = f" and {len(unexplained) - _EXAMPLES} more" if len(unexplained) > _EXAMPLES else ""
        add(set(unexplained), f"{_subject(unexplained, shown + more)} changed or lost", _CLEAN)
    return LineFault("the line changes bytes: " + "; ".join(reasons), "; ".join(remedies))


def _subject(values: Collection[int], names: str) -> str:
    return f"byte {names} is" if len(values) == 1 else f"bytes {names} are"


def _with_parity(odd: int) -> bytes:
    return bytes(b & 0x7F | ((b & 0x7F).bit_count() + odd & 1) << 7 for b in range(256))


_AS_A_WHOLE: Final = (
    (bytes(b & 0x7F for b in range(256)), "bytes from the board lose their highest bit"),
    (_with_parity(0), "the highest bit of bytes from the board is an even parity bit"),
    (_with_parity(1), "the highest bit of bytes from the board is an odd parity bit"),
    (bytes(b | 0x80 for b in range(256)), "bytes from the board have their highest bit set"),
)


def _every_byte_changed(trials: Sequence[_Trial], received: _Answers) -> LineFault | None:
    """Return the fault if the received bytes are an agent's answers with a bit of every byte
    changed; None if they are not. Called when no answer could be decoded."""
    if received.naks:
        return LineFault(
            "the line changes bytes: whatever is sent arrives damaged at the board, whose answers "
            "arrive whole",
            _EIGHT_BITS,
        )
    answers = [trial.answer for trial in trials]
    answers += [encode(Msg.NAK, 0, nak_answer(reason)) for reason in range(-9, 0)]
    for table, what in _AS_A_WHOLE:
        if any(answer[1:-1].translate(table) in received.raw for answer in answers):
            return LineFault(f"the line changes bytes: {what}", _EIGHT_BITS)
    return None
