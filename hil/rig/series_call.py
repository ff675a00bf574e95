"""A series of requests to one board, of which the next is sent while the board works on the one
before: so a slow line carries one and the board works on the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from hil.kernel import Frame
from hil.rig.calls import Call
from hil.rig.link import Link, request_bytes
from hil.wire import decoding
from hil.wire.messages import ANSWER, Msg

__all__ = ["SeriesCall"]

_WINDOW: Final = 2


class SeriesCall(Call):
    """The requests of `type_` with these `payloads`, the first of which is there. `on_answer` gets
    the payload of each answer, in the order of the requests; what it raises ends the series. Each
    request has a number of `numbers`.

    A request that is refused as busy is sent again when the one before is answered: agents that
    keep no second request do that. So is one that continues another which the board has not got,
    because it was lost. `result` is empty when all are answered, or a refusal."""

    def __init__(
        self,
        link: Link,
        type_: Msg,
        payloads: Iterator[bytes],
        on_answer: Callable[[bytes], None],
        numbers: Callable[[], int],
    ) -> None:
        first, seq = next(payloads), numbers()
        super().__init__(link, seq, type_, first)
        self._payloads = payloads
        self._on_answer = on_answer
        self._numbers = numbers
        self._waiting = {seq: self.frame}  # in the order of their requests
        self._answered: dict[int, bytes] = {}
        self._refused: set[int] = set()
        self._moved = False

    def begin(self) -> None:
        """Send the first requests."""
        self.link.send(self.frame, self.type)
        self._fill()

    def _fill(self) -> None:
        """Send as many more requests as may be under way."""
        while len(self._waiting) < _WINDOW:
            payload = next(self._payloads, None)
            if payload is None:
                return
            seq = self._numbers()
            self._waiting[seq] = request_bytes(self.type, seq, payload)
            self.link.send(self._waiting[seq], self.type)

    def repeat(self) -> None:
        """Send again what is not answered, unless answers came since the last time: the board works
        on it."""
        if not self._moved:
            for seq, frame in self._waiting.items():
                if seq not in self._answered:
                    self.link.send(frame, self.type)
        self._moved = False

    def accept(self, frame: Frame) -> bool:
        if frame.seq not in self._waiting:
            return False
        if frame.type == self.type | ANSWER:
            self.busy, self._moved = False, True
            self._answered[frame.seq] = frame.payload
            self._hand_on()
            return True
        if frame.type == Msg.ERROR:
            answer = decoding.refusal(frame.payload)
            if answer.request == self.type:
                self.busy = answer.busy
                is_first = frame.seq == next(iter(self._waiting))
                if answer.busy or (answer.out_of_turn and not is_first):
                    self._refused.add(frame.seq)
                else:
                    self.result = answer
                return True
        return False

    def _hand_on(self) -> None:
        """Hand on what is answered, in order, and send what comes next."""
        ready: list[bytes] = []
        for seq in list(self._waiting):
            if seq not in self._answered:
                break
            del self._waiting[seq]
            ready.append(self._answered.pop(seq))
        self._fill()  # before what was answered is looked at, which takes time
        for seq in [seq for seq in self._waiting if seq in self._refused]:
            self._refused.discard(seq)
            self.link.send(self._waiting[seq], self.type)
        for payload in ready:
            self._on_answer(payload)
        if not self._waiting:
            self.result = b""
