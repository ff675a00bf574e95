"""The rows of a span of frames, from `first` to `last`, both included, and those of a whole run."""

from __future__ import annotations

from hil.record.queries import Rows
from hil.record.row_values import (
    RecordedAnomaly,
    RecordedFrame,
    RecordedLink,
    RecordedNode,
    RecordedNote,
    RecordedRepair,
    RecordedReplica,
    RecordedReply,
    RecordedSlip,
    RecordedTransition,
    RecordedUpset,
    values_of,
)

__all__ = [
    "all_anomalies",
    "all_links",
    "all_nodes",
    "all_notes",
    "all_upsets",
    "anomalies_between",
    "answers_between",
    "count_frames_between",
    "count_replicas",
    "frames_between",
    "has_replicas",
    "last_states",
    "open_upsets",
    "repairs_between",
    "replicas_between",
    "replies_between",
    "rows_from",
    "upsets_between",
    "upsets_detected_between",
    "vote_changes_between",
    "worst_slip",
]


def frames_between(record: Rows, first: int, last: int, most: int = -1) -> list[RecordedFrame]:
    """Return the frames of a span that are more than plain agreement, in order; the first `most` of
    them if that is not negative."""
    return values_of(
        RecordedFrame,
        record.rows(
            "SELECT * FROM frames WHERE frame BETWEEN ? AND ? ORDER BY frame LIMIT ?",
            first,
            last,
            most,
        ),
    )


def count_frames_between(record: Rows, first: int, last: int) -> int:
    """Return how many frames of a span are more than plain agreement."""
    sql = "SELECT count(*) FROM frames WHERE frame BETWEEN ? AND ?"
    return int(record.rows(sql, first, last)[0][0])


def replies_between(record: Rows, first: int, last: int) -> list[RecordedReply]:
    """Return what nodes answered in those frames, by frame, execution and node."""
    return values_of(
        RecordedReply,
        record.rows(
            "SELECT * FROM replies WHERE frame BETWEEN ? AND ? ORDER BY frame, execution, node",
            first,
            last,
        ),
    )


def replicas_between(record: Rows, first: int, last: int) -> list[RecordedReplica]:
    """Return what replicas of the voter decided in those frames, by frame and node."""
    return values_of(
        RecordedReplica,
        record.rows(
            "SELECT * FROM replicas WHERE frame BETWEEN ? AND ? ORDER BY frame, node", first, last
        ),
    )


def has_replicas(record: Rows) -> bool:
    """Return whether in any frame replicas of the voter had different views."""
    return bool(record.rows("SELECT 1 FROM replicas LIMIT 1"))


def count_replicas(record: Rows) -> int:
    """Return how many verdicts of replicas of the voter there are."""
    return int(record.rows("SELECT count(*) FROM replicas")[0][0])


def answers_between(record: Rows, first: int, last: int) -> list[RecordedReply]:
    """Return the same without the outputs themselves, which may be many."""
    return values_of(
        RecordedReply,
        record.rows(
            "SELECT frame, node, execution, status, signal, reason, output_digest, state_digest "
            "FROM replies WHERE frame BETWEEN ? AND ? ORDER BY frame, execution, node",
            first,
            last,
        ),
    )


def rows_from(record: Rows, frame: int) -> list[int]:
    """Return the frames from `frame` on that have rows in `frames`, `replies` or `replicas`, in
    order."""
    rows = record.rows(
        "SELECT frame FROM frames WHERE frame >= ? UNION SELECT frame FROM replies "
        "WHERE frame >= ? UNION SELECT frame FROM replicas WHERE frame >= ? ORDER BY 1",
        frame,
        frame,
        frame,
    )
    return [row[0] for row in rows]


def upsets_between(record: Rows, first: int, last: int) -> list[RecordedUpset]:
    """Return the upsets that were made in a span, in the order in which they were made."""
    return values_of(
        RecordedUpset,
        record.rows("SELECT * FROM upsets WHERE frame BETWEEN ? AND ? ORDER BY id", first, last),
    )


def upsets_detected_between(record: Rows, first: int, last: int) -> list[RecordedUpset]:
    """Return the upsets of earlier frames that were detected in a span."""
    return values_of(
        RecordedUpset,
        record.rows(
            "SELECT * FROM upsets WHERE detected_frame BETWEEN ? AND ? AND detected_frame > frame "
            "ORDER BY id",
            first,
            last,
        ),
    )


def open_upsets(record: Rows, first: int, last: int) -> list[RecordedUpset]:
    """Return the injected upsets that may be open in frames of a span, in the order of frames."""
    return values_of(
        RecordedUpset,
        record.rows(
            "SELECT * FROM upsets WHERE state = 'injected' AND frame <= ? AND "
            "(resolved_frame IS NULL OR resolved_frame >= ?) ORDER BY frame, id",
            last,
            first,
        ),
    )


def repairs_between(record: Rows, first: int, last: int) -> list[RecordedRepair]:
    """Return the attempts to repair of a span, in order."""
    return values_of(
        RecordedRepair,
        record.rows("SELECT * FROM repairs WHERE frame BETWEEN ? AND ? ORDER BY id", first, last),
    )


def vote_changes_between(record: Rows, first: int, last: int) -> list[RecordedTransition]:
    """Return the transitions of a span with which nodes came back to the vote or were isolated."""
    return values_of(
        RecordedTransition,
        record.rows(
            "SELECT * FROM transitions WHERE frame BETWEEN ? AND ? "
            "AND after IN ('voting', 'isolated') ORDER BY id",
            first,
            last,
        ),
    )


def anomalies_between(record: Rows, first: int, last: int) -> list[RecordedAnomaly]:
    """Return the unexplained symptoms of a span, in order."""
    return values_of(
        RecordedAnomaly,
        record.rows("SELECT * FROM anomalies WHERE frame BETWEEN ? AND ? ORDER BY id", first, last),
    )


# --- of the whole run -----------------------------------------------------------------------------


def all_upsets(record: Rows) -> list[RecordedUpset]:
    """Return all upsets, in the order in which they were made."""
    return values_of(RecordedUpset, record.rows("SELECT * FROM upsets ORDER BY id"))


def all_anomalies(record: Rows) -> list[RecordedAnomaly]:
    """Return all unexplained symptoms, in order."""
    return values_of(RecordedAnomaly, record.rows("SELECT * FROM anomalies ORDER BY id"))


def all_notes(record: Rows) -> list[RecordedNote]:
    """Return all notes, in order."""
    return values_of(RecordedNote, record.rows("SELECT * FROM notes ORDER BY id"))


def all_nodes(record: Rows) -> list[RecordedNode]:
    """Return all nodes, in the order of their indices."""
    return values_of(RecordedNode, record.rows("SELECT * FROM nodes ORDER BY idx"))


def all_links(record: Rows) -> dict[int, RecordedLink]:
    """Return the counters of the links that reported any, by the index of their node."""
    links = values_of(RecordedLink, record.rows("SELECT * FROM links"))
    return {link.node: link for link in links}


def last_states(record: Rows) -> dict[str, str]:
    """Return the state of recovery of each node that ever changed it, by name."""
    rows = record.rows("SELECT node, after FROM transitions ORDER BY id")
    return {row["node"]: row["after"] for row in rows}


def worst_slip(record: Rows) -> RecordedSlip | None:
    """Return the slip that was late by most; None if there is none."""
    rows = record.rows("SELECT * FROM slips ORDER BY late_wall_us DESC, id LIMIT 1")
    slips = values_of(RecordedSlip, rows)
    return slips[0] if slips else None
