"""The run of a summary: its record, and its result."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hil.record.reader import Reader
from hil.record.recorded_scenario import RecordedScenario
from hil.record.run_result import RunResult
from hil.views.style import Glyphs, plural

__all__ = ["RecordedRun"]


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """The record of a run with its result, or with its result so far."""

    reader: Reader
    result: RunResult
    glyphs: Glyphs
    scenario: RecordedScenario
    frame_us: int
    folder: str

    @classmethod
    def of(cls, reader: Reader, result: RunResult, glyphs: Glyphs) -> RecordedRun:
        """Return the values of a record that the sections share. Raises: RecordError if it is
        damaged."""
        return cls(
            reader,
            result,
            glyphs,
            reader.scenario,
            reader.frame_us,
            str(result.run_dir),
        )

    @property
    def folder_name(self) -> str:
        """Return the last part of the folder's path."""
        return Path(self.folder).name

    @property
    def planned_frames(self) -> int | None:
        """Return the planned number of frames; None if the end was left open."""
        return self.result.planned_frames or self.scenario.frames

    def missed_events_text(self) -> str:
        """Return how many of the scheduled upsets were not injected; empty if all were."""
        events = self.result.upsets.events
        missed, planned = events.missed or 0, events.planned or 0
        if not missed:
            return ""
        was = "was" if missed == 1 else "were"
        return f"{missed:,} of {plural(planned, 'planned event')} {was} not injected"
