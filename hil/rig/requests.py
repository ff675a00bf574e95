"""Requests of one rig to its nodes: their numbers, how long answers are waited for, and what a
missing or refused answer raises."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from hil._kernel import lib
from hil.clock import Clock
from hil.errors import LinkTimeout, NodeError
from hil.rig.calls import Call, Rebooted, Silence, Timing
from hil.rig.exchange import run_calls
from hil.rig.line_rate import LineRates
from hil.rig.node import Node
from hil.wire.messages import Msg, Refusal

_POWER_MODE_LOST_AFTER_US: Final = 15_000_000
_STATUS_TEXT: Final = {
    -1: "argument out of range",
    -2: "not possible in its present state",
    -3: "malformed request",
    -6: "stored data is damaged",
    -7: "out of capacity",
    -8: "not available on this board",
    -9: "refused by its operating system",
}


def status_text(status: int) -> str:
    """Return what a hil_status_t means, for people."""
    return _STATUS_TEXT.get(status, f"status {status}")


def patient(timing: Timing) -> Timing:
    """Return `timing` for a board that changes its power mode or starts a program, which takes
    seconds."""
    return replace(timing, lost_after_us=max(timing.lost_after_us, _POWER_MODE_LOST_AFTER_US))


class Requests:
    """Sends the requests of one rig, each with a sequence number of its own.

    `timing` is how long answers are waited for, unless a caller says otherwise; `rates` are the
    rates of the nodes' lines. One thread uses it: the one that runs the frames."""

    def __init__(self, timing: Timing, clock: Clock) -> None:
        self.timing = timing
        self.clock = clock
        self._seq = clock.now_us() % 0xFFFF
        """Not where the last host began: agents repeat the last answer to the last number."""
        self.rates = LineRates(self.next_seq)

    @contextlib.contextmanager
    def waiting_at_least(self, lost_after_us: int) -> Iterator[None]:
        """Wait at least `lost_after_us` for a silent board in the body: before a run, a board that
        starts on a busy computer holds nothing up."""
        usual_us = self.timing.lost_after_us
        self.timing = replace(self.timing, lost_after_us=max(usual_us, lost_after_us))
        try:
            yield
        finally:
            self.timing = replace(self.timing, lost_after_us=usual_us)

    def next_seq(self) -> int:
        """Return a new sequence number. STEP takes its own from the frame instead, so that the same
        frame has the same bytes on every board."""
        self._seq = self._seq % 0xFFFF + 1
        return self._seq

    def reserve_seqs(self, count: int) -> int:
        """Reserve `count` consecutive sequence numbers and return the first."""
        first = self._seq + 1 if self._seq + count < 0xFFFF else 1
        self._seq = first + count - 1
        return first

    def send(
        self, node: Node, type_: int, payload: bytes = b"", timing: Timing | None = None
    ) -> Call:
        """Send one request and return its call, which has ended. `timing` is used instead of the
        rig's own. Raises: VersionMismatch."""
        call = Call(node.link, self.next_seq(), type_, payload)
        run_calls([call], timing or self.timing)
        return call

    def ask(self, node: Node, type_: int, payload: bytes = b"") -> bytes:
        """Send one request and return the payload of its answer. Raises: as `expect`."""
        return self.expect(node, self.send(node, type_, payload))

    def expect(self, node: Node, call: Call) -> bytes:
        """Return the payload of the answer to a call that has ended.

        Raises: LinkTimeout if the node was silent or has started again; NodeError if it refused."""
        result = call.result
        if isinstance(result, bytes):
            return result
        if isinstance(result, Refusal):
            why = "it is suspended" if result.suspended else status_text(result.status)
            number = f" (errno {result.detail})" if result.status == lib.HIL_ERR_IO else ""
            raise NodeError(f"node {node.name} refused {Msg(call.type).name}: {why}{number}")
        if isinstance(result, Rebooted):
            raise LinkTimeout(f"node {node.name}: its agent started again")
        self.rates.lost(node)
        reason = result.reason if isinstance(result, Silence) else "no answer"
        raise LinkTimeout(
            f"node {node.name} does not answer: {reason}",
            remedy="is hil-agent running on the board, at this baud rate, with RX and TX crossed?",
        )
