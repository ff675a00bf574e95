"""Writing a run's record: rows as they happen, committed a few times a second.

While another program holds the write lock, rows wait in memory and the run continues; a note says
so afterwards. When more waits than `_PENDING_MAX`, and at the end, the run waits for the lock.
Every other failure of the database becomes RecordError; what was committed before stays
readable."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hil.errors import RecordError
from hil.record.board_context import BOARD_CONTEXT, BoardContext
from hil.record.event_writer import EventWriter
from hil.record.frame_blocks import FrameBlocks
from hil.record.migrations import upgrade, version_of
from hil.record.rewind import queue_rewind, read_blocks, read_counts
from hil.record.schema import SCHEMA_VERSION, TABLES
from hil.record.seal import SEAL, Seal, seal_of
from hil.record.snapshot_rows import with_last_ids
from hil.record.tally import WrittenTally
from hil.record.write_connection import WriteConnection
from hil.run_outcome import RunOutcome

if TYPE_CHECKING:
    from hil.json_values import JsonObject
    from hil.record.run_meta import RunMeta

__all__ = ["SqliteRecorder"]

_COMMIT_S = 0.25
_NOTED_S = 1.0
"""A lock that was held for less is not worth a note."""
_PENDING_MAX = 256 << 20
"""[byte] When more waits in memory for the lock, the run waits, too."""
_END_METAS: Final = ("outcome", "result")
"""Rows of `meta` that a reader who opens the file again after the end must find."""


class SqliteRecorder(EventWriter):
    """The record of one run: `begin` or `resume` one. Raises: RecordError from every method."""

    def __init__(self, path: Path, on_wait: Callable[[str], None] | None = None) -> None:
        super().__init__()
        self.path = path
        self._blocks = FrameBlocks()
        self._commit_at_s = self._began_s
        self._locked_at_frame = 0
        self._closed = False
        self._sealed = False
        self._connection = WriteConnection(path, on_wait)

    @classmethod
    def begin(
        cls, path: Path, meta: RunMeta, on_wait: Callable[[str], None] | None = None
    ) -> SqliteRecorder:
        """Begin a record; `path` must not exist. `on_wait` is called, with a sentence, when a lock
        is waited for."""
        try:
            recorder = cls(path, on_wait)
            connection = recorder._connection
            with connection.closed_on_error():
                with connection.guard("create"):
                    connection.wait_for(_make_tables)
                for key, text in meta.rows():
                    recorder.meta(key, text)
                recorder.settle()
        except BaseException:
            for suffix in ("", "-wal", "-shm", "-journal"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
            raise
        return recorder

    @classmethod
    def resume(
        cls, path: Path, frame: int, on_wait: Callable[[str], None] | None = None
    ) -> SqliteRecorder:
        """Continue a record from its snapshot at `frame`, and drop what was recorded after it. A
        record of an older schema is brought to the current one. Raises: RecordError if the record
        is damaged."""
        recorder = cls(path, on_wait)
        connection = recorder._connection
        version = SCHEMA_VERSION

        def modernize(db: sqlite3.Connection) -> bool:
            nonlocal version
            version = version_of(db, path)
            older = 0 < version < SCHEMA_VERSION
            return not older or connection.transaction(lambda db: upgrade(db, version))

        def restore(db: sqlite3.Connection) -> bool:
            recorder._blocks = read_blocks(db, frame)
            recorder._counts = read_counts(db, frame)
            return True

        with connection.closed_on_error():
            with connection.guard("resume"):
                connection.wait_for(modernize)
                connection.wait_for(restore)
            if recorder._blocks.next_frame != frame:
                raise RecordError(
                    f"{path} has {recorder._blocks.next_frame} frames before its snapshot {frame}"
                )
            queue_rewind(recorder._pending, frame, recorder._counts)
            recorder._snapshot_frame = frame
            recorder.meta("outcome", RunOutcome.RUNNING)
            recorder.note(frame, "resumed")
            if version < SCHEMA_VERSION:
                recorder.note(
                    frame, f"the record was brought from version {version} to {SCHEMA_VERSION}"
                )
            recorder.commit()
        return recorder

    @property
    def tally(self) -> WrittenTally:
        """Return the answers to questions about what was recorded so far."""
        return WrittenTally(self._connection, self.settle, self._blocks, self._counts)

    # --- what needs more than a row -------------------------------------------------------------

    def meta(self, key: str, text: str) -> None:
        """Record a property of the whole run; see `RunMeta`."""
        self._pending.add("meta", (key, text))

    def board_context(self, context: BoardContext) -> None:
        """Record the context of the boards; a later call replaces it."""
        self.meta(BOARD_CONTEXT, json.dumps(context.as_json()))

    def frame(self, record: bytes) -> None:
        """Record one packed frame."""
        self.frames(record, 1)

    def frames(self, records: bytes, count: int) -> None:
        """Record the packed frames of a batch."""
        self._blocks.add(records, count)
        if self._blocks.is_full:
            self._flush_block()
        if time.monotonic() >= self._commit_at_s:
            self.commit()

    def snapshot(self, frame: int, state: bytes, engine: str, states: Mapping[int, bytes]) -> None:
        """Store the state from which the run can be resumed before `frame`; `states`: those in
        checkpoints, by frame."""
        self._flush_block()
        self._pending.cut()  # rows of upsets so far belong to the snapshot before
        self._pending.before_rows("DELETE FROM upsets_at_snapshot")
        self._pending.before_rows("DELETE FROM snapshot_states")
        for at, content in states.items():
            self._pending.add("snapshot_states", (at, content))
        self._snapshot_frame = frame
        text = with_last_ids(engine, self._counts.transitions, self._counts.repairs)
        self._pending.add("snapshot", (1, frame, state, text))

    # --- committing -----------------------------------------------------------------------------

    def commit(self) -> None:
        """Make everything so far durable and visible to viewers, if nobody holds the write lock;
        then it is tried again in a moment. Only if too much waits is the lock waited for."""
        self._flush_block()
        self._add_pulse()
        if not self._write() and self._pending.bytes > _PENDING_MAX:
            self.settle()
        self._commit_at_s = time.monotonic() + _COMMIT_S

    def settle(self, patience_s: float | None = None) -> None:
        """Make everything so far durable, and wait for the lock if need be. Raises: RecordError if
        another program holds it for longer than `patience_s`."""
        self._flush_block()
        if self._pending.count:
            self._connection.wait_for(lambda _: self._write(), patience_s)

    def _flush_block(self) -> None:
        row = self._blocks.take()
        if row is not None:
            self._pending.add("blocks", row)

    def _add_pulse(self) -> None:
        now_us = time.time_ns() // 1000
        row = (1, self._blocks.next_frame, self.wall_us, now_us, os.getpid())
        self._pending.add("pulse", row)

    def _write(self, *more: Callable[[sqlite3.Connection], None]) -> bool:
        """Write everything that waits, and then do `more`, in one transaction. Return False, with
        everything still waiting, if another program has the lock."""
        connection = self._connection
        since_s = connection.locked_since_s
        if not connection.transaction(self._pending.write, *more):
            if since_s is None:
                self._locked_at_frame = self._blocks.next_frame
            return False
        rows = self._pending.count
        self._pending.clear()
        connection.locked_since_s = None
        if since_s is not None:
            self._note_lock(time.monotonic() - since_s, rows)
        return True

    def _note_lock(self, seconds: float, rows: int) -> None:
        if seconds >= _NOTED_S and not self._sealed:
            self.note(
                self._locked_at_frame,
                f"another program held the write lock of the record for {seconds:.1f} s; {rows} "
                "rows waited in memory, and none was lost",
            )

    # --- the end --------------------------------------------------------------------------------

    def end(self, outcome: str, wall_us: int, *, result: JsonObject, reports: JsonObject) -> str:
        """Write the end of a run and the digest of everything in the record, as one transaction: a
        run that is killed has either ended or not. Return the digest. Nothing may follow but
        `close`: whatever is written later breaks the seal. Raises: RecordError, also if the file
        was deleted or replaced meanwhile."""
        self.settle()  # what takes long, and maybe a note of a lock that was waited for
        self._flush_block()
        self._add_pulse()
        self.meta("result", json.dumps(result))
        self.meta("reports", json.dumps(reports))
        self.meta("wall_us", str(wall_us))
        self.meta("outcome", outcome)
        self._sealed = True
        seals: list[Seal] = []

        def add_seal(db: sqlite3.Connection) -> None:
            seals.append(seal_of(db))
            row = (SEAL, seals[-1].text)
            db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", row)

        self._connection.wait_for(lambda _: self._write(add_seal))
        marks = ",".join(f"'{key}'" for key in _END_METAS)
        sql = f"SELECT key, value FROM meta WHERE key IN ({marks}) ORDER BY key"
        self._connection.check_in_place(sql, self._connection.fetch(sql))
        return seals[-1].record_digest

    def secure(self, patience_s: float) -> None:
        """Secure the record after a failure: take back an end that was sealed, and make durable
        what still waits. If that cannot be done, the disk being full, drop it, so that there is
        room for `fail`."""
        self._take_back_end()
        try:
            self.settle(patience_s)
        except RecordError:
            self._pending.clear()

    def _take_back_end(self) -> None:
        """Take back an end that was sealed, so that what follows does not break its seal."""
        if self._sealed:
            self._sealed = False
            self._pending.clear()  # everything but the end itself was settled before
            self._pending.before_rows(
                "DELETE FROM meta WHERE key IN ('result', 'wall_us', 'reports', ?)", SEAL
            )

    def fail(self, frame: int, outcome: str, text: str, patience_s: float) -> None:
        """Record why the run ended early, as far as possible, and close the record. An end that was
        sealed is taken back: the failure came between it and the closing of the record."""
        self._take_back_end()
        self.note(frame, text)
        self.meta("outcome", outcome)
        self.close(patience_s)

    def close(self, patience_s: float | None = None) -> None:
        """Commit, bring the database back to one plain file if nobody else has it open, and close
        it; idempotent. Raises: RecordError, with the database closed."""
        try:
            if self._closed:
                return
            self.settle(patience_s)
            self._connection.make_plain(patience_s)
        finally:
            self._closed = True
            self._connection.close()


def _make_tables(db: sqlite3.Connection) -> bool:
    """Create all tables or none: what a full disk leaves is then plainly no record."""
    try:
        db.executescript(f"BEGIN IMMEDIATE; {TABLES} PRAGMA user_version={SCHEMA_VERSION}; COMMIT;")
    except sqlite3.Error:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    return True
