"""Result files: one SQLite file each, which is written once, all of it or none, and has nothing in
it but the results, in their order. So it is the same bit for bit whenever the same results are
written."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hil.errors import RecordError

__all__ = [
    "CAMPAIGN",
    "PROOF",
    "RESULTS",
    "ResultFormat",
    "application_of",
    "as_record_error",
    "damaged",
    "insert",
    "new_result",
    "opened",
]

CAMPAIGN: Final = 0x48494C43
"""HILC in the header of a file: the result of a campaign."""
PROOF: Final = 0x48494C50
"""HILP in the header of a file: the proof of a scheme."""
RESULTS: Final = {CAMPAIGN: "the result of a campaign", PROOF: "the proof of a scheme"}
"""All kinds of result files, in words. The records of runs have no such number."""


@dataclass(frozen=True, slots=True)
class ResultFormat:
    """The format of a kind of result files. `what`: such a file, in words; `application`: its
    number in the header of the file; `version`: of its tables, which `schema` creates."""

    what: str
    application: int
    version: int
    schema: str


@contextmanager
def as_record_error(path: Path) -> Iterator[None]:
    """Turn failures of the file at `path` into RecordError."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        if type(error) is not sqlite3.DatabaseError:  # a lock, a full disk, a constraint
            raise RecordError(f"{path}: {error}") from error
        raise damaged(path, str(error)) from error
    except (sqlite3.Error, OSError) as error:
        raise RecordError(f"{path}: {error}") from error


def damaged(path: Path, why: str) -> RecordError:
    """Return the error of a result file that holds what hil does not write."""
    return RecordError(
        f"{path} is damaged: {why}",
        remedy="take it from a copy, or carry the campaign out again into a new file",
    )


@contextmanager
def _no_draft_left(draft: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


@contextmanager
def new_result(path: Path, of: ResultFormat) -> Iterator[sqlite3.Connection]:
    """Return a connection to a new file with its tables, in a transaction; it stands at `path` when
    all has been written. Raises: RecordError."""
    draft = path.with_name(f"{path.name}.new")
    with as_record_error(path), _no_draft_left(draft):
        draft.unlink(missing_ok=True)
        with closing(sqlite3.connect(draft, isolation_level=None)) as db:
            db.executescript(
                f"PRAGMA page_size = 4096; PRAGMA application_id = {of.application}; "
                f"PRAGMA user_version = {of.version}; PRAGMA journal_mode = OFF; "
                f"PRAGMA synchronous = OFF; BEGIN; {of.schema}"
            )
            yield db
            db.execute("COMMIT")
        with draft.open("rb") as written:
            os.fsync(written.fileno())
        draft.replace(path)


def insert(table: str, columns: int) -> str:
    """Return the statement that inserts a row of so many columns."""
    return f"INSERT INTO {table} VALUES ({','.join('?' * columns)})"


def _connected(path: Path) -> sqlite3.Connection:
    if not path.is_file():
        raise RecordError(
            f"there is no result file {path}", remedy="make it: `hil campaign` says its name"
        )
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)


def _number(db: sqlite3.Connection, pragma: str) -> int:
    return int(db.execute(f"PRAGMA {pragma}").fetchone()[0])


def application_of(path: Path) -> int:
    """Return the number in the header of the SQLite file at `path`, which tells its kind. Raises:
    RecordError if it cannot be read."""
    with as_record_error(path), closing(_connected(path)) as db:
        return _number(db, "application_id")


def opened(path: Path, of: ResultFormat) -> tuple[sqlite3.Connection, int]:
    """Open the file at `path` to read it; return the connection, and the version of its tables.
    Raises: RecordError if there is none, or it is of another kind or a newer version."""
    with as_record_error(path):
        db = _connected(path)
    try:
        with as_record_error(path):
            application, version = _number(db, "application_id"), _number(db, "user_version")
        if application != of.application:
            raise RecordError(f"{path} is not {of.what}")
        if version > of.version:
            raise RecordError(
                f"{path} was written by a newer hil (version {version} of its tables)",
                remedy="install that release, or a later one",
            )
    except BaseException:
        db.close()
        raise
    return db, version
