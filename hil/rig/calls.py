"""Calls: requests to one or many boards at once, answered, repeated or given up.

A call sends its request and waits for the answer with the same seq; silence and NAKs make it send
again. Calls on different links proceed side by side in `run_calls`, the only place that waits for
boards.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from hil.clock import Clock
from hil.errors import VersionMismatch
from hil.kernel import WIRE_VERSION, Frame
from hil.rig.link import Link, request_bytes
from hil.wire.messages import (
    ANSWER,
    DATA_MAX,
    Hello,
    Msg,
    Refusal,
    Region,
    data,
    done_value,
    hello,
    read_request,
    refusal,
    write_request,
)

_HIL_ERR_VERSION: Final = -5
_WRITE_WINDOW: Final = 4
_IMMEDIATE_TRIES: Final = 4
_TIMED: Final = (Msg.HELLO, Msg.HEALTH)
_LATE_US: Final = 1_000
"""Waits are as exact as this at best, and work between them takes as long; only what goes beyond it
is time in which nobody looked."""
_PIECE_MIN: Final = 48
"""Below this a frame is mostly its own overhead."""

_QUIET_US: Final = 2_000
"""A request is repeated when nothing has arrived for so long after damage: two bytes at the slowest
rate. Noise that comes before every transmission damages nothing; a request that were repeated at
once for it would be answered twice, each answer with noise before it."""

_SPACED_AFTER: Final = 8
_QUIET_MAX_US: Final = 128_000
"""A line on which so many transmissions in a row were damaged, or an agent that always answers with
NAK, is asked ever more rarely: each time after twice the quiet, up to this."""

_IN_FRAME_US: Final = 30_000
"""The same while a frame is arriving: adapters keep bytes for 16 ms."""


@dataclass(frozen=True, slots=True)
class Timing:
    """How long to wait, from the golden run's own timing.

    The first repetition comes after `retry_us`, later ones twice as long each, at most a second
    apart, unless it is noise that swallows them; after `lost_after_us` without any sign of life the
    board is silent. One that only says that it hears noise has `noise_patience` times as long: a
    line that is too bad to be used must not hold up the others. One that only says that it is busy
    has `busy_us` (a step under a limit may last long; an agent whose memory was hit may say it for
    ever)."""

    retry_us: int = 250_000
    lost_after_us: int = 3_000_000
    noise_patience: int = 4
    busy_us: int = 6_000_000


@dataclass(frozen=True, slots=True)
class Silence:
    """Nothing was heard in time, and why."""

    reason: str
    disconnected: bool


@dataclass(frozen=True, slots=True)
class Rebooted:
    """Instead of an answer the board announced a new start."""

    hello: Hello


class Call:
    """One request on one link. After `run_calls`: `result` is the answer's payload (bytes), a
    Refusal, a Rebooted or a Silence. Of a HELLO and a HEALTH also when it was sent and answered on
    the host's clock; `heard_us` is 0 if that is not known, because it was sent more than once."""

    sent_us = 0
    heard_us = 0
    busy = False
    """What was heard last is that a step is under way."""

    def __init__(self, link: Link, seq: int, type_: int, payload: bytes = b"") -> None:
        self.link = link
        self.seq = seq
        self.type = type_
        self.frame = request_bytes(type_, seq, payload)
        self.result: bytes | Refusal | Rebooted | Silence | None = None

    @classmethod
    def ready(cls, link: Link, seq: int, type_: int, frame: bytes) -> Call:
        """A call whose frame is already encoded (the same bytes go to several boards)."""
        call = cls.__new__(cls)
        call.link, call.seq, call.type, call.frame, call.result = link, seq, type_, frame, None
        return call

    def begin(self) -> None:
        self.link.send(self.frame, self.type)

    def again(self) -> None:
        self.link.send(self.frame, self.type)

    def accept(self, frame: Frame) -> bool:
        """Take a frame that arrived. Returns whether it was a sign of life for this call."""
        if frame.seq != self.seq:
            return False
        if frame.type == self.type | ANSWER:
            return self.answered(frame.payload)
        if frame.type == Msg.ERROR:
            told = refusal(frame.payload)
            if told.request == self.type:
                self.busy = told.busy
                if not told.busy:
                    self.result = told
                return True
        return False

    def answered(self, payload: bytes) -> bool:
        self.result = payload
        return True


class StepCall(Call):
    """A step of one frame, whose request is already encoded. Its number wraps every 65536 frames,
    so the answer's own frame is looked at: that of another frame is none of ours."""

    def __init__(self, link: Link, frame: int, data: bytes) -> None:
        self.link, self.seq, self.type, self.frame = link, frame & 0xFFFF, Msg.STEP, data
        self.result = None
        self._frame_bytes = frame.to_bytes(8, "little")

    def answered(self, payload: bytes) -> bool:
        if payload[:8] != self._frame_bytes:
            return False
        self.result = payload
        return True


class ReadCall(Call):
    """Read part of a region: the board streams it; what got lost is asked for again, in pieces
    that become the smaller the more is lost: on a bad line only short frames arrive whole."""

    def __init__(self, link: Link, seq: int, region: Region, offset: int, length: int) -> None:
        super().__init__(link, seq, Msg.READ, read_request(region, offset, length))
        self.region, self.offset, self.length = region, offset, length
        self._piece = length
        self._content = bytearray(length)
        self._missing = bytearray(b"\1" * length)
        self._asked_until = length

    def answered(self, payload: bytes) -> bool:
        offset, part = data(payload)
        at = offset - self.offset
        if at < 0 or at + len(part) > self.length:
            return False  # of an earlier call: sequence numbers come again
        self._content[at : at + len(part)] = part
        self._missing[at : at + len(part)] = bytes(len(part))
        gap = self._missing.find(1)
        if gap < 0:
            self.result = bytes(self._content)
        elif gap >= self._asked_until:
            self._ask()
        return True

    def _ask(self) -> None:
        at = self._missing.find(1)
        known = self._missing.find(0, at)
        until = min(at + self._piece, self.length if known < 0 else known)
        self._asked_until = until
        request = read_request(self.region, self.offset + at, until - at)
        self.frame = request_bytes(self.type, self.seq, request)
        self.begin()

    def again(self) -> None:
        self._piece = max(_PIECE_MIN, min(self._piece, 2 * DATA_MAX) // 2)
        self._ask()


class WriteCall(Call):
    """Write bytes to a region, with several unacknowledged messages under way. Each has a number of
    its own, from `numbers` (else counted on from `seq`); what gets lost goes again, in pieces that
    become smaller."""

    def __init__(
        self,
        link: Link,
        seq: int,
        region: Region,
        offset: int,
        content: bytes,
        numbers: Callable[[], int] | None = None,
    ) -> None:
        super().__init__(link, seq, Msg.WRITE)
        self.region = region
        self._todo = {
            offset + at: content[at : at + DATA_MAX] for at in range(0, len(content), DATA_MAX)
        }
        self._waiting: dict[int, int] = {}
        self._numbers = numbers or itertools.count(seq).__next__

    def _send(self, offset: int) -> None:
        payload = write_request(self.region, offset, self._todo[offset])
        seq = self._numbers() & 0xFFFF
        self.link.send(request_bytes(Msg.WRITE, seq, payload), Msg.WRITE)
        self._waiting[seq] = offset

    def begin(self) -> None:
        under_way = set(self._waiting.values())
        for offset in [o for o in self._todo if o not in under_way]:
            if len(self._waiting) >= _WRITE_WINDOW:
                break
            self._send(offset)

    def again(self) -> None:
        self._waiting.clear()
        for offset in list(self._todo):
            self._halve(offset)
        self.begin()

    def _halve(self, offset: int) -> None:
        part = self._todo[offset]
        half = -(-len(part) // 2)
        if half >= _PIECE_MIN:
            self._todo[offset], self._todo[offset + half] = part[:half], part[half:]

    def accept(self, frame: Frame) -> bool:
        if frame.type == Msg.ERROR:
            told = refusal(frame.payload)
            self.busy = told.busy
            if told.request == Msg.WRITE and frame.seq in self._waiting and not told.busy:
                self.result = told
            return True
        if frame.type != Msg.WRITE | ANSWER or frame.seq not in self._waiting:
            return False
        self.busy = False
        if done_value(frame.payload) != self._waiting[frame.seq]:
            return False  # of an earlier call: sequence numbers come again
        for seq in list(self._waiting):
            if seq == frame.seq:
                break
            # Answers come in the order of the requests: this one, or its answer, was lost.
            self._halve(self._waiting.pop(seq))
        self._todo.pop(self._waiting.pop(frame.seq), None)
        if not self._todo:
            self.result = b""
        else:
            self.begin()
        return True


@dataclass(slots=True)
class _Wait:
    call: Call
    retry_at_us: int
    retry_us: int
    alive_at_us: int
    understood_at_us: int
    """As `alive_at_us`, but for NAKs, which say no more than that the line is bad."""
    began_us: int
    first_us: int = 0
    noisy: bool = False
    """Something came that was no frame, or the board said so: it is there, and no slower."""
    quiet_at_us: int = 0
    """When the line counts as quiet after that; 0: nothing was damaged."""
    tries: int = 0
    silent: int = 0
    """Tries in a row that an immediate transport left without a word."""
    busy_since_us: int = 0
    """Since when it says nothing but that it is busy; 0: it does not."""
    moved_on: bool = False
    """Something of the answer came since this was last set to False."""
    spacing_max_us: int = _QUIET_MAX_US
    spoilt: int = 0
    """Tries in a row that damage made necessary."""
    damaged: int = 0
    """Frames that came broken, and NAKs: the board hears and speaks, and the line spoils it."""

    @property
    def spacing_us(self) -> int:
        """How long a line that was damaged again and again is left alone."""
        over = self.spoilt - _SPACED_AFTER
        return 0 if over < 0 else min(_QUIET_US << min(over, 16), self.spacing_max_us)

    @property
    def due_us(self) -> int:
        """When the request is sent again if nothing more arrives."""
        return min(self.retry_at_us, self.quiet_at_us) if self.noisy else self.retry_at_us

    def put_off(self, duration_us: int) -> None:
        """The host did not listen for so long: that is no silence of the board."""
        self.retry_at_us += duration_us
        self.alive_at_us += duration_us
        self.understood_at_us += duration_us


def check_version(link: Link, bad: int) -> None:
    """Raise VersionMismatch if the frame that was dropped came from another wire version."""
    if bad == _HIL_ERR_VERSION:
        raise VersionMismatch(
            f"node {link.name}: its agent speaks wire version {link.decoder.peer_version}, "
            f"this hil speaks {WIRE_VERSION}",
            remedy="install the same release of hil on the host and of hil-agent on the board",
        )


def _announced(call: Call, told: Hello) -> None:
    """The agent says that it has started: anew, or it is old news that was long under way."""
    if told.boot_id == call.link.boot_id:
        call.link.statistics.stale += 1
    else:
        call.result = Rebooted(told)


def _take(wait: _Wait, now_us: int) -> bool:
    """Read what arrived on the call's link. Returns whether anything did."""
    call, link = wait.call, wait.call.link
    bytes_before = link.statistics.rx_bytes
    frames, bad = link.receive()
    for frame in frames:
        if call.result is not None:
            link.statistics.stale += 1
        elif call.accept(frame):
            wait.alive_at_us = wait.understood_at_us = now_us
            wait.busy_since_us = (wait.busy_since_us or now_us) if call.busy else 0
            wait.spoilt = 0
            wait.moved_on = not call.busy
            link.unheard_from_us = 0
            link.round_trip_us = now_us - wait.began_us
            if call.sent_us and not wait.tries:
                call.heard_us = link.clock.now_us()
        elif frame.type == Msg.NAK:
            link.statistics.naks += 1
            wait.alive_at_us = now_us
            wait.damaged += 1
            wait.noisy = True  # the board got noise: say it again
        elif frame.type == Msg.HELLO | ANSWER and frame.seq == 0 and call.type != Msg.HELLO:
            _announced(call, hello(frame.payload))
        else:
            link.statistics.stale += 1
    if bad and call.result is None:
        check_version(link, bad)
        wait.damaged += 1
        wait.noisy = True  # the answer may be lost in noise: ask again
    if wait.noisy and link.statistics.rx_bytes > bytes_before:
        quiet_us = _IN_FRAME_US if link.decoder.in_frame else _QUIET_US
        wait.quiet_at_us = now_us + max(quiet_us, wait.spacing_us)
    return bool(frames) or bool(bad)


def _again(wait: _Wait, now_us: int) -> None:
    wait.call.link.statistics.retries += 1
    wait.tries += 1
    wait.spoilt += wait.noisy
    wait.call.again()
    later_us = min(2 * wait.retry_us, 1_000_000)
    wait.retry_us = max(wait.first_us, wait.spacing_us) if wait.noisy else later_us
    wait.noisy = False
    wait.retry_at_us = now_us + wait.retry_us


@dataclass(slots=True)
class _Attention:
    """What of the time the host looked at its links: not while something kept it from that."""

    looked_at_us: int
    missed_us: int = 0

    def wait(self, clock: Clock, fds: Sequence[int], until_us: int) -> list[int]:
        """Which of the descriptors can be read, as soon as one can, until `until_us` at most."""
        before_us = clock.now_us()
        self.missed_us += max(0, before_us - self.looked_at_us - _LATE_US)
        ready = clock.readable(fds, until_us - before_us)
        self.looked_at_us = clock.now_us()
        self.missed_us += max(0, self.looked_at_us - max(before_us, until_us) - _LATE_US)
        return ready


def run_calls(calls: Sequence[Call], timing: Timing) -> int:
    """Carry out calls on different links side by side, until each has a result; return how long
    [us] the host did not look at the links meanwhile, because something kept it from that.

    Raises VersionMismatch if a board answers in another wire version; everything else is a result.
    """
    if not calls:
        return 0
    clock = calls[0].link.clock  # one rig, one clock
    began_us = clock.now_us()
    for call in calls:
        if call.type in _TIMED:
            call.sent_us = clock.now_us()
        call.begin()
    # Patience begins when all have been asked: while the others were, a board had its time, too.
    now, retry_us = clock.now_us(), timing.retry_us
    waits = [_Wait(c, now + retry_us, retry_us, now, now, began_us, retry_us) for c in calls]
    for wait in waits:  # asked so often that its NAKs are signs of life
        wait.spacing_max_us = min(_QUIET_MAX_US, timing.lost_after_us // 4)
    attention = _Attention(began_us)
    while waits:
        missed_us = attention.missed_us
        _proceed(waits, timing, attention)
        for wait in waits:  # patience is for time in which somebody listened
            wait.put_off(attention.missed_us - missed_us)
        waits = [w for w in waits if w.call.result is None and not _given_up(w, timing)]
    return attention.missed_us


def _given_up(wait: _Wait, timing: Timing) -> bool:
    """Nothing more is to be expected of a call; its result then is a Silence."""
    call, clock = wait.call, wait.call.link.clock
    if wait.busy_since_us and clock.now_us() - wait.busy_since_us >= timing.busy_us:
        busy_us = clock.now_us() - wait.busy_since_us
        call.result = Silence(f"busy for {_duration(busy_us)}", disconnected=False)
        call.link.silence = call.result.reason
        return True
    out_of_patience = clock.now_us() >= _patient_until_us(wait, timing)
    if out_of_patience and call.link.connected:
        _take(wait, clock.now_us())  # what came while the host was kept from looking was in time
        if call.result is not None:
            return True
        out_of_patience = clock.now_us() >= _patient_until_us(wait, timing)
    if not call.link.connected:
        call.result = Silence(call.link.lost_reason, disconnected=True)
    elif out_of_patience or wait.tries > 10_000:
        # Of paced frames each call has a share of the patience only: silence lasts since the first.
        call.link.unheard_from_us = call.link.unheard_from_us or wait.understood_at_us
        reason = f"no answer for {_duration(clock.now_us() - call.link.unheard_from_us)}"
        if wait.damaged:
            reason += f", only damaged frames ({wait.damaged}): a bad line, or no agent"
        call.result = Silence(reason, disconnected=False)
        call.link.silence = reason
    return call.result is not None


def _patient_until_us(wait: _Wait, timing: Timing) -> int:
    return min(
        wait.alive_at_us + timing.lost_after_us,
        wait.understood_at_us + timing.noise_patience * timing.lost_after_us,
    )


def _duration(us: int) -> str:
    """As exactly as people want to know it."""
    if us < 100_000:
        return f"{max(1, round(us / 1000))} ms"
    return f"{round(us / 1e6, 1 if us < 10_000_000 else 0):g} s"


def _proceed(waits: list[_Wait], timing: Timing, attention: _Attention) -> None:
    by_fd: dict[int, _Wait] = {}
    clock = waits[0].call.link.clock  # one rig, one clock
    now = clock.now_us()
    until = now + timing.lost_after_us
    for wait in waits:
        transport = wait.call.link.transport
        if transport is None:
            return
        if transport.fd is not None:
            by_fd[transport.fd] = wait
            until = min(until, wait.due_us, _patient_until_us(wait, timing))
            continue
        # What an immediate transport has not said yet it will never say: nor will one that is busy,
        # speaks of something else, unless it is asked again.
        wait.moved_on = False
        _take(wait, now)
        if not wait.moved_on and wait.call.result is None:
            wait.silent += not wait.noisy
            if wait.silent > _IMMEDIATE_TRIES:
                wait.call.result = Silence("no answer", disconnected=False)
            else:
                _again(wait, 0)
            continue
        wait.silent = 0
        if wait.call.result is None and wait.due_us <= now:
            _again(wait, now)
    if not by_fd:
        return
    ready = attention.wait(clock, list(by_fd), until)
    now = clock.now_us()
    for fd in ready:
        _take(by_fd[fd], now)
    for wait in by_fd.values():
        if wait.call.result is None and wait.due_us <= now:
            _again(wait, now)
