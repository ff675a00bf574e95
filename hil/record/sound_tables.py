"""Finds values in the tables of a database that hil does not write.

SQLite takes any value in any column: so whoever changes a file by hand, and a disk that fails,
leaves values that no run and no campaign has written."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

__all__ = ["RowRule", "unsound_row"]

_KINDS: Final = {
    "INTEGER": ("integer", "an integer"),
    "REAL": ("real", "a number"),
    "TEXT": ("text", "a text"),
    "BLOB": ("blob", "bytes"),
}
_SHOWN: Final = 40
_COUNT_MAX: Final = 1 << 53
"""More than any count or address of a step: products of these fit into 64 bits."""
_KEY_AT: Final = 5


class RowRule(NamedTuple):
    """SQL that is true of a row as hil writes it, and what it says in words."""

    sql: str
    expected: str


def unsound_row(
    db: sqlite3.Connection,
    *,
    counts: bool = False,
    more: Mapping[str, Sequence[RowRule]] | None = None,
) -> str | None:
    """Return a sentence on a row that hil does not write: with a value of another type than its
    column, with an integer that is no count where all are `counts`, or one that breaks one of
    `more` checks of its table. None if there is none. Every table is read once. Raises:
    sqlite3.Error if the database cannot be read."""
    for (table,) in _rows(db, "SELECT name FROM main.sqlite_master WHERE type = 'table'"):
        columns = _rows(db, f"PRAGMA main.table_info({_quoted(table)})")
        checks = [*_types(columns, counts=counts), *(more or {}).get(table, ())]
        together = " AND ".join(f"({check.sql})" for check in checks)
        if checks and _first_without(db, table, together) is not None:
            return _sentence(db, table, columns, checks)
    return None


def _types(columns: Sequence[tuple[Any, ...]], *, counts: bool) -> Iterator[RowRule]:
    """Yield the checks that follow from the declarations of columns, as SQLite describes them."""
    for _, name, declared, required, _, key in columns:
        if declared not in _KINDS:
            continue
        kind, words = _KINDS[declared]
        kinds = f"'{kind}'" if required or key else f"'{kind}', 'null'"
        yield RowRule(f"typeof({_quoted(name)}) IN ({kinds})", f"`{name}` is {words}")
        if counts and declared == "INTEGER":
            place = _quoted(name)
            yield RowRule(
                f"{place} IS NULL OR {place} BETWEEN 0 AND {_COUNT_MAX}",
                f"`{name}` is from 0 to 2^53",
            )


def _sentence(
    db: sqlite3.Connection,
    table: str,
    columns: Sequence[tuple[Any, ...]],
    checks: Sequence[RowRule],
) -> str:
    """Return the sentence on the first check that a row of a table breaks."""
    names = [column[1] for column in columns]
    keys = [column[1] for column in columns if column[_KEY_AT]]
    for check in checks:
        row = _first_without(db, table, check.sql)
        if row is not None:
            values = dict(zip(names, row, strict=True))
            place = ", ".join(f"{key} {_shown(values[key])}" for key in keys)
            told = [n for n in names if f"`{n}`" in check.expected and n not in keys]
            now = "".join(f"; `{n}` is {_shown(values[n])}" for n in told)
            return f"table `{table}`, row {place}: expected that {check.expected}{now}"
    return f"table `{table}` has a row that makes no sense"


def _first_without(db: sqlite3.Connection, table: str, sql: str) -> tuple[Any, ...] | None:
    rows = _rows(db, f"SELECT * FROM main.{_quoted(table)} WHERE ({sql}) IS NOT TRUE LIMIT 1")
    return rows[0] if rows else None


def _rows(db: sqlite3.Connection, sql: str) -> list[tuple[Any, ...]]:
    """Return rows as tuples, whatever the connection makes of them."""
    cursor = db.cursor()
    cursor.row_factory = None
    return cursor.execute(sql).fetchall()


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
