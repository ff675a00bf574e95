"""Records of older schemas: what each version added, for their readers and for a run that is
resumed.

A reader changes nothing in the file. `read_as_current` gives its connection temporary tables and
views in the place of what the record lacks: an empty table, a column of nulls (SQLite looks for a
name among its temporary ones first). So every query is written for the current schema only.
Whatever must see the file as it is (the record digest) names it: `main.upsets`. Only a run that is
resumed, and so writes its record, brings the file itself to the current schema, by `upgrade`.

Whoever changes `schema.TABLES` raises `SCHEMA_VERSION` and adds a step here; the new layout becomes
a file in tests/record/schemas, and those of older versions stay. Columns are appended to their
table: rows are written in the order of its columns."""

from __future__ import annotations

import re
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hil.errors import RecordError
from hil.printable import quoted
from hil.record.result_file import RESULTS
from hil.record.schema import SCHEMA_VERSION, TABLES

__all__ = ["MIGRATIONS", "AddedColumn", "Migration", "read_as_current", "upgrade", "version_of"]


@dataclass(frozen=True, slots=True)
class AddedColumn:
    """A column that was appended to a table. `value` is the SQL of what older rows have in it."""

    table: str
    name: str
    kind: str
    value: str = "NULL"


@dataclass(frozen=True, slots=True)
class Migration:
    """The tables and columns of `version` that the version before may lack. Records of versions 1
    and 2 may have some of them: their layout grew while the number stayed."""

    version: int
    tables: tuple[str, ...]
    """Tables and views, made as the current schema makes them."""
    columns: tuple[AddedColumn, ...]


MIGRATIONS: Final = (
    Migration(
        2,
        (
            "snapshot",
            "snapshot_states",
            "upsets_at_snapshot",
            "orbit",
            "plant",
            "plant_nodes",
            "skips",
            "limits",
            "pulse",
            "commands",
            "link_events",
            "power",
            "clocks",
        ),
        (
            AddedColumn("health", "round_trip_us", "INTEGER"),
            AddedColumn("health", "at_wall_us", "INTEGER"),
            AddedColumn("links", "chatter_bytes", "INTEGER NOT NULL DEFAULT 0", "0"),
        ),
    ),
    Migration(
        3,
        ("link_counts", "throttling"),
        (AddedColumn("health", "power_mw", "INTEGER"),),
    ),
    Migration(
        4,
        (),
        (
            AddedColumn("upsets", "activation", "TEXT NOT NULL DEFAULT ''", "''"),
            AddedColumn("upsets_at_snapshot", "activation", "TEXT NOT NULL DEFAULT ''", "''"),
        ),
    ),
    Migration(5, ("contacts", "offload", "offload_events"), ()),
    Migration(6, ("replicas",), ()),
)
"""In order; the last one leads to SCHEMA_VERSION."""

_DEFINITIONS: Final[dict[str, str]] = {
    match[1]: match[0] for match in re.finditer(r"CREATE (?:TABLE|VIEW) (\w+)[^;]*", TABLES)
}
"""How the current schema makes a table or a view, by its name."""


def version_of(db: sqlite3.Connection, path: Path) -> int:
    """Return the schema version of a record; 0: its tables were not made yet.

    Raises: RecordError if it is newer than this hil, or the result of a campaign; sqlite3.Error if
    it cannot be read."""
    kind = RESULTS.get(db.execute("PRAGMA main.application_id").fetchone()[0])
    if kind is not None:
        raise RecordError(
            f"{path} is {kind}, not the record of a run",
            remedy=f"open it with `hil campaign {quoted(path)}`, or hil.open_campaign",
        )
    version = int(db.execute("PRAGMA main.user_version").fetchone()[0])
    if version > SCHEMA_VERSION:
        raise RecordError(
            f"{path} was written by a newer hil: its record version is {version}, and this hil "
            f"reads versions up to {SCHEMA_VERSION}",
            remedy="update hil, or use the hil that wrote it (hil_version in manifest.json)",
        )
    return version


def read_as_current(db: sqlite3.Connection, path: Path) -> int:
    """Let every query on this connection find the current schema, whatever the record's is, and
    return that version. Nothing is written to the file.

    Raises: RecordError if it is newer than this hil, sqlite3.Error if it cannot be read."""
    version = version_of(db, path)
    if 0 < version < SCHEMA_VERSION:
        tables, columns = _missing(db, version)
        db.execute("PRAGMA temp_store=MEMORY")  # there may be no place where a file can be made
        for name in tables:
            db.execute(_DEFINITIONS[name].replace("CREATE ", "CREATE TEMP ", 1))
        for table in dict.fromkeys(column.table for column in columns):
            added = [f"{c.value} AS {c.name}" for c in columns if c.table == table]
            db.execute(
                f"CREATE TEMP VIEW {table} AS SELECT *, {', '.join(added)} FROM main.{table}"
            )
    return version


def upgrade(db: sqlite3.Connection, version: int) -> None:
    """Bring a record of `version` to the current schema, within a transaction of the caller.

    Raises: sqlite3.Error if it cannot be written."""
    tables, columns = _missing(db, version)
    for column in columns:
        db.execute(f"ALTER TABLE {column.table} ADD COLUMN {column.name} {column.kind}")
    for name in tables:
        db.execute(_DEFINITIONS[name])
    db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")


def _missing(db: sqlite3.Connection, version: int) -> tuple[list[str], list[AddedColumn]]:
    """Return which tables and which columns of the steps from `version` on the record lacks."""
    steps = [step for step in MIGRATIONS if step.version > version]
    present = {row[0] for row in db.execute("SELECT name FROM main.sqlite_master")}
    tables = [name for step in steps for name in step.tables if name not in present]
    columns = [
        column
        for step in steps
        for column in step.columns
        if column.table in present and column.name not in _column_names(db, column.table)
    ]
    return tables, columns


def _column_names(db: sqlite3.Connection, table: str) -> set[str]:
    return {row[1] for row in db.execute(f"PRAGMA main.table_info({table})")}
