"""Opening a record's database: for reading, wherever it lies, and making a plain file of it.

While a run is active, its database is in WAL mode: beside `run.db` lie `run.db-wal`, with what is
not in it yet, and `run.db-shm`. SQLite can read such a file only where it can make the other two.
At the end of a run it is brought back to one plain file; where that could not be done, because a
program still had it open, the last reader of hil that closes it does it."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from pathlib import Path
from typing import Any, Final

from hil.errors import RecordError, UsageError
from hil.record.run_lock import refuse_if_running

__all__ = ["beside", "checkpoint", "is_locked", "is_plain", "make_plain", "open_to_read", "tidy"]

_MODE_AT: Final = 18  # byte of the file: how it must be written; 1: plain, 2: with a WAL
_PLAIN: Final = 1
_SPARE_BYTES: Final = 64 << 10
_RETRY_S: Final = 0.02


def is_locked(error: sqlite3.Error) -> bool:
    """Return whether another program holds a lock, so that it may work later."""
    return isinstance(error, sqlite3.OperationalError) and "locked" in str(error)


def is_plain(path: Path) -> bool:
    """Return whether the database is one plain file, as its header says. Raises: OSError if it
    cannot be read."""
    with path.open("rb") as file:
        file.seek(_MODE_AT)
        return file.read(1) == bytes([_PLAIN])


def beside(path: Path, suffix: str) -> bool:
    """Return whether there is a file beside the database, `-wal` or `-journal`, with something in
    it."""
    with contextlib.suppress(OSError):
        return path.with_name(path.name + suffix).stat().st_size > 0
    return False


def open_to_read(path: Path, *, immutable: bool = False, **options: Any) -> sqlite3.Connection:
    """Return a connection that cannot write; with `immutable` one that takes no lock, for a file
    that nothing changes meanwhile. A database that lies where nothing can be written is opened so
    in any case, if all of it is in the one file.

    Raises: RecordError, with the reason, if it cannot be opened."""
    where = path.resolve().as_uri()
    try:
        if not immutable and beside(path.resolve(), "-journal"):
            _roll_back(path.resolve())
        return _proven(f"{where}?mode=ro{'&immutable=1' if immutable else ''}", options)
    except sqlite3.OperationalError as error:
        if is_locked(error):
            raise RecordError(
                f"{path} is locked by another program",
                remedy="close the program that has it open, and try again",
            ) from error
        reason = error
    except sqlite3.Error as error:
        raise RecordError(f"{path} is not a record of hil: {error}") from error
    for suffix in ("-wal", "-journal"):
        if beside(path.resolve(), suffix):
            raise RecordError(
                f"{path} cannot be read here: its run was killed, {path.name}{suffix} beside it "
                f"holds its last changes, and nothing can be written here ({reason})",
                remedy="copy the whole folder to where you can write, and read it there",
            ) from reason
    try:
        return _proven(f"{where}?mode=ro&immutable=1", options)
    except sqlite3.Error as error:
        raise RecordError(
            f"{path} cannot be opened: {error}", remedy="may this user read it, and its folder?"
        ) from error


def _proven(uri: str, options: dict[str, Any]) -> sqlite3.Connection:
    """Return a connection on which a first query succeeded: SQLite opens the file only then."""
    db: sqlite3.Connection = sqlite3.connect(uri, uri=True, **options)
    try:
        db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error:
        db.close()
        raise
    return db


def _roll_back(path: Path) -> None:
    """Let SQLite undo what a killed process had half written, which only one that may write can.

    The journal of a process that is still at work is left alone: its locks show that. Where
    nothing can be written nothing is done. Raises: sqlite3.Error if the file cannot be read."""
    if os.access(path, os.W_OK) and os.access(path.parent, os.W_OK):
        try:
            _proven(f"{path.as_uri()}?mode=rw", {"timeout": 0}).close()
        except sqlite3.OperationalError as error:
            if not is_locked(error):
                raise


def make_plain(db: sqlite3.Connection, path: Path, patience_s: float) -> bool:
    """Bring the database at `path` back to one plain file, by a connection that may write; False if
    another program still has it open after `patience_s`, or if the disk is too full. If it is only
    open, everything is in `run.db` itself even then, unless that program reads at this moment.
    Raises: sqlite3.Error if it cannot be written."""
    end_s = time.monotonic() + patience_s
    if not _has_room(path):
        return False
    while True:
        try:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            return bool(db.execute("PRAGMA journal_mode=DELETE").fetchone()[0] == "delete")
        except sqlite3.OperationalError as error:
            if not is_locked(error):
                raise
        if time.monotonic() >= end_s:
            return False
        time.sleep(_RETRY_S)


def checkpoint(path: Path) -> None:
    """Move what is committed from the WAL into the file itself, beside the run that writes it."""
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _has_room(path: Path) -> bool:
    """Return whether all that lies in the WAL fits on the disk once more, with something to spare.
    It must not take the last space from whoever reports that the disk is full."""
    try:
        size = path.with_name(path.name + "-wal").stat().st_size
        disk = os.statvfs(path)
    except OSError:
        return True
    return disk.f_bavail * disk.f_frsize > size + _SPARE_BYTES


def tidy(path: Path) -> None:
    """Make a plain file of the record of a run that has ended, if it is none yet and nobody has it
    open. Never fails, and changes nothing that the record says."""
    with contextlib.suppress(OSError, sqlite3.Error, UsageError):
        if is_plain(path) or not os.access(path, os.W_OK) or not os.access(path.parent, os.W_OK):
            return
        refuse_if_running(path.parent)
        with contextlib.closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as db:
            make_plain(db, path, 0)
