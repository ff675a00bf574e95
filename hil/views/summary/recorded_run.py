"""The run that a summary is made of: its record, and its result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hil.record.reader import Reader
from hil.views.style import Glyphs, plural

__all__ = ["RecordedRun"]


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """A run's record with its result, or with what is known of the result so far."""

    reader: Reader
    result: Mapping[str, Any]
    glyphs: Glyphs
    scenario: Mapping[str, Any]
    frame_us: int
    folder: str

    @classmethod
    def of(cls, reader: Reader, result: Mapping[str, Any], glyphs: Glyphs) -> RecordedRun:
        """Take what the sections share from the record. Raises: RecordError if it is damaged."""
        return cls(
            reader,
            result,
            glyphs,
            reader.meta_json("scenario") or {},
            reader.frame_us,
            str(result.get("run_dir") or reader.path.parent),
        )

    @property
    def folder_name(self) -> str:
        """The last part of the folder's path."""
        return Path(self.folder).name

    @property
    def planned_frames(self) -> int | None:
        """The frames that the run was to have; None if its end was left open."""
        planned = self.result.get("planned_frames") or self.scenario.get("frames")
        return planned if isinstance(planned, int) else None

    def metric(self, name: str) -> float | None:
        """Return a metric of the result; of a run that has none yet, the count so far."""
        value = (self.result.get("metrics") or self.result).get(name)
        return None if value is None else float(value)

    def missed_events_text(self) -> str:
        """Say how many of the scenario's own upsets were not injected; empty if all were."""
        events = (self.result.get("upsets") or {}).get("events") or {}
        missed = int(events.get("missed") or 0)
        planned = int(events.get("planned") or 0)
        if not missed:
            return ""
        was = "was" if missed == 1 else "were"
        return f"{missed:,} of {plural(planned, 'planned event')} {was} not injected"
