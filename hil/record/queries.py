"""Questions that several views ask of a record, each with one answer.

A record is asked through `rows`, so that a reader of a finished run and the screen of one that goes
on get the same. All of them say what was so at a frame, whatever came later.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from typing import Any, Final, NamedTuple, Protocol

from hil.record.row_values import (
    RecordedRepair,
    RecordedTransition,
    RecordedUpset,
    value_of,
    values_of,
)
from hil.word_enum import Word

__all__ = [
    "BAD_FRAME",
    "COLD_START",
    "NO_OUTPUT",
    "PREVENTIVE",
    "WAS_ALONE",
    "WRONG_OUTPUT",
    "BadOutput",
    "BadSpan",
    "Rows",
    "agreed_on_wrong_state",
    "bad_spans",
    "golden_digests",
    "isolated_though_right",
    "left_vote",
    "outvoted_though_right",
    "recoveries",
    "repaired_before",
    "skipped_frames",
    "upsets_behind",
]


WRONG_OUTPUT: Final = "(flags & 3 = 1 OR flags & 64)"
"""SQL that is true of a frame of `frames` in which a wrong output left the system, a held one
included. The numbers are those of the flags of a packed frame (csrc/host/frame_verdict.h)."""
NO_OUTPUT: Final = "(NOT flags & 1 AND NOT flags & 64)"
"""SQL that is true of a frame without an output of its own, whether the last one was held or not;
but not if that was wrong."""
BAD_FRAME: Final = f"({WRONG_OUTPUT} OR {NO_OUTPUT})"
"""SQL that is true of a frame of `frames` of which no output, or a wrong one, left the system."""

COLD_START: Final = "cold_start"
"""The action of the row in `repairs` with which a cold start of the whole rig ends; those of its
nodes have rows of their own."""
PREVENTIVE: Final = "preventive restart"
"""The cause of a repair of a node that works."""
WAS_ALONE: Final = "it was alone"
"""The cause of a rollback that makes the state of a lone node fit for the repair of others."""
_ID_MAX: Final = 2**63 - 1


class Rows(Protocol):
    """A record that can be asked."""

    def rows(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        """Return all rows of a query."""


def golden_digests(record: Rows, frame: int) -> tuple[str, str] | None:
    """Return what the fault-free run computed in a frame, as digests of output and state.

    None for a frame of plain agreement: there the agreed digests are the fault-free ones."""
    rows = record.rows("SELECT golden_output, golden_state FROM frames WHERE frame = ?", frame)
    return (rows[0][0], rows[0][1]) if rows else None


def upsets_behind(record: Rows, frame: int, nodes: Collection[str]) -> list[RecordedUpset]:
    """Return the injected upsets that what `nodes` show in a frame can come from.

    Those that hit one of them in this frame, those of earlier frames that were open on one of them
    (hit, and not yet settled; a stuck bit is open as long as it shows), and dormant ones from the
    frame on in which they struck. In the order in which they were made."""
    names = sorted(nodes)
    marks = ",".join("?" * len(names))
    rows = record.rows(
        f"SELECT * FROM upsets WHERE state = 'injected' AND frame <= ? AND node IN ({marks}) AND "
        "(frame = ? OR ((resolved_frame IS NULL OR resolved_frame >= ?) AND "
        "(NOT dormant OR detected_frame <= ?))) ORDER BY frame, id",
        frame,
        *names,
        frame,
        frame,
        frame,
    )
    return values_of(RecordedUpset, rows)


def recoveries(record: Rows, after: int = 0, last: int = _ID_MAX) -> int:
    """Return how many repairs succeeded, of those with an id beyond `after` up to `last`.

    A rollback of several nodes is one; what the harness refreshes between experiments is none, nor
    is the rollback that only makes the state of a lone node fit for the repair of others."""
    rows = record.rows(
        "SELECT count(*) FILTER (WHERE action NOT IN ('refresh', 'rollback', 'cold_start')) + "
        "count(DISTINCT CASE WHEN action = 'rollback' AND cause != ? THEN frame END) FROM repairs "
        "WHERE ok AND id > ? AND id <= ?",
        WAS_ALONE,
        after,
        last,
    )
    return int(rows[0][0]) if rows else 0


def skipped_frames(record: Rows, last: int, *, over: bool) -> tuple[int, int, int]:
    """Return how many quiet frames up to `last` were skipped: all, those without an output, and
    those with a wrong one. Each counts like the frame that was computed after it; those at the end
    of a run that is `over` like the last frame."""
    until = "" if over else " WHERE skips.frame <= ?1"
    rows = record.rows(
        f"""
        SELECT coalesce(sum(skips.frames), 0),
          coalesce(sum(skips.frames) FILTER (WHERE {NO_OUTPUT}), 0),
          coalesce(sum(skips.frames) FILTER (WHERE {WRONG_OUTPUT}), 0)
        FROM skips LEFT JOIN frames ON frames.frame = min(skips.frame, ?1){until}
        """,
        last,
    )
    return (rows[0][0], rows[0][1], rows[0][2]) if rows else (0, 0, 0)


def repaired_before(record: Rows, frame: int, node: str) -> RecordedRepair | None:
    """Return the last repair before a frame that gave a node the state of others."""
    rows = record.rows(
        "SELECT * FROM repairs WHERE node = ? AND frame < ? AND ok AND "
        "action NOT IN ('rollback', 'cold_start') ORDER BY frame DESC, id DESC LIMIT 1",
        node,
        frame,
    )
    return value_of(RecordedRepair, rows[0]) if rows else None


def left_vote(record: Rows, frame: int, node: str) -> RecordedTransition | None:
    """Return the transition with which a node left the vote last, in or before a frame."""
    rows = record.rows(
        "SELECT * FROM transitions WHERE node = ? AND frame <= ? AND before = 'voting' "
        "ORDER BY id DESC LIMIT 1",
        node,
        frame,
    )
    return value_of(RecordedTransition, rows[0]) if rows else None


def agreed_on_wrong_state(record: Rows, frame: int) -> bool:
    """Return whether the nodes agreed in a frame on a state that is not the fault-free one."""
    return bool(
        record.rows(
            "SELECT 1 FROM frames WHERE frame = ? AND verdict NOT IN ('no_majority', 'no_quorum') "
            "AND state NOT IN (golden_state, '0000000000000000')",
            frame,
        )
    )


def outvoted_though_right(record: Rows, frame: int, node: str) -> bool:
    """Return whether a wrong majority outvoted a node in a frame: its output was the right one."""
    return bool(
        record.rows(
            "SELECT 1 FROM frames JOIN replies ON replies.frame = frames.frame "
            "JOIN nodes ON nodes.idx = replies.node WHERE frames.frame = ? AND nodes.name = ? AND "
            "execution = 0 AND status = 'done' AND output_digest = golden_output AND "
            "flags & 3 = 1",
            frame,
            node,
        )
    )


def isolated_though_right(record: Rows, frame: int, node: str) -> bool:
    """Return whether a node that was isolated in a frame had been outvoted by a wrong majority:
    then, or when it left the vote."""
    departure = left_vote(record, frame, node)
    frames = {frame} if departure is None else {frame, departure.frame}
    return any(outvoted_though_right(record, each, node) for each in frames)


class BadOutput(Word):
    """A bad frame: a wrong output left the system, or the last voted one again, or none, with one
    of these verdicts (simplex: where the scheme is fail-silent)."""

    WRONG = "wrong"
    HELD = "held"
    NO_MAJORITY = "no_majority"
    NO_QUORUM = "no_quorum"
    SIMPLEX = "simplex"


class BadSpan(NamedTuple):
    """An episode of bad frames: which kind (`BadOutput`), the first and the last of them, their
    times, and how many frames were bad."""

    what: str
    first: int
    last: int
    first_us: int
    last_us: int
    frames: int


def bad_spans(record: Rows, first: int, last: int, calm_us: int) -> list[BadSpan]:
    """Return the episodes of bad frames from `first` to `last`, in the order of their beginnings.

    Frames of one kind are one episode until `calm_us` of simulated time passed without one."""
    rows = record.rows(
        f"""
        WITH bad AS (
          SELECT frame, t_us,
            CASE WHEN {WRONG_OUTPUT} THEN '{BadOutput.WRONG}'
              WHEN flags & 32 THEN '{BadOutput.HELD}' ELSE verdict END AS what
          FROM frames WHERE frame BETWEEN ? AND ? AND {BAD_FRAME}
        ), edges AS (
          SELECT *, coalesce(t_us - lag(t_us) OVER (PARTITION BY what ORDER BY frame) >= ?, 1)
            AS begins FROM bad
        ), episodes AS (
          SELECT *, sum(begins) OVER (PARTITION BY what ORDER BY frame) AS episode FROM edges
        )
        SELECT what, min(frame) AS first, max(frame) AS last, min(t_us) AS first_us,
          max(t_us) AS last_us, count(*) AS frames
        FROM episodes GROUP BY what, episode ORDER BY min(frame)
        """,
        first,
        last,
        calm_us,
    )
    return values_of(BadSpan, rows)
