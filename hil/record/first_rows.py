"""The first row of a record that shows something: where a reader should look."""

from __future__ import annotations

from typing import Any

from hil.record.queries import BAD_FRAME, NO_OUTPUT, WRONG_OUTPUT, Rows
from hil.record.row_values import (
    RecordedAnomaly,
    RecordedRepair,
    RecordedSlip,
    RecordedTransition,
    RecordedUpset,
    T,
    values_of,
)
from hil.record.tally import INJECTED

__all__ = [
    "first_anomaly",
    "first_bad_frame",
    "first_frame_not_of_verdict",
    "first_frame_of_verdict",
    "first_frame_without_output",
    "first_held_output",
    "first_isolation",
    "first_missed_event",
    "first_missed_upset",
    "first_repair",
    "first_slip",
    "first_upset_with_activation",
    "first_upset_with_effect",
    "first_upset_with_outcome",
    "first_wrong_output",
    "last_isolation_of",
]


def _frame(record: Rows, where: str, *values: Any) -> int | None:
    frame: int | None = record.rows(f"SELECT min(frame) FROM frames WHERE {where}", *values)[0][0]
    return frame


def first_wrong_output(record: Rows) -> int | None:
    """Return the first frame in which a wrong output left the system."""
    return _frame(record, WRONG_OUTPUT)


def first_bad_frame(record: Rows) -> int | None:
    """Return the first frame of which no output, or a wrong one, left the system."""
    return _frame(record, BAD_FRAME)


def first_frame_without_output(record: Rows) -> int | None:
    """Return the first frame without an output of its own."""
    return _frame(record, NO_OUTPUT)


def first_held_output(record: Rows) -> int | None:
    """Return the first frame in which the last voted output left the system again."""
    return _frame(record, "flags & 32")


def first_frame_of_verdict(record: Rows, verdict: str) -> int | None:
    """Return the first frame with a verdict."""
    return _frame(record, "verdict = ?", verdict)


def first_frame_not_of_verdict(record: Rows, verdict: str) -> int | None:
    """Return the first notable frame with another verdict."""
    return _frame(record, "verdict != ?", verdict)


def _first(record: Rows, kind: type[T], table: str, where: str = "", *values: Any) -> T | None:
    rows = record.rows(f"SELECT * FROM {table} {where} ORDER BY frame, id LIMIT 1", *values)
    return values_of(kind, rows)[0] if rows else None


def first_upset_with_effect(record: Rows, effect: str) -> RecordedUpset | None:
    """Return the first injected upset with an effect on its node."""
    return _first(record, RecordedUpset, "upsets", "WHERE state='injected' AND effect=?", effect)


def first_upset_with_outcome(record: Rows, outcome: str) -> RecordedUpset | None:
    """Return the first injected upset with an outcome."""
    return _first(record, RecordedUpset, "upsets", "WHERE state='injected' AND outcome=?", outcome)


def first_upset_with_activation(record: Rows, activation: str) -> RecordedUpset | None:
    """Return the first injected upset with an activation; with an empty one, of which it is not
    known."""
    where = "WHERE state='injected' AND activation=?"
    return _first(record, RecordedUpset, "upsets", where, activation)


def first_missed_upset(record: Rows) -> RecordedUpset | None:
    """Return the first upset that was not made, or not read back."""
    return _first(record, RecordedUpset, "upsets", f"WHERE NOT ({INJECTED})")


def first_missed_event(record: Rows) -> RecordedUpset | None:
    """Return the first event of the scenario that was not made, or not read back."""
    where = f"WHERE source LIKE 'event %' AND NOT ({INJECTED})"
    return _first(record, RecordedUpset, "upsets", where)


def first_anomaly(record: Rows) -> RecordedAnomaly | None:
    """Return the first symptom that no upset explains."""
    return _first(record, RecordedAnomaly, "anomalies")


def first_slip(record: Rows) -> RecordedSlip | None:
    """Return the first slip."""
    return _first(record, RecordedSlip, "slips")


def first_repair(record: Rows) -> RecordedRepair | None:
    """Return the first attempt to repair."""
    return _first(record, RecordedRepair, "repairs")


def first_isolation(record: Rows) -> RecordedTransition | None:
    """Return the transition with which a node was isolated first."""
    rows = record.rows("SELECT * FROM transitions WHERE after='isolated' ORDER BY id LIMIT 1")
    return values_of(RecordedTransition, rows)[0] if rows else None


def last_isolation_of(record: Rows, node: str) -> RecordedTransition | None:
    """Return the transition with which a node was isolated last."""
    rows = record.rows(
        "SELECT * FROM transitions WHERE node=? AND after='isolated' ORDER BY id DESC LIMIT 1",
        node,
    )
    return values_of(RecordedTransition, rows)[0] if rows else None
