"""The ending of a priced run: its prices are those of its frames, however few and however bad."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hil.record.run_lock import is_running
from hil.record.run_result import RunResult
from hil.run_outcome import RunOutcome
from hil.scenario import Scenario

if TYPE_CHECKING:
    from hil.json_values import JsonObject

__all__ = ["RunEnding", "ending_of"]


@dataclass(frozen=True, slots=True)
class RunEnding:
    """The outcome of a run, and how much of it there is. `going_on`: it has not ended, and its
    process lives. `failed`: metrics of the expectations that were not met; `why`: what ended the
    run early, if that is known. Both counts of frames include skipped ones."""

    outcome: str
    going_on: bool
    frames: int
    planned_frames: int
    failed: tuple[str, ...] = ()
    why: str = ""

    @property
    def ended(self) -> bool:
        """Return whether the run came to an end of its own or by its user; one that still runs or
        was killed did not."""
        return self.outcome in set(RunOutcome) - {RunOutcome.RUNNING}

    @property
    def complete(self) -> bool:
        """Return whether all frames of the run were computed, and the run ended."""
        return self.ended and self.frames >= self.planned_frames

    def as_json(self) -> JsonObject:
        """Return it as JSON."""
        return {
            "outcome": self.outcome,
            "ended": self.ended,
            "still_running": self.going_on,
            "frames": self.frames,
            "planned_frames": self.planned_frames,
            "failed_expectations": list(self.failed),
            "ended_by": self.why,
        }


def ending_of(result: RunResult, scenario: Scenario) -> RunEnding:
    """Return how a recorded run ended."""
    return RunEnding(
        result.outcome,
        result.outcome == RunOutcome.RUNNING and is_running(result.run_dir),
        result.flown,
        result.planned_frames or scenario.frame_count,
        tuple(e.metric for e in result.failed),
        result.error or result.aborted_by,
    )
