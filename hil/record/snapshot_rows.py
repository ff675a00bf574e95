"""The last snapshot of a run, as its record keeps it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from hil.record.queries import Rows
from hil.record.recorded_scenario import object_in
from hil.record.row_values import RecordedUpset, value_of

__all__ = [
    "RecordedSnapshot",
    "last_ids_in",
    "recorded_snapshot",
    "upset_at_snapshot",
    "with_last_ids",
]

_LAST_IDS: Final = "rows"
"""The key of what the record adds to the object of the engine."""


@dataclass(frozen=True, slots=True)
class RecordedSnapshot:
    """A row of `snapshot`, with what was in checkpoints, by frame. `engine` is the JSON object that
    the engine wrote, with the last ids that the record had given."""

    frame: int
    state: bytes
    engine: str
    states: dict[int, bytes]


def recorded_snapshot(record: Rows) -> RecordedSnapshot | None:
    """Return the last snapshot; None if the run ended before the first one."""
    rows = record.rows("SELECT frame, state, engine FROM snapshot")
    if not rows:
        return None
    frame, state, text = rows[0]
    states = {row[0]: row[1] for row in record.rows("SELECT frame, state FROM snapshot_states")}
    return RecordedSnapshot(frame, state, text, states)


def with_last_ids(engine: str, transitions: int, repairs: int) -> str:
    """Return the JSON object in `engine` with the last ids of two tables, in which rows of the
    frame before the snapshot cannot be told from those after it by their frame.

    The text of the engine may be long, and is not parsed for it."""
    last_ids = json.dumps({"transitions": transitions, "repairs": repairs})
    inner = engine.strip()[1:-1]
    return f'{{{inner}{", " if inner else ""}"{_LAST_IDS}": {last_ids}}}'


def last_ids_in(engine: str) -> tuple[int | None, int | None]:
    """Return the last ids of transitions and repairs in a text of `with_last_ids`; None in a record
    that is older than them, or damaged."""
    last_ids = (object_in(engine) or {}).get(_LAST_IDS)
    if not isinstance(last_ids, Mapping):
        return None, None
    transitions, repairs = last_ids.get("transitions"), last_ids.get("repairs")
    return (
        transitions if isinstance(transitions, int) else None,
        repairs if isinstance(repairs, int) else None,
    )


def upset_at_snapshot(record: Rows, number: int) -> RecordedUpset:
    """Return the upset with this id as it was at the last snapshot."""
    rows = record.rows(
        "SELECT * FROM upsets_at_snapshot WHERE id=? UNION ALL SELECT * FROM upsets WHERE id=?",
        number,
        number,
    )
    return value_of(RecordedUpset, rows[0])
