"""Where to look when an expectation failed: the first frame that shows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from hil.record.queries import BAD_FRAME, NO_OUTPUT, WRONG_OUTPUT, isolated_though_right
from hil.record.reader import Reader
from hil.views.listing import describe, moments, upset_text

__all__ = ["Trouble", "evidence"]

_NOT_MADE: Final = "NOT (state='injected' AND verified)"


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that went wrong, and the frame in which it did."""

    frame: int
    text: str


def evidence(reader: Reader, metric: str) -> Trouble | None:
    """The first frame that shows why `metric` is what it is; None if there is none. RecordError."""
    group, _, name = metric.rpartition(".")
    find = _OF_METRIC.get(metric)
    if find is not None:
        return find(reader)
    if group == "verdicts":
        other = "!=" if name == "unanimous" else "="
        return _frame(reader, f"verdict {other} ?", name)
    if group in ("by_node_effect", "by_system_outcome"):
        column = "effect" if group == "by_node_effect" else "outcome"
        return _upset(reader, f"state='injected' AND {column}=?", name)
    return _upset(reader, _NOT_MADE) if group in ("upsets", "by_target") else None


def _frame(reader: Reader, where: str, *values: Any) -> Trouble | None:
    frame = reader.rows(f"SELECT min(frame) FROM frames WHERE {where}", *values)[0][0]
    found = None if frame is None else next(moments(reader, frame, frame), None)
    return None if found is None else Trouble(frame, describe(found))


def _upset(reader: Reader, where: str, *values: Any) -> Trouble | None:
    rows = reader.rows(f"SELECT * FROM upsets WHERE {where} ORDER BY frame, id LIMIT 1", *values)
    return Trouble(rows[0]["frame"], f"upset {upset_text(rows[0])}") if rows else None


def _row(reader: Reader, sql: str) -> Trouble | None:
    rows = reader.rows(f"{sql} ORDER BY frame, id LIMIT 1")
    return Trouble(rows[0][0], rows[0][1]) if rows else None


def _wrong_output(reader: Reader) -> Trouble | None:
    return _frame(reader, WRONG_OUTPUT)


def _no_right_output(reader: Reader) -> Trouble | None:
    return _frame(reader, BAD_FRAME)


def _no_output(reader: Reader) -> Trouble | None:
    return _frame(reader, NO_OUTPUT)


def _held_output(reader: Reader) -> Trouble | None:
    return _frame(reader, "flags & 32")


def _anomaly(reader: Reader) -> Trouble | None:
    return _row(reader, "SELECT frame, node || ': ' || effect || ', unexplained' FROM anomalies")


def _missed_event(reader: Reader) -> Trouble | None:
    return _upset(reader, f"source LIKE 'event %' AND {_NOT_MADE}")


def _isolation(reader: Reader) -> Trouble | None:
    rows = reader.rows("SELECT * FROM transitions WHERE after='isolated' ORDER BY id LIMIT 1")
    if not rows:
        return None
    frame, node = rows[0]["frame"], rows[0]["node"]
    text = f"{node} was isolated: {rows[0]['cause']}"
    if isolated_though_right(reader, frame, node):
        text += "; it was right, and a wrong majority outvoted it"
    return Trouble(frame, text)


def _slip(reader: Reader) -> Trouble | None:
    return _row(reader, "SELECT frame, coalesce(node || ': ', '') || detail FROM slips")


def _repair(reader: Reader) -> Trouble | None:
    return _row(reader, "SELECT frame, action || ' of ' || node || ': ' || cause FROM repairs")


_OF_METRIC: Final[dict[str, Callable[[Reader], Trouble | None]]] = {
    "sdc_frames": _wrong_output,
    "sdc_escaped": _wrong_output,
    "sdc_upsets": _wrong_output,
    "by_system_outcome.sdc_escaped": _wrong_output,
    "availability": _no_right_output,
    "unresolved": _no_output,
    "held_frames": _held_output,
    "unexplained": _anomaly,
    "events.missed": _missed_event,
    "isolated": _isolation,
    "slips": _slip,
    "recoveries": _repair,
}
