"""The screen's queries about frames, upsets, transitions, repairs and commands.

All of them take any record that answers `rows`, return values or numbers, and change nothing.
A span of ids or of times `after, last` leaves out `after` and has `last` in it. Times are simulated
time [us], frames are numbers of frames, ids are those of a table (they grow with the frames)."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from hil.record.queries import NO_OUTPUT, WRONG_OUTPUT, Rows
from hil.record.record_tables import RecordTable
from hil.record.row_values import (
    RecordedAnomaly,
    RecordedCommand,
    RecordedFrame,
    RecordedLimit,
    RecordedLinkEvent,
    RecordedNote,
    RecordedRepair,
    RecordedReply,
    RecordedSlip,
    RecordedSupplyEvent,
    RecordedTransition,
    RecordedUpset,
    T,
    values_of,
)
from hil.redundancy.spares import NEEDED

__all__ = [
    "DamagedChunk",
    "RecordedEvent",
    "acknowledgements",
    "anomalies",
    "damaged_chunks",
    "departures",
    "frame_kinds",
    "injected_frames",
    "isolations",
    "last_hold",
    "neighbour_frame",
    "newest_events_of",
    "newest_replica_frame",
    "newest_transition",
    "newest_upsets",
    "newest_wake_up",
    "next_settled",
    "notable_frame",
    "repairs_of_frame",
    "replies_of_frame",
    "states_reached",
    "upset_counts",
    "upsets_of_frame",
]

_WAKE_UPS: Final = 2000
"""A node that was woken is searched in this number of transitions."""
_DORMANT_FRAMES: Final = 100_000
"""A dormant upset has its effect within this number of frames; older ones are not searched."""

RecordedEvent: TypeAlias = (
    RecordedTransition
    | RecordedRepair
    | RecordedAnomaly
    | RecordedSlip
    | RecordedLimit
    | RecordedLinkEvent
    | RecordedCommand
    | RecordedNote
)
"""A row of one of the tables of events that are ordered by id."""

_EVENT_KINDS: Final[Mapping[RecordTable, type[RecordedEvent]]] = {
    RecordTable.TRANSITIONS: RecordedTransition,
    RecordTable.REPAIRS: RecordedRepair,
    RecordTable.ANOMALIES: RecordedAnomaly,
    RecordTable.SLIPS: RecordedSlip,
    RecordTable.LIMITS: RecordedLimit,
    RecordTable.LINK_EVENTS: RecordedLinkEvent,
    RecordTable.COMMANDS: RecordedCommand,
    RecordTable.NOTES: RecordedNote,
}


def _first(kind: type[T], rows: Sequence[sqlite3.Row]) -> T | None:
    return values_of(kind, rows[:1])[0] if rows else None


def _number(rows: Sequence[sqlite3.Row]) -> int | None:
    return int(rows[0][0]) if rows and rows[0][0] is not None else None


# --- frames -------------------------------------------------------------------------------------


def notable_frame(record: Rows, frame: int) -> RecordedFrame | None:
    """Return a frame that is more than plain agreement; None for one that is not."""
    return _first(RecordedFrame, record.rows("SELECT * FROM frames WHERE frame = ?", frame))


def neighbour_frame(record: Rows, frame: int, step: int) -> int | None:
    """Return the next notable frame after `frame` (step 1), or the last one before it (-1)."""
    sign, order = (">", "ASC") if step > 0 else ("<", "DESC")
    return _number(
        record.rows(
            f"SELECT frame FROM frames WHERE frame {sign} ? ORDER BY frame {order} LIMIT 1", frame
        )
    )


def frame_kinds(record: Rows, first: int, last: int) -> list[tuple[str, int, int]]:
    """Return kind, count and first frame of each kind of notable frame from `first` to `last`.

    The kinds are wrong, no_output, redone (rolled back), outvoted and hit; a frame is of the first
    of these that it belongs to."""
    rows = record.rows(
        f"SELECT CASE WHEN {WRONG_OUTPUT} THEN 'wrong' WHEN {NO_OUTPUT} THEN 'no_output' "
        "WHEN flags & 4 THEN 'redone' WHEN verdict = 'majority' THEN 'outvoted' ELSE 'hit' END "
        "AS kind, count(*), min(frame) FROM frames WHERE frame BETWEEN ? AND ? GROUP BY kind",
        first,
        last,
    )
    return [(row[0], row[1], row[2]) for row in rows]


def replies_of_frame(record: Rows, frame: int) -> list[RecordedReply]:
    """Return what the nodes answered in all executions of a frame."""
    rows = record.rows("SELECT * FROM replies WHERE frame = ? ORDER BY execution, node", frame)
    return values_of(RecordedReply, rows)


# --- upsets, transitions, repairs ---------------------------------------------------------------


def upset_counts(record: Rows, after: int, last: int) -> tuple[int, int]:
    """Return how many upsets of a span of frames were injected and verified, and how many not."""
    rows = record.rows(
        "SELECT count(*) FILTER (WHERE state = 'injected' AND verified), count(*) FROM upsets "
        "WHERE frame > ? AND frame <= ?",
        after,
        last,
    )
    return (rows[0][0], rows[0][1] - rows[0][0]) if rows else (0, 0)


def upsets_of_frame(record: Rows, frame: int) -> list[RecordedUpset]:
    """Return the upsets that were made in a frame, and the earlier ones that showed in it first."""
    rows = record.rows(
        "SELECT * FROM upsets WHERE frame = ? OR (detected_frame = ? AND frame BETWEEN ? AND ?) "
        "ORDER BY id",
        frame,
        frame,
        frame - _DORMANT_FRAMES,
        frame,
    )
    return values_of(RecordedUpset, rows)


def injected_frames(record: Rows, last: int, limit: int) -> list[int]:
    """Return the frames of the newest injected upsets up to frame `last`, newest first."""
    rows = record.rows(
        "SELECT frame FROM upsets WHERE frame <= ? AND state = 'injected' "
        "ORDER BY frame DESC LIMIT ?",
        last,
        limit,
    )
    return [row[0] for row in rows]


def newest_transition(record: Rows, after: int, last: int, node: str) -> RecordedTransition | None:
    """Return the newest transition of a node in a span of ids."""
    rows = record.rows(
        "SELECT * FROM transitions WHERE id <= ? AND id > ? AND node = ? ORDER BY id DESC LIMIT 1",
        last,
        after,
        node,
    )
    return _first(RecordedTransition, rows)


def newest_wake_up(record: Rows, last: int) -> RecordedTransition | None:
    """Return the newest transition up to this id by which a node on stand-by was switched on, of
    the last ones; None if there is none among them."""
    rows = record.rows(
        "SELECT * FROM transitions WHERE id <= ? AND id > ? AND cause LIKE ? "
        "ORDER BY id DESC LIMIT 1",
        last,
        last - _WAKE_UPS,
        f"{NEEDED}%",
    )
    return _first(RecordedTransition, rows)


def newest_replica_frame(record: Rows, last: int) -> int | None:
    """Return the newest frame up to this one in which replicas of the voter had different views."""
    return _number(record.rows("SELECT max(frame) FROM replicas WHERE frame <= ?", last))


def states_reached(record: Rows, after: int, last: int) -> dict[str, str]:
    """Return the state that each node reached last by the transitions in a span of ids."""
    rows = record.rows(
        "SELECT node, after FROM transitions WHERE id > ? AND id <= ? ORDER BY id", after, last
    )
    return {row[0]: row[1] for row in rows}


def isolations(record: Rows, after: int, last: int) -> list[RecordedTransition]:
    """Return the transitions into isolation and out of it in a span of ids."""
    rows = record.rows(
        "SELECT * FROM transitions WHERE id > ? AND id <= ? AND 'isolated' IN (before, after) "
        "ORDER BY id",
        after,
        last,
    )
    return values_of(RecordedTransition, rows)


def departures(record: Rows, after: int, last: int) -> list[RecordedTransition]:
    """Return the transitions out of the vote in a span of ids."""
    rows = record.rows(
        "SELECT * FROM transitions WHERE id > ? AND id <= ? AND before = 'voting' ORDER BY id",
        after,
        last,
    )
    return values_of(RecordedTransition, rows)


def next_settled(record: Rows, first: int, node: str) -> RecordedTransition | None:
    """Return the first transition of a node, from id `first` on, to voting or isolated."""
    rows = record.rows(
        "SELECT * FROM transitions WHERE id >= ? AND node = ? AND "
        "after IN ('voting', 'isolated') ORDER BY id LIMIT 1",
        first,
        node,
    )
    return _first(RecordedTransition, rows)


def anomalies(record: Rows, after: int, last: int) -> list[RecordedAnomaly]:
    """Return the anomalies that no upset explains in a span of ids."""
    rows = record.rows("SELECT * FROM anomalies WHERE id > ? AND id <= ? ORDER BY id", after, last)
    return values_of(RecordedAnomaly, rows)


def supply_events(record: Rows, after: int, last: int) -> list[RecordedSupplyEvent]:
    """Return what bench supplies did, and how they failed, in a span of ids."""
    rows = record.rows(
        "SELECT id, frame, node, event FROM power WHERE id > ? AND id <= ? AND event != '' "
        "ORDER BY id",
        after,
        last,
    )
    return values_of(RecordedSupplyEvent, rows)


def repairs_of_frame(
    record: Rows, after: int, last: int, frame: int, nodes: Collection[str], limit: int
) -> list[RecordedRepair]:
    """Return the repairs in a span of ids that were made in `frame` or on one of `nodes`."""
    names = sorted(nodes)
    marks = ",".join("?" * len(names))
    rows = record.rows(
        f"SELECT * FROM repairs WHERE id > ? AND id <= ? AND (frame = ? OR node IN ({marks})) "
        "ORDER BY id LIMIT ?",
        after,
        last,
        frame,
        *names,
        limit,
    )
    return values_of(RecordedRepair, rows)


@dataclass(frozen=True, slots=True)
class DamagedChunk:
    """A chunk of a node's state that a resync replaced: the bytes that it found there, and those
    that the others agreed on."""

    node: str
    offset: int
    found: bytes
    voted: bytes


def damaged_chunks(record: Rows, after: int, last: int, frame: int) -> list[DamagedChunk]:
    """Return what the resyncs of a frame, in a span of ids of repairs, found damaged."""
    rows = record.rows(
        "SELECT r.node, d.offset, d.found, d.voted FROM repairs r JOIN damage d ON d.repair = r.id "
        "WHERE r.id > ? AND r.id <= ? AND r.frame = ? ORDER BY r.id, d.offset",
        after,
        last,
        frame,
    )
    return values_of(DamagedChunk, rows)


# --- events and commands ------------------------------------------------------------------------


def newest_events_of(
    record: Rows, table: RecordTable, last: int, limit: int, node: str = ""
) -> Sequence[RecordedEvent]:
    """Return the newest events of a table up to id `last`, newest first.

    With `node` only those of that node. The table is one of those of RecordedEvent."""
    where, values = _of_node(node, table)
    rows = record.rows(
        f"SELECT * FROM {table} WHERE id <= ?{where} ORDER BY id DESC LIMIT ?",
        last,
        *values,
        limit,
    )
    return values_of(_EVENT_KINDS[table], rows)


def newest_upsets(record: Rows, last: int, limit: int, node: str = "") -> list[RecordedUpset]:
    """Return the newest upsets up to frame `last`, newest first; with `node` only those of it."""
    where, values = _of_node(node, RecordTable.UPSETS)
    rows = record.rows(
        f"SELECT * FROM upsets WHERE frame <= ?{where} ORDER BY frame DESC, id DESC LIMIT ?",
        last,
        *values,
        limit,
    )
    return values_of(RecordedUpset, rows)


def _of_node(node: str, table: RecordTable) -> tuple[str, tuple[str | int, ...]]:
    """Return SQL that is true of the rows of `node`, and its values; empty for all nodes."""
    if not node:
        return "", ()
    if table == RecordTable.NOTES:  # a note on a node begins with its name
        about = f"node {node}: "
        return " AND substr(text, 1, ?) = ?", (len(about), about)
    return " AND node = ?", (node,)


def last_hold(record: Rows) -> RecordedCommand | None:
    """Return the last command that paused, resumed or ended the run."""
    rows = record.rows(
        "SELECT * FROM commands WHERE ok AND command IN ('pause', 'resume', 'end') "
        "ORDER BY id DESC LIMIT 1"
    )
    return _first(RecordedCommand, rows)


def acknowledgements(record: Rows, after: int) -> list[RecordedCommand]:
    """Return the acknowledge commands with ids beyond `after`."""
    rows = record.rows(
        "SELECT * FROM commands WHERE id > ? AND ok AND command = 'acknowledge' ORDER BY id", after
    )
    return values_of(RecordedCommand, rows)
