"""The record digest: SHA-256 over every table of a record, row by row.

It is computed when a run ends, and written last, into `meta` (key `seal`) and into manifest.json.
Rows are ordered by their key, so many of them are one line of JSON, tables are ordered by name. The
columns' names and the schema are part of it, and so is everything else but the seal itself. It
finds whatever was changed, removed or added afterwards. It is not a signature: whoever can write
the record can compute it again. To prove who wrote a record, keep the digest (or sign
manifest.json) somewhere else."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from hil.json_values import JsonObject, JsonValue

__all__ = ["ROWS_WITH_BLOBS", "SEAL", "Seal", "SealedTable", "difference", "seal_of"]

SEAL: Final = "seal"
"""The key of the seal in `meta`."""
_BLOB_MAX: Final = 64
"""[byte] Longer blobs stand in a row's line by their own SHA-256."""
_ROWS: Final = 512
ROWS_WITH_BLOBS: Final = 16
"""Rows in a line of JSON: more are faster, but all of them are in memory at once."""


class SealedTable(NamedTuple):
    """The number of rows of a table, and their digest."""

    rows: int
    digest: str


@dataclass(frozen=True, slots=True)
class Seal:
    """The digests of what stands in a record: of everything, of the schema, and of each table by
    its name."""

    record_digest: str
    schema: str
    tables: Mapping[str, SealedTable]

    @property
    def rows(self) -> int:
        """Return how many rows the seal covers, of all tables."""
        return sum(table.rows for table in self.tables.values())

    @property
    def text(self) -> str:
        """Return the seal as a run writes it into `meta`."""
        return json.dumps(self.as_json())

    def as_json(self) -> JsonObject:
        """Return the seal as a JSON object."""
        return {"record_digest": self.record_digest, **_content(self.schema, self.tables)}


def seal_of(db: sqlite3.Connection) -> Seal:
    """Compute the seal of what stands in a record now, reading it once from end to end, a few rows
    at a time. Raises: sqlite3.Error if it cannot be read."""
    tables = {name: _table(db, name) for name in _table_names(db)}
    schema = _schema(db)
    return Seal(_digest([_content(schema, tables)]), schema, tables)


def _content(schema: str, tables: Mapping[str, SealedTable]) -> dict[str, JsonValue]:
    """Return what the record digest is the digest of."""
    return {"schema": schema, "tables": {name: list(table) for name, table in tables.items()}}


def difference(recorded: JsonValue, now: Seal) -> Iterator[tuple[str, str, str]]:
    """Yield what the seal in a record (any JSON, None if there is none) says otherwise than the
    record itself: what, recorded, now."""
    tables = recorded.get("tables") if isinstance(recorded, Mapping) else None
    if not isinstance(recorded, Mapping) or not isinstance(tables, Mapping):
        yield "seal of the record", "missing", "a finished run has one"
        return
    for name in sorted({*tables, *now.tables}):
        before = tables.get(name)
        after: JsonValue = None if (table := now.tables.get(name)) is None else list(table)
        if before != after:
            yield f"table `{name}`", _described(before), _described(after)
    for key, digest in (("schema", now.schema), ("record_digest", now.record_digest)):
        if recorded.get(key) != digest:
            yield key.replace("_", " "), str(recorded.get(key)), digest
    if recorded.keys() != (known := now.as_json()).keys():
        yield "seal of the record", ", ".join(recorded), ", ".join(known)


def _described(table: JsonValue) -> str:
    if not isinstance(table, list) or len(table) != 2:
        return "missing" if table is None else str(table)
    return f"{table[0]} rows with digest {str(table[1])[:16]}.."


def _table_names(db: sqlite3.Connection) -> list[str]:
    rows = _plain(db, "SELECT name FROM main.sqlite_master WHERE type='table' ORDER BY name")
    return [row[0] for row in rows]


def _schema(db: sqlite3.Connection) -> str:
    marks = [next(_plain(db, f"PRAGMA main.{name}")) for name in ("user_version", "application_id")]
    rows = _plain(
        db, "SELECT type, name, tbl_name, sql FROM main.sqlite_master ORDER BY type, name"
    )
    return _digest([*marks, *rows])


def _table(db: sqlite3.Connection, name: str) -> SealedTable:
    """Return the number of rows of a table, and their digest. Only the seal itself is left out."""
    quoted = '"' + name.replace('"', '""') + '"'
    columns = list(_plain(db, f"PRAGMA main.table_info({quoted})"))
    keys = sorted((row for row in columns if row[5]), key=lambda row: row[5])
    order = ", ".join('"' + row[1].replace('"', '""') + '"' for row in keys) or "rowid"
    where = f" WHERE key IS NOT '{SEAL}'" if name == "meta" else ""
    size = ROWS_WITH_BLOBS if any(row[2] == "BLOB" for row in columns) else _ROWS
    count = 0

    def lines() -> Iterator[Any]:
        nonlocal count
        yield [row[1] for row in columns]
        for rows in _groups(db, f"SELECT * FROM main.{quoted}{where} ORDER BY {order}", size):
            count += len(rows)
            yield rows

    digest = _digest(lines())
    return SealedTable(count, digest)


def _plain(db: sqlite3.Connection, sql: str) -> Iterator[tuple[Any, ...]]:
    for rows in _groups(db, sql):
        yield from rows


def _groups(db: sqlite3.Connection, sql: str, size: int = _ROWS) -> Iterator[list[tuple[Any, ...]]]:
    """Yield rows as tuples, whatever the connection makes of them, `size` at a time."""
    cursor = db.cursor()
    cursor.row_factory = None
    cursor.execute(sql)
    while rows := cursor.fetchmany(size):
        yield rows


def _blob(value: bytes) -> list[str]:
    """Return a blob as it stands in a line of JSON: no text or number looks like it."""
    if len(value) <= _BLOB_MAX:
        return ["hex", value.hex()]
    return ["sha256", hashlib.sha256(value).hexdigest()]


_ENCODE = json.JSONEncoder(separators=(",", ":"), default=_blob, sort_keys=True).encode


def _digest(lines: Iterator[Any] | list[Any]) -> str:
    digest = hashlib.sha256()
    for line in lines:
        digest.update(_ENCODE(line).encode("ascii"))
        digest.update(b"\n")
    return digest.hexdigest()
