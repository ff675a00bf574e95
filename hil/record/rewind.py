"""Bringing a record back to its snapshot, so that a run can continue from there."""

from __future__ import annotations

import sqlite3
from collections import Counter
from typing import Final

from hil.record.event_writer import RowCounts
from hil.record.frame_blocks import FrameBlocks
from hil.record.pending_rows import PendingRows
from hil.record.snapshot_rows import last_ids_in

__all__ = ["queue_rewind", "read_blocks", "read_counts"]

_BY_FRAME: Final = (
    "frames",
    "replies",
    "replicas",
    "upsets",
    "transitions",
    "anomalies",
    "slips",
    "repairs",
    "health",
    "notes",
    "plant",
    "skips",
    "limits",
    "commands",
    "link_events",
    "clocks",
    "power",
    "link_counts",
    "offload",
    "offload_events",
)


def read_blocks(db: sqlite3.Connection, frame: int) -> FrameBlocks:
    """Return the blocks of the record before `frame`, counted and hashed."""
    rows = db.execute(
        "SELECT count, data FROM blocks WHERE first_frame < ? ORDER BY first_frame", (frame,)
    )
    return FrameBlocks((row[0], row[1]) for row in rows)


def read_counts(db: sqlite3.Connection, frame: int) -> RowCounts:
    """Return the last ids that the record gave before `frame`."""

    def one(sql: str) -> int:
        return int(db.execute(f"{sql} WHERE frame < ?", (frame,)).fetchone()[0])

    snapshot = db.execute("SELECT engine FROM snapshot WHERE frame = ?", (frame,)).fetchone()
    transitions, repairs = (None, None) if snapshot is None else last_ids_in(snapshot[0])
    carried_out = db.execute(
        "SELECT command, count(*) FROM commands WHERE ok AND frame < ? GROUP BY 1", (frame,)
    )
    if transitions is None:
        transitions = one("SELECT count(*) FROM transitions")
    if repairs is None:
        repairs = one("SELECT coalesce(max(id), 0) FROM repairs")
    return RowCounts(
        # What is done at the beginning of a frame has the number of the frame before.
        transitions=transitions,
        anomalies=one("SELECT count(*) FROM anomalies"),
        repairs=repairs,
        commands=one("SELECT coalesce(max(id), 0) FROM commands"),
        carried_out=Counter(dict(carried_out.fetchall())),
    )


def queue_rewind(pending: PendingRows, frame: int, counts: RowCounts) -> None:
    """Queue the statements that end the record before `frame`, with the upsets as they were
    then."""
    drop = pending.before_rows
    drop("DELETE FROM blocks WHERE first_frame >= ?", frame)
    for table in _BY_FRAME:
        drop(f"DELETE FROM {table} WHERE frame >= ?", frame)
    drop("DELETE FROM transitions WHERE id > ?", counts.transitions)
    drop("DELETE FROM repairs WHERE id > ?", counts.repairs)
    if frame == 0:
        drop("DELETE FROM contacts")
    drop("DELETE FROM plant_nodes WHERE t_us NOT IN (SELECT t_us FROM plant)")
    drop("DELETE FROM damage WHERE repair NOT IN (SELECT id FROM repairs)")
    drop("DELETE FROM meta WHERE key IN ('result', 'wall_us', 'reports', 'seal')")
    drop("INSERT OR REPLACE INTO upsets SELECT * FROM upsets_at_snapshot WHERE frame < ?", frame)
    drop("DELETE FROM upsets_at_snapshot")
