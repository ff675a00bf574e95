"""Output hold: what a scheme with `unvoted_output: hold` delivers in a frame without a voted
output.

The last voted output leaves the system again, marked as held, for at most `unvoted_frames`
consecutive frames (0: no limit). In simplex the node's own output counts as voted. Before the first
voted output there is nothing to hold.

Pure; a run and the verification of its record use the same code."""

from __future__ import annotations

from dataclasses import dataclass

from hil.redundancy.electorate import Scheme, is_alone
from hil.redundancy.voting import Verdict

__all__ = ["HeldOutput", "HoldSnapshot", "OutputHold"]


@dataclass(frozen=True, slots=True)
class HeldOutput:
    """A voted output: its frame, digest and bytes, and whether it differed from the golden run."""

    frame: int
    digest: int
    wrong: bool
    output: bytes


@dataclass(frozen=True, slots=True)
class HoldSnapshot:
    """The state of an OutputHold: the last voted output, and for how many frames there was no
    other."""

    last: HeldOutput | None
    frames_unvoted: int


class OutputHold:
    """The last voted output of one run by `scheme`, and the count of frames without one since."""

    def __init__(self, scheme: Scheme) -> None:
        self._scheme = scheme
        self._last: HeldOutput | None = None
        self._frames_unvoted = 0

    @property
    def in_use(self) -> bool:
        """Return whether the scheme holds outputs at all."""
        return self._scheme.holds

    @property
    def held_output(self) -> HeldOutput | None:
        """Return the output to deliver if the next frame has no voted one; None to deliver
        nothing."""
        limit = self._scheme.unvoted_frames
        if not self.in_use or (limit and self._frames_unvoted >= limit):
            return None
        return self._last

    def update(self, verdict: Verdict, output: bytes) -> None:
        """Take the final verdict of a frame, and the output on which it agreed."""
        voted = verdict.delivered and (self._scheme.members == 1 or not is_alone(verdict))
        if voted:
            self._last = HeldOutput(verdict.frame, verdict.output, not verdict.correct, output)
        self._frames_unvoted = 0 if voted else self._frames_unvoted + 1

    def snapshot(self) -> HoldSnapshot:
        """Return what is needed to continue later."""
        return HoldSnapshot(self._last, self._frames_unvoted)

    def restore(self, snapshot: HoldSnapshot) -> None:
        """Continue from `snapshot`."""
        self._last, self._frames_unvoted = snapshot.last, snapshot.frames_unvoted
