"""Observers: what follows a run from within its process, as it happens.

A progress display, a metrics endpoint, a notebook or a test derives from `RunObserver` and
overrides what it needs. Observers see values; they steer nothing (see `stop` and `inbox` of the
loop for that)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from hil.engine.result import RunProgress
from hil.record.recorder import RepairAttempt
from hil.redundancy.recovery import Transition
from hil.redundancy.voting import Verdict
from hil.upsets.outcome import Anomaly
from hil.upsets.upset import Upset

__all__ = ["FramesDone", "NodeRepair", "ProgressObserver", "RunEvent", "RunObserver", "TimeSlip"]


@dataclass(frozen=True, slots=True)
class FramesDone:
    """Frames have come to their end, with all that was recorded of them: `computed` of them, the
    last with `verdict`, or `skipped` quiet ones, which nobody computed. `next_frame` comes next."""

    next_frame: int
    computed: int
    skipped: int
    verdict: Verdict | None


@dataclass(frozen=True, slots=True)
class NodeRepair:
    """A node was repaired, or could not be, after `frame`."""

    frame: int
    node: str
    attempt: RepairAttempt


@dataclass(frozen=True, slots=True)
class TimeSlip:
    """A frame, or a node (None: all of them), was late by `late_us` of real time."""

    frame: int
    node: str | None
    late_us: int
    detail: str


RunEvent: TypeAlias = Upset | Anomaly | Transition | NodeRepair | TimeSlip
"""What is recorded beside plain frames. An upset comes when it was made, and again when its
assessment changes."""


class RunObserver:
    """Follows one run; does nothing by itself. All methods are called on the thread of the run,
    which waits for them. What they raise ends the run, as a failure of the rig does."""

    def on_start(self, next_frame: int) -> None:
        """All boards answer and are calibrated, the record is open, and frames begin."""

    def on_frame(self, done: FramesDone) -> None:
        """One frame was run, or a batch of quiet ones, or quiet ones were skipped."""

    def on_event(self, event: RunEvent) -> None:
        """Something happened within a frame that is not over yet, or between two frames."""

    def on_progress(self, progress: RunProgress) -> None:
        """The phase of the run changed, or a tenth of a second has passed."""


class ProgressObserver(RunObserver):
    """Passes the progress of a run to `show`."""

    def __init__(self, show: Callable[[RunProgress], None]) -> None:
        self._show = show

    def on_progress(self, progress: RunProgress) -> None:
        """Show it."""
        self._show(progress)
