"""The journal of a campaign that is going on: the outcomes so far, so that it can be resumed.

It stands beside the result and is removed when that is written. Each part is durable before the
next begins: whatever kills the campaign, none is lost that was counted, and none is there twice."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from hil.errors import RecordError

__all__ = ["CampaignJournal", "journal_path"]

_PATIENCE_S = 1.0
_LAST = 1 << 62
_SCHEMA = """
CREATE TABLE identity (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE parts (first INTEGER PRIMARY KEY, effects BLOB NOT NULL, details BLOB NOT NULL,
  endings BLOB NOT NULL);
"""


def journal_path(result: Path) -> Path:
    """Return where the journal of the campaign with this result file stands."""
    return result.with_name(f"{result.name}.part")


@contextmanager
def _as_record_error(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise RecordError(
                f"{path}: another campaign is writing it",
                remedy="wait for its end, or name another result file",
            ) from error
        raise RecordError(f"{path}: {error}") from error
    except sqlite3.Error as error:
        raise RecordError(f"{path}: {error}", remedy="delete it to begin anew") from error


class CampaignJournal:
    """Opens the journal at `path`, or begins it. `identity` names the campaign: one of another is
    refused. Use it as a context manager. Thread-safe for one thread at a time.

    Raises: RecordError, as all methods."""

    def __init__(self, path: Path, identity: Mapping[str, str]) -> None:
        self.path = path
        with _as_record_error(path):
            self._db = sqlite3.connect(
                path, isolation_level=None, check_same_thread=False, timeout=_PATIENCE_S
            )
        try:
            with _as_record_error(path):
                self._open(identity)
            self._check(identity)
        except BaseException:
            self._db.close()
            raise

    def _open(self, identity: Mapping[str, str]) -> None:
        self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute("PRAGMA journal_mode = WAL")
        if not self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            self._begin(identity)

    def _begin(self, identity: Mapping[str, str]) -> None:
        """All or nothing: what is killed here has not begun."""
        self._db.execute("BEGIN")
        for statement in _SCHEMA.split(";"):
            self._db.execute(statement)
        self._db.execute(
            "INSERT INTO identity VALUES ('campaign', ?)", (json.dumps(dict(identity)),)
        )
        self._db.execute("COMMIT")

    def _check(self, identity: Mapping[str, str]) -> None:
        with _as_record_error(self.path):
            row = self._db.execute("SELECT value FROM identity").fetchone()
        stored = json.loads(row[0]) if row else {}
        for key, value in identity.items():
            if stored.get(key) != value:
                raise RecordError(
                    f"{self.path} is of another campaign: its {key} is {stored.get(key)}, "
                    f"this one's {value}",
                    remedy="name another result file, or delete it",
                )

    def __enter__(self) -> CampaignJournal:  # noqa: PYI034  (Python 3.10 has no typing.Self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._db.close()

    def add(self, first: int, effects: bytes, details: bytes, endings: bytes = b"") -> None:
        """Keep the outcomes of the classes from `first` on, eight bytes for each; and what more is
        known of them, packed as in `hil.record.campaign_endings`."""
        row = (first, effects, details, endings)
        with _as_record_error(self.path):
            self._db.execute("INSERT INTO parts VALUES (?, ?, ?, ?)", row)

    def parts(self, first: int = 0, end: int = _LAST) -> list[tuple[int, bytes, bytes]]:
        """Return what `add` has kept, by class, of those from `first` to before `end`."""
        query = (
            "SELECT first, effects, details FROM parts WHERE first >= ? AND first < ? "
            "ORDER BY first"
        )
        with _as_record_error(self.path):
            return list(self._db.execute(query, (first, end)))

    def endings(self) -> list[tuple[int, bytes]]:
        """Return what more `add` has kept of the outcomes, by class."""
        with _as_record_error(self.path):
            return list(self._db.execute("SELECT first, endings FROM parts ORDER BY first"))

    def remove(self) -> None:
        """Close and remove the journal: its result has been written."""
        with _as_record_error(self.path):
            self._db.execute("PRAGMA journal_mode = DELETE")
        self._db.close()
        self.path.unlink(missing_ok=True)
