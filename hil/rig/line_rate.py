"""The rates of serial lines: raised from a safe one, lowered on errors, found again when lost.

                  BAUD answered, HELLO answered at the new rate
      SAFE  ----------------------------------------------------->  RAISED
       ^    <-----------------------------------------------------    |
       |      no HELLO; silence; a new start of the agent; the end     |
       |                                                               |
       +------------------- lower rate <-------------------------------+
                                             too many broken frames

    what happened                      what is done                              by
    a board has answered HELLO         try its rate, then half of it, ...        raise_rate
    a rate does not work               both at the safe rate again, not tried    raise_rate
                                       again in this run; once more if this
                                       computer was too busy to tell
    broken frames at a raised rate     half the rate, and never above it again   adjust_rate
    no answer at a raised rate         the safe rate; the second time, a rate    lost
                                       that is lower permanently
    no errors at the safe rate         try again                                 adjust_rate

Both parties keep a safe rate: the host's is the one that the port is opened with, the agent's the
one that it was started with; they must be the same. The agent's part is rule 11 of csrc/SPEC.md
(csrc/agent/agent_baud.c). A port without a rate of its own (a socket, a pipe) is left alone, and so
is a board for which no faster rate is known.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from hil._kernel import lib
from hil.errors import VersionMismatch
from hil.rig.backends.capabilities import rate_of, set_rate
from hil.rig.calls import Call, Timing
from hil.rig.exchange import run_calls
from hil.rig.node import Node
from hil.rig.processor_use import Pressure
from hil.rig.transport import TransportLost
from hil.scenario.words import BAUD_RATES
from hil.wire import encoding
from hil.wire.messages import Msg, Refusal

_ASKING: Final = Timing(retry_us=100_000, lost_after_us=1_000_000)
_CONFIRMING: Final = Timing(retry_us=40_000, lost_after_us=700_000)
"""Less than the second for which an agent waits for it."""
_MEETING: Final = Timing(retry_us=100_000, lost_after_us=3_000_000)
"""More than that second, and more than the time after which an agent that receives only damaged
bytes returns to its safe rate."""
_LEAVING: Final = Timing(retry_us=50_000, lost_after_us=300_000)

_WINDOW_FRAMES: Final = 128
_ERRORS_MIN: Final = 8
_ERRORS_PER_FRAME: Final = 1 / 16
_TRIES: Final = 3
_BUSY_SHARE: Final = 0.3
"""From this share of waiting threads on, an answer may have been missed because the agent or the
host had no processor."""


@dataclass(slots=True)
class _Book:
    """The state of one node's line. `ceiling`: no rate above it is tried any more."""

    ceiling: int
    frames: int = 0
    errors: int = 0
    silences: int = 0
    retried: set[int] = field(default_factory=set)  # rates that were tried again at once


def lower_rate(baud: int, safe: int) -> int:
    """Return the highest rate that is at most half of `baud`, but not below `safe` [bit/s]."""
    return max((r for r in BAUD_RATES if safe <= r <= baud // 2), default=safe)


class LineRates:
    """The rates of one rig's lines. `numbers` gives sequence numbers. Nothing here raises but
    VersionMismatch: a line that has no faster rate is a slow line, not a failure."""

    def __init__(self, numbers: Callable[[], int]) -> None:
        self._numbers = numbers
        self._books: dict[str, _Book] = {}

    def _wanted(self, node: Node) -> int:
        return min(node.capabilities.fast_baud, self._book(node).ceiling)

    def _book(self, node: Node) -> _Book:
        return self._books.setdefault(node.name, _Book(BAUD_RATES[-1]))

    def is_raised(self, node: Node) -> bool:
        """Return whether the line runs at another rate than the port was opened with."""
        rate = rate_of(node.link.transport)
        return rate is not None and rate.now != rate.safe

    def raise_rate(self, node: Node) -> None:
        """Raise the line of a node that has just answered HELLO to the fastest rate that works."""
        book, tries = self._book(node), _TRIES
        while tries > 0:
            rate = rate_of(node.link.transport)
            if rate is None or self._wanted(node) <= max(rate.safe, rate.now):
                return
            wanted = self._wanted(node)
            pressure = Pressure(node.link.clock)
            pressure.sample()
            why = self.change(node, wanted)
            if why is None:
                node.link.statistics.rate_raises += 1
                node.link.status.note(f"line rate raised to {wanted}")
                break
            if pressure.share >= _BUSY_SHARE and wanted not in book.retried:
                book.retried.add(wanted)
                continue
            tries -= 1
            book.ceiling = min(book.ceiling, lower_rate(wanted, rate.safe))
            node.link.status.note(f"line rate {wanted} not available: {why}")
        self._mark(node)

    def _mark(self, node: Node) -> None:
        statistics, book = node.link.statistics, self._book(node)
        book.frames, book.errors = statistics.rx_frames, statistics.rx_errors + statistics.naks

    def adjust_rate(self, node: Node) -> None:
        """Lower or raise the rate by the errors on the line since the last call. Called at
        intervals between two frames: it may take some round trips."""
        rate = rate_of(node.link.transport)
        if rate is None or not node.link.connected or not node.capabilities.fast_baud:
            return
        statistics, book = node.link.statistics, self._book(node)
        frames = statistics.rx_frames - book.frames
        errors = statistics.rx_errors + statistics.naks - book.errors
        if rate.now > rate.safe and errors >= max(_ERRORS_MIN, frames * _ERRORS_PER_FRAME):
            self._lower(
                node, lower_rate(rate.now, rate.safe), f"{errors} of {frames} frames broken"
            )
        elif frames >= _WINDOW_FRAMES:
            self._mark(node)
            if rate.now == rate.safe and errors < _ERRORS_MIN:
                self.raise_rate(node)

    def _lower(self, node: Node, baud: int, why: str) -> None:
        self._book(node).ceiling = baud
        failed = self.change(node, baud)
        node.link.statistics.rate_falls += 1
        rate = rate_of(node.link.transport)
        at = "a lost line" if rate is None else f"{rate.now}"
        note = f" ({baud} was not available: {failed})" if failed else ""
        node.link.status.note(f"line rate lowered to {at}: {why}{note}")
        self._mark(node)

    def lost(self, node: Node) -> None:
        """Return the raised line of a silent node to the safe rate. Its agent follows as soon as it
        receives the host's bytes at that rate."""
        rate = rate_of(node.link.transport)
        if rate is None or rate.now == rate.safe:
            return
        book = self._book(node)
        book.silences += 1
        if book.silences > 1:
            book.ceiling = lower_rate(rate.now, rate.safe)
        self._to_safe(node)
        node.link.statistics.rate_falls += 1
        node.link.status.note(f"line rate lowered to {rate.safe}: silence at {rate.now}")
        self._mark(node)

    def on_agent_restart(self, node: Node) -> None:
        """Return to the safe rate, because the node's agent starts again at it."""
        self._to_safe(node)

    def leave(self, node: Node) -> None:
        """Return to the safe rate at the end of the run, for the next program."""
        rate = rate_of(node.link.transport)
        if rate is not None and rate.now != rate.safe:
            call = Call(node.link, self._numbers(), Msg.BAUD, encoding.baud_request(0))
            with contextlib.suppress(VersionMismatch):
                run_calls([call], _LEAVING)

    # --- one change -----------------------------------------------------------------------------

    def _to_safe(self, node: Node) -> None:
        rate = rate_of(node.link.transport)
        if rate is not None and rate.now != rate.safe:
            self._set(node, rate.safe)

    def _set(self, node: Node, baud: int) -> str | None:
        transport = node.link.transport
        if transport is None:
            return "the line was lost"
        try:
            set_rate(transport, baud)
        except TransportLost as lost:
            node.link.detach(str(lost))
            return str(lost)
        except (OSError, ValueError) as error:
            return f"this computer's port cannot run at it ({error})"
        return None

    def can_change(self, node: Node) -> bool:
        """Ask the agent of a node at its safe rate whether its line can run at another one."""
        if rate_of(node.link.transport) is None:
            return False
        call = Call(node.link, self._numbers(), Msg.BAUD, encoding.baud_request(0))
        run_calls([call], _ASKING)
        return isinstance(call.result, bytes)

    def change(self, node: Node, baud: int) -> str | None:
        """Agree with the agent on `baud`, switch, and confirm it by a HELLO. Returns None, or why
        the line is at the safe rate again."""
        rate = rate_of(node.link.transport)
        assert rate is not None
        asked = 0 if baud == rate.safe else baud
        call = Call(node.link, self._numbers(), Msg.BAUD, encoding.baud_request(asked))
        run_calls([call], _ASKING)
        if isinstance(call.result, Refusal):
            if call.result.status == lib.HIL_ERR_NOSYS:  # no other rate would do better
                self._book(node).ceiling = 0
            return "the board refuses it"
        why = None if isinstance(call.result, bytes) else "the board did not answer"
        why = why or self._set(node, baud)
        if why is None and self._greets(node, _CONFIRMING):
            return None
        self._to_safe(node)
        met = self._greets(node, _MEETING)
        why = why or "nothing is heard at it"
        return why if met else f"{why}, nor at the safe rate"

    def _greets(self, node: Node, timing: Timing) -> bool:
        if not node.link.connected:
            return False
        hello = Call(node.link, self._numbers(), Msg.HELLO)
        run_calls([hello], timing)
        return isinstance(hello.result, bytes)
