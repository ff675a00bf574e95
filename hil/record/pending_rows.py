"""Rows that wait for the database, in memory: until the next commit, or until another program
releases its write lock."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, Final

__all__ = ["PendingRows"]

_VALUE_BYTES: Final = 40
"""[byte] What a number in a row takes in memory, about."""
_WITH_LENGTH: Final = (str, bytes)
_ONE_ROW: Final = frozenset({"pulse"})
"""Tables of one row, of which only the newest is worth keeping."""
_OF_SNAPSHOT: Final = ("snapshot", "snapshot_states")


@dataclass(slots=True)
class _Batch:
    """Statements, and then rows by table. The rows of one table keep their order."""

    statements: list[tuple[str, tuple[Any, ...]]] = field(default_factory=list)
    rows: defaultdict[str, list[tuple[Any, ...]]] = field(default_factory=lambda: defaultdict(list))


class PendingRows:
    """Rows and statements that the database has not taken yet.

    `bytes`: their size in memory, about; `count`: how many rows there are."""

    def __init__(self) -> None:
        self._batches = [_Batch()]
        self.bytes = 0
        self.count = 0

    def add(self, table: str, values: tuple[Any, ...]) -> None:
        """Queue a row; it replaces one with the same key."""
        rows = self._batches[-1].rows[table]
        if table in _ONE_ROW:
            rows.clear()
        rows.append(values)
        self.count += 1
        self.bytes += _size(values)

    def before_rows(self, sql: str, *values: Any) -> None:
        """Queue a statement before all rows since the last `cut`."""
        self._batches[-1].statements.append((sql, values))
        self.bytes += _size(values)

    def cut(self) -> None:
        """Write whatever is queued from now on after everything queued so far. A snapshot that
        still waits is dropped: the next one replaces it."""
        for batch in self._batches:
            for table in _OF_SNAPSHOT:
                dropped = batch.rows.pop(table, [])
                self.count -= len(dropped)
                self.bytes -= sum(map(_size, dropped))
        self._batches.append(_Batch())

    def write(self, db: sqlite3.Connection) -> None:
        """Write everything that is queued, within a transaction of the caller. It stays queued
        until `clear`: the transaction may fail."""
        for batch in self._batches:
            for sql, values in batch.statements:
                db.execute(sql, values)
            for table, rows in batch.rows.items():
                if rows:
                    marks = ",".join("?" * len(rows[0]))
                    db.executemany(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", rows)

    def clear(self) -> None:
        """Forget what was written: its transaction was committed."""
        self._batches = [_Batch()]
        self.bytes = self.count = 0


def _size(values: tuple[Any, ...]) -> int:
    size = _VALUE_BYTES * len(values)
    for value in values:
        if isinstance(value, _WITH_LENGTH):
            size += len(value)
    return size
