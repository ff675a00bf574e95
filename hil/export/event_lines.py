"""Writes what happens in a run as lines of text with a level, for the event lists of others."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

from hil.record.measured_rows import RecordedPower
from hil.record.row_values import (
    RecordedAnomaly,
    RecordedCommand,
    RecordedLimit,
    RecordedLinkEvent,
    RecordedNote,
    RecordedRepair,
    RecordedSlip,
    RecordedTransition,
    RecordedUpset,
)
from hil.record.run_follower import FollowedRow
from hil.redundancy.recovery import NodeState
from hil.wire.messages import LinkState

__all__ = ["EventLevel", "ListedEvent", "listed_event"]

_BAD_STATES: Final = {NodeState.ISOLATED, NodeState.POWER_CYCLE, NodeState.RESET}


class EventLevel(enum.IntEnum):
    """The level of an event; the numbers are those of the levels of `foxglove.Log`."""

    INFO = 2
    WARNING = 3
    ERROR = 4


@dataclass(frozen=True, slots=True)
class ListedEvent:
    """One line: before or in `frame`, of a node (empty: of all), from a table of the record."""

    frame: int
    node: str
    table: str
    severity: EventLevel
    text: str


def listed_event(row: FollowedRow) -> ListedEvent | None:
    """Return the line of a row; None for what is measured and does not happen."""
    match row:
        case RecordedTransition():
            severity = EventLevel.ERROR if row.after in _BAD_STATES else EventLevel.INFO
            text = f"{row.before} -> {row.after}: {row.cause}"
            return ListedEvent(row.frame, row.node, "transitions", severity, text)
        case RecordedUpset():
            text = f"{row.target} {row.kind} ({row.source}), {row.state}"
            text += f": {row.effect}, {row.outcome}" if row.outcome else ""
            return ListedEvent(row.frame, row.node, "upsets", EventLevel.WARNING, text)
        case RecordedRepair():
            result = "done" if row.ok else f"failed: {row.detail}"
            severity = EventLevel.INFO if row.ok else EventLevel.ERROR
            text = f"{row.action} after {row.cause}: {result}"
            return ListedEvent(row.frame, row.node, "repairs", severity, text)
        case RecordedAnomaly():
            text = f"unexplained {row.effect}: {row.reason}"
            return ListedEvent(row.frame, row.node, "anomalies", EventLevel.ERROR, text)
        case RecordedLinkEvent():
            severity = EventLevel.ERROR if row.state == LinkState.LOST else EventLevel.INFO
            text = f"link {row.state}: {row.reason}"
            return ListedEvent(row.frame, row.node, "link_events", severity, text)
    return _other_line(row)


def _other_line(row: FollowedRow) -> ListedEvent | None:
    match row:
        case RecordedPower() if row.event:
            return ListedEvent(row.frame, row.node, "power", EventLevel.WARNING, row.event)
        case RecordedSlip():
            text = f"late by {row.late_wall_us} us {row.detail}".rstrip()
            return ListedEvent(row.frame, row.node or "", "slips", EventLevel.WARNING, text)
        case RecordedLimit():
            text = f"limits for {row.cause}: {row.asked} -> {row.applied}"
            return ListedEvent(row.frame, row.node, "limits", EventLevel.INFO, text)
        case RecordedCommand():
            result = "done" if row.ok else "refused"
            text = f"{row.who}: {row.command} {row.arguments}: {result} {row.answer}".rstrip()
            return ListedEvent(row.frame, "", "commands", EventLevel.INFO, text)
        case RecordedNote():
            return ListedEvent(row.frame or 0, "", "notes", EventLevel.INFO, row.text)
    return None
