"""Calls: one request to one board each, its answer, and what is sent again after a time-out.

A call sends its request and accepts the answer with the same sequence number. `hil.rig.exchange`
carries calls out: it waits for the boards and decides when a request is repeated or abandoned.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from hil.kernel import Frame
from hil.rig.link import Link, request_bytes
from hil.wire import decoding, encoding
from hil.wire.messages import ANSWER, DATA_MAX, Hello, Msg, Refusal, Region

_WRITE_WINDOW: Final = 4
_PIECE_MIN: Final = 48
"""Below this a frame is mostly its own overhead."""


@dataclass(frozen=True, slots=True)
class Timing:
    """The times to wait for a board, derived from the timing of the golden run.

    The request is sent again after `retry_us`, then with exponential back-off up to one second; on
    a noisy line there is no back-off. After `lost_after_us` without any sign of life the board is
    silent. A board that sends nothing but NAKs has `noise_patience` times as long: an unusable line
    must not hold up the other nodes. A board that only reports that it is busy has `busy_us` (a
    step under a duty limit may take long; an agent with corrupted memory may report busy
    permanently)."""

    retry_us: int = 250_000
    lost_after_us: int = 3_000_000
    noise_patience: int = 4
    busy_us: int = 6_000_000


@dataclass(frozen=True, slots=True)
class Silence:
    """A call that timed out; `reason` says why, `disconnected` whether the link is gone."""

    reason: str
    disconnected: bool


@dataclass(frozen=True, slots=True)
class Rebooted:
    """The agent announced that it has started again, instead of answering."""

    hello: Hello


class Call:
    """One request on one link.

    After `run_calls`, `result` is the answer's payload (bytes), a Refusal, a Rebooted or a Silence.
    For HELLO and HEALTH, `sent_us` and `answered_us` are the times of request and answer on the
    host's clock [us]; `answered_us` is 0 if the request was sent more than once, because it is then
    not known which one was answered. A call belongs to the thread that runs it."""

    sent_us = 0
    answered_us = 0
    busy = False
    """Whether the board's last answer was that a step is still running."""

    def __init__(self, link: Link, seq: int, type_: int, payload: bytes = b"") -> None:
        self.link = link
        self.seq = seq
        self.type = type_
        self.frame = request_bytes(type_, seq, payload)
        self.result: bytes | Refusal | Rebooted | Silence | None = None

    def begin(self) -> None:
        """Send the request for the first time."""
        self.link.send(self.frame, self.type)

    def repeat(self) -> None:
        """Send the request again."""
        self.link.send(self.frame, self.type)

    def accept(self, frame: Frame) -> bool:
        """Accept a frame that arrived; return whether it was a sign of life for this call."""
        if frame.seq != self.seq:
            return False
        if frame.type == self.type | ANSWER:
            return self.accept_answer(frame.payload)
        if frame.type == Msg.ERROR:
            answer = decoding.refusal(frame.payload)
            if answer.request == self.type:
                self.busy = answer.busy
                if not answer.busy:
                    self.result = answer
                return True
        return False

    def accept_answer(self, payload: bytes) -> bool:
        """Accept the payload of an answer with this call's number; return whether it is for this
        call."""
        self.result = payload
        return True


class StepCall(Call):
    """Step one frame; the request is already encoded, because all boards get the same bytes.

    The sequence number wraps every 65536 frames, so the frame number in the answer is compared too:
    an answer for another frame does not belong to this call."""

    def __init__(self, link: Link, frame: int, data: bytes) -> None:
        self.link, self.seq, self.type, self.frame = link, frame & 0xFFFF, Msg.STEP, data
        self.result = None
        self._frame_bytes = frame.to_bytes(8, "little")

    def accept_answer(self, payload: bytes) -> bool:
        """Accept an answer if it is that of this frame, and return whether it is."""
        if payload[:8] != self._frame_bytes:
            return False
        self.result = payload
        return True


class ReadCall(Call):
    """Read part of a region, which the board streams.

    Lost parts are requested again, in pieces that become smaller the more is lost: on a bad line
    only short frames arrive intact."""

    def __init__(self, link: Link, seq: int, region: Region, offset: int, length: int) -> None:
        super().__init__(link, seq, Msg.READ, encoding.read_request(region, offset, length))
        self.region, self.offset, self.length = region, offset, length
        self._piece = length
        self._content = bytearray(length)
        self._missing = bytearray(b"\1" * length)
        self._asked_until = length

    def accept_answer(self, payload: bytes) -> bool:
        offset, part = decoding.data(payload)
        at = offset - self.offset
        if at < 0 or at + len(part) > self.length:
            return False  # it belongs to an earlier call: sequence numbers wrap around
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
        request = encoding.read_request(self.region, self.offset + at, until - at)
        self.frame = request_bytes(self.type, self.seq, request)
        self.begin()

    def repeat(self) -> None:
        """Return the request to send again."""
        self._piece = max(_PIECE_MIN, min(self._piece, 2 * DATA_MAX) // 2)
        self._ask()


class WriteCall(Call):
    """Write bytes to a region, with a window of several unacknowledged messages.

    Each message has its own sequence number, from `numbers` (by default counted up from `seq`).
    Lost parts are sent again in ever smaller pieces."""

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
        payload = encoding.write_request(self.region, offset, self._todo[offset])
        seq = self._numbers() & 0xFFFF
        self.link.send(request_bytes(Msg.WRITE, seq, payload), Msg.WRITE)
        self._waiting[seq] = offset

    def begin(self) -> None:
        under_way = set(self._waiting.values())
        for offset in [o for o in self._todo if o not in under_way]:
            if len(self._waiting) >= _WRITE_WINDOW:
                break
            self._send(offset)

    def repeat(self) -> None:
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
            answer = decoding.refusal(frame.payload)
            self.busy = answer.busy
            if answer.request == Msg.WRITE and frame.seq in self._waiting and not answer.busy:
                self.result = answer
            return True
        if frame.type != Msg.WRITE | ANSWER or frame.seq not in self._waiting:
            return False
        self.busy = False
        if decoding.done_value(frame.payload) != self._waiting[frame.seq]:
            return False  # it belongs to an earlier call: sequence numbers wrap around
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
