"""Reports of progress: what observers get of a run, between its frames."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from hil.clock import Clock
from hil.engine.observers import FramesDone, RunObserver
from hil.engine.part_groups import FrameTimes, UpsetParts
from hil.engine.result import RunProgress
from hil.redundancy.recovery import NodeState
from hil.redundancy.voting import Verdict
from hil.scenario import Scenario

__all__ = ["ProgressReporter", "report_recording"]

_PROGRESS_US: Final = 100_000


class ProgressReporter:
    """Reports frames and progress to `observers`. `node_states` returns the state of each node."""

    def __init__(
        self,
        observers: Sequence[RunObserver],
        clock: Clock,
        times: FrameTimes,
        upsets: UpsetParts,
        *,
        node_states: Callable[[], Mapping[str, NodeState]],
    ) -> None:
        self._observers = observers
        self._clock = clock
        self._times = times
        self._upsets = upsets
        self._node_states = node_states
        self.due_us = 0

    def opening(self, what: str) -> None:
        """Report what takes long before the first frame."""
        self.report(f"opening: {what}", 0)

    def phase(self, phase: str) -> None:
        """Report what the run does now."""
        self.report(phase, self._times.next_frame)

    def report(self, phase: str, frame: int, *, running: bool = False) -> None:
        """Report the progress; `frame` includes skipped frames. The next report is due in 0.1 s."""
        self.due_us = self._clock.now_us() + _PROGRESS_US
        if not self._observers:
            return
        progress = RunProgress(
            phase,
            running,
            frame,
            self._times.frame_count,
            self._upsets.classifier.count,
            self._times.metrics.recoveries,
            self._times.metrics.sdc_frames,
            tuple((name, state.value) for name, state in self._node_states().items()),
        )
        for observer in self._observers:
            observer.on_progress(progress)

    def frames(self, next_frame: int, computed: int, skipped: int, verdict: Verdict | None) -> None:
        """Report frames that have ended; `verdict` is that of the last computed one."""
        done = FramesDone(next_frame, computed, skipped, verdict if computed else None)
        for observer in self._observers:
            observer.on_frame(done)


def report_recording(scenario: Scenario, observers: Sequence[RunObserver], frame: int) -> None:
    """Report how much of the golden run is recorded."""
    phase = "recording the golden run"
    progress = RunProgress(phase, False, frame, scenario.frame_count, 0, 0, 0, ())
    for observer in observers:
        observer.on_progress(progress)
