"""Observers: objects that follow a run in its own process, while it runs.

A progress display, a metrics endpoint, a notebook or a test derives from `RunObserver` and
overrides the methods that it needs. Observers get values and cannot steer the run; `stop` and
`inbox` of the loop are for that."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from hil.engine.result import RunProgress
from hil.errors import UsageError
from hil.record.recorder_protocol import RepairAttempt
from hil.redundancy.recovery import Transition
from hil.redundancy.voting import Verdict
from hil.upsets.outcome import Anomaly
from hil.upsets.upset import Upset

__all__ = [
    "FramesDone",
    "NodeRepair",
    "ProgressObserver",
    "RunEvent",
    "RunObserver",
    "TimeSlip",
    "check_hooks",
]


@dataclass(frozen=True, slots=True)
class FramesDone:
    """Frames that have ended and are recorded: `computed` ones, the last of them with `verdict`, or
    `skipped` ones, which were not computed. `next_frame` comes next."""

    next_frame: int
    computed: int
    skipped: int
    verdict: Verdict | None


@dataclass(frozen=True, slots=True)
class NodeRepair:
    """One attempt to repair a node after `frame`."""

    frame: int
    node: str
    attempt: RepairAttempt


@dataclass(frozen=True, slots=True)
class TimeSlip:
    """A frame or a node (None: all nodes) that was late by `late_us` of real time."""

    frame: int
    node: str | None
    late_us: int
    detail: str


RunEvent: TypeAlias = Upset | Anomaly | Transition | NodeRepair | TimeSlip
"""What is recorded besides plain frames. An upset is reported when it has been injected, and again
when its assessment changes."""


class RunObserver:
    """Follows one run; every method does nothing until it is overridden. All methods are called in
    the thread of the run, which waits for them. An exception in one ends the run, as a failure of
    the rig does."""

    def on_start(self, next_frame: int) -> None:
        """Note the start: all boards are calibrated and the record is open, before the first
        frame."""

    def on_frame(self, done: FramesDone) -> None:
        """Note a frame, a batch of quiet frames, or quiet frames that were skipped."""

    def on_event(self, event: RunEvent) -> None:
        """Note an event, within a frame that has not ended yet or between two frames."""

    def on_progress(self, progress: RunProgress) -> None:
        """Note progress: the phase of the run has changed, or about 0.1 s have passed."""


class ProgressObserver(RunObserver):
    """Passes the progress of a run to `show`."""

    def __init__(self, show: Callable[[RunProgress], None]) -> None:
        self._show = show

    def on_progress(self, progress: RunProgress) -> None:
        """Pass the progress on."""
        self._show(progress)


def check_hooks(observers: object, stop: object) -> None:
    """Check what a caller gave to follow and to end a run. Raises: UsageError."""
    if not isinstance(observers, Sequence):
        raise UsageError(f"observers={observers!r} is not a list", remedy="give a list of them")
    if wrong := [each for each in observers if not isinstance(each, RunObserver)]:
        raise UsageError(
            f"observers= has {wrong[0]!r}, which is not an object of hil.RunObserver",
            remedy="derive a class from hil.RunObserver, and give an object of it",
        )
    if not callable(stop):
        raise UsageError(
            f"stop= is {stop!r}, which cannot be called",
            remedy="give a function without arguments that returns whether to stop",
        )
