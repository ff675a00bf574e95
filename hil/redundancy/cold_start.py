"""Cold start: how a rig comes back when no node was in service (a dead bus). Pure.

    order       nodes wake up one after another, a stated number of frames apart, so that the bus
                bears their inrush, and the first has its state before the next asks for it
    command     until two nodes agree, nothing is delivered: each woke up alone, and the state of
                the first one is only what a copy and its own computing came to. A node that stays
                alone may command after a stated number of frames, or never

The start begins with a frame in which no node votes, and ends when two agree and all that wanted to
wake up have. A scheme of one node has nobody to agree with; it only keeps the order."""

from __future__ import annotations

from collections.abc import Sequence

from hil.redundancy.electorate import Scheme
from hil.redundancy.voting import Verdict

__all__ = ["ColdStart", "CommandRule"]


class CommandRule:
    """The rule of who may command after a dead bus: who is alone may not. A run and the
    verification of its record use the same one. `alone_after`: consecutive frames after which such
    a node may command, 0 for never; None without a rule."""

    def __init__(self, scheme: Scheme, alone_after: int | None) -> None:
        self._scheme = scheme
        self._alone_after = alone_after
        self.waits = False

    def withholds(self, frames_alone: int) -> bool:
        """Return whether nothing is delivered in the `frames_alone`-th consecutive frame in which a
        node is alone."""
        return self.waits and not (self._alone_after and frames_alone > self._alone_after)

    def update(self, verdict: Verdict) -> None:
        """Take the final verdict of a frame."""
        one_speaks_alone = self._scheme.members > 1 and not self._scheme.pairs
        if self._alone_after is None or not one_speaks_alone:
            return
        if not verdict.voters:
            self.waits = True
        elif self._scheme.is_compared(verdict):
            self.waits = False


class ColdStart:
    """The cold start of one rig: whose turn it is to wake up. `order` has the names of all nodes.
    Not thread-safe.

    `since`: the frame of the last dead bus; `woken`: the nodes that have had their turn since, in
    order."""

    def __init__(self, rule: CommandRule, order: Sequence[str], apart_frames: int) -> None:
        self.rule = rule
        self.since = 0
        self.woken: list[str] = []
        self._active = False
        self._order = tuple(order)
        self._apart = apart_frames
        self._asking: set[str] = set()
        self._turn: str | None = None
        self._turn_since = 0

    @property
    def under_way(self) -> bool:
        """Return whether nodes still wait for their turn, or the first outputs are withheld."""
        return self._active or self.rule.waits

    def begin_frame(self, frame: int, *, anybody_powered: bool) -> bool:
        """Take whether a node has power before `frame`; give the next turn if it is due. Return
        whether a cold start begins."""
        begins = not anybody_powered and (not self._active or bool(self.woken))
        if begins:
            self._active, self.since = True, frame
            self.woken, self._turn = [], None
            self._asking.clear()
        if self._asking and frame - self._turn_since >= self._apart:
            if self._turn is not None:  # it has not come: the next one in the order
                self._asking.discard(self._turn)
            waiting = [name for name in self._order if name in self._asking]
            self._turn = waiting[0] if waiting else None
            self._turn_since = frame
        return begins

    def may_wake(self, frame: int, name: str) -> bool:
        """Return whether a node that could have power again in `frame` may; it waits for its turn
        otherwise."""
        if not self._active or name in self.woken:
            return True
        if not self._asking and not self.woken:
            self._turn_since = frame - self._apart  # the first turn is in the next frame
        self._asking.add(name)
        if name != self._turn:
            return False
        self.woken.append(name)
        self._asking.discard(name)
        self._turn, self._turn_since = None, frame
        return True

    def end_frame(self, verdict: Verdict) -> bool:
        """Take the final verdict of a frame; return whether the rig commands again with it, and
        nobody waits for a turn."""
        self.rule.update(verdict)
        ends = self._active and bool(self.woken) and verdict.delivered and not self._asking
        self._active = self._active and not ends
        return ends
