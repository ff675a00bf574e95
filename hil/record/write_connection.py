"""The connection that writes a record: WAL mode, transactions, and the locks of other programs.

WAL mode lets viewers read while the run writes, and keeps what was committed through a kill. A
transaction that finds the write lock taken is not an error: `transaction` returns False, and
`wait_for` retries until the lock is free or `_PATIENCE_S` have passed. Every other failure of the
database (a full disk first of all) becomes RecordError."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

from hil.errors import RecordError
from hil.record.opening import is_locked, make_plain

__all__ = ["WriteConnection"]

_RETRY_S: Final = 0.05
_PATIENCE_S = 600.0
"""How long the run waits for another program's lock, where it must wait."""
_PLAIN_S = 3.0
"""Viewers close a record within this time after its end."""


class _LockedError(Exception):
    """Another program holds a lock; a later attempt may succeed."""


class WriteConnection:
    """The only connection that writes the database at `path`. `on_wait` is called with a text when
    the run begins to wait for a lock. Raises: RecordError from every method; not thread-safe."""

    def __init__(self, path: Path, on_wait: Callable[[str], None] | None = None) -> None:
        self.path = path
        self._on_wait = on_wait or (lambda _: None)
        self._in_wal = False
        self.locked_since_s: float | None = None
        """When a transaction first found the lock taken; None after one that succeeded."""
        with self.guard("open"):
            self._db = sqlite3.connect(path, timeout=0, isolation_level=None)
        with self.closed_on_error(), self.guard("open"):
            self._use_wal()
            self.wait_for(self._sync_at_checkpoints)
            opened = os.stat(path)
            self._identity = (opened.st_dev, opened.st_ino)

    def _use_wal(self) -> None:
        """Change to WAL mode, now or at a later transaction: the change needs the file alone."""
        try:
            mode = self._db.execute("PRAGMA journal_mode=WAL").fetchone()[0]
        except sqlite3.OperationalError as error:
            if not is_locked(error):
                raise
        else:
            self._in_wal = mode == "wal"

    def _sync_at_checkpoints(self, db: sqlite3.Connection) -> bool:
        """Sync at checkpoints only. The pragma reads the file, which fails while a reader recovers
        what a kill left in the WAL."""
        db.execute("PRAGMA synchronous=NORMAL")
        return True

    @contextmanager
    def closed_on_error(self) -> Iterator[None]:
        """Close the database if the block fails."""
        try:
            yield
        except BaseException:
            self._db.close()
            raise

    @contextmanager
    def guard(self, doing: str) -> Iterator[None]:
        """Make a failure of the database a RecordError. `doing`: the verb of its message. Raises:
        RecordError."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            remedy = "choose another folder (--out, from Python out=)"
            if "full" in str(error) or "disk I/O" in str(error):
                remedy = f"free disk space, or {remedy}"
            if doing in {"write", "commit"}:
                remedy += "; what was committed before is kept and can be read"
            raise RecordError(
                f"cannot {doing} the record {self.path}: {error}", remedy=remedy
            ) from error

    def wait_for(
        self, work: Callable[[sqlite3.Connection], bool], patience_s: float | None = None
    ) -> None:
        """Repeat `work` until it returns true; false, or the error of a lock, means later. Raises:
        RecordError if another program keeps its lock for longer than `patience_s`."""
        patience_s = _PATIENCE_S if patience_s is None else patience_s
        end_s = time.monotonic() + patience_s
        announced = False
        while True:
            with contextlib.suppress(_LockedError), _locks_told_apart():
                if work(self._db):
                    return
            if time.monotonic() >= end_s:
                raise RecordError(
                    f"another program has held a lock on the record {self.path} for more than "
                    f"{patience_s:g} s",
                    remedy="close that program; what was recorded before is complete, and `hil run "
                    f"--resume {self.path.parent}` continues from the last snapshot",
                )
            if not announced:
                self._on_wait("waiting for another program that holds a lock on the record")
                announced = True
            time.sleep(_RETRY_S)

    def transaction(self, *steps: Callable[[sqlite3.Connection], None]) -> bool:
        """Carry out `steps` as one transaction and return True; return False, with nothing written,
        if another program holds the write lock. Raises: RecordError if the file was deleted or
        replaced: SQLite would go on to write what nobody can find."""
        self._check_identity()
        with self.guard("write"):
            if not self._in_wal:
                self._use_wal()
            try:
                self._db.execute("BEGIN IMMEDIATE")
                for step in steps:
                    step(self._db)
                self._db.execute("COMMIT")
            except BaseException as error:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                if isinstance(error, sqlite3.OperationalError) and is_locked(error):
                    if self.locked_since_s is None:
                        self.locked_since_s = time.monotonic()
                    return False
                raise
        return True

    def fetch(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return all rows of a query on what was committed."""
        with self.guard("read"):
            return self._db.execute(sql, values).fetchall()

    def read(self, question: Callable[[sqlite3.Connection], Any]) -> Any:
        """Return what `question` answers about what was committed."""
        with self.guard("read"):
            return question(self._db)

    def check_in_place(self, sql: str, expected: Sequence[tuple[Any, ...]]) -> None:
        """Check that a reader that opens `path` now finds the `expected` rows: the file may have
        been deleted or replaced while it was written. Raises: RecordError if it does not."""
        try:
            uri = f"{self.path.resolve().as_uri()}?mode=ro"
            with closing(sqlite3.connect(uri, uri=True)) as db:
                rows = db.execute(sql).fetchall()
                now = os.stat(self.path)
            same = (now.st_dev, now.st_ino) == self._identity and rows == list(expected)
            why = "another file is in its place"
        except (sqlite3.Error, OSError) as error:
            same, why = False, str(error)
        if not same:
            raise self._not_in_place(why)

    def _check_identity(self) -> None:
        try:
            now = os.stat(self.path)
        except OSError as error:
            raise self._not_in_place(error.strerror or str(error)) from error
        if (now.st_dev, now.st_ino) != self._identity:
            raise self._not_in_place("another file is in its place")

    def _not_in_place(self, why: str) -> RecordError:
        return RecordError(
            f"the record {self.path} was deleted or replaced during the run: {why}",
            remedy="run it again, and leave the run folder alone meanwhile",
        )

    def make_plain(self, patience_s: float | None = None) -> None:
        """Bring the database back to one plain file if no other program has it open."""
        with self.guard("close"):
            make_plain(self._db, self.path, _PLAIN_S if patience_s is None else patience_s)

    def close(self) -> None:
        """Close the database; idempotent."""
        self._db.close()


@contextmanager
def _locks_told_apart() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        if is_locked(error):
            raise _LockedError from error
        raise
