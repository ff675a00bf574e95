"""The last snapshot of a run, as its record keeps it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from hil.record.queries import Rows
from hil.record.row_values import RecordedUpset, value_of

__all__ = ["RecordedSnapshot", "recorded_snapshot", "upset_at_snapshot"]


@dataclass(frozen=True, slots=True)
class RecordedSnapshot:
    """A row of `snapshot`, with what was in checkpoints, by frame. `engine` is what the engine
    wrote, as JSON gives it back."""

    frame: int
    state: bytes
    engine: Mapping[str, object]
    states: dict[int, bytes]


def recorded_snapshot(record: Rows) -> RecordedSnapshot | None:
    """Return the last snapshot; None if the run ended before the first one."""
    rows = record.rows("SELECT frame, state, engine FROM snapshot")
    if not rows:
        return None
    frame, state, text = rows[0]
    states = {row[0]: row[1] for row in record.rows("SELECT frame, state FROM snapshot_states")}
    return RecordedSnapshot(frame, state, json.loads(text), states)


def upset_at_snapshot(record: Rows, number: int) -> RecordedUpset:
    """Return the upset with this id as it was at the last snapshot."""
    rows = record.rows(
        "SELECT * FROM upsets_at_snapshot WHERE id=? UNION ALL SELECT * FROM upsets WHERE id=?",
        number,
        number,
    )
    return value_of(RecordedUpset, rows[0])
