"""A table as a Parquet file, by duckdb: an extra."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, Final

from hil.errors import SetupError
from hil.export.csv_file import complete_file, write_csv
from hil.export.table import ColumnType, Table
from hil.extras import install_command

__all__ = ["write_parquet"]

_TYPES: Final = {
    ColumnType.INTEGER: "BIGINT",
    ColumnType.REAL: "DOUBLE",
    ColumnType.BOOLEAN: "BOOLEAN",
    ColumnType.TEXT: "VARCHAR",
}
_MISSING: Final = "\x1ano value\x1a"
"""An empty field of a CSV file may be an empty text as well."""


def write_parquet(table: Table, path: Path) -> int:
    """Write a table to a new file; return the number of its rows. They pass through a CSV file, so
    that a large result needs little memory.

    Raises: SetupError if duckdb is not installed, or the file cannot be written."""
    duckdb = _duckdb()
    types = {column.name: _TYPES[column.type] for column in table.columns}
    with tempfile.TemporaryDirectory() as folder:
        rows = Path(folder) / "rows.csv"
        count = write_csv(table, rows, missing=_MISSING)
        with complete_file(path) as draft, duckdb.connect() as connection:
            try:
                relation = connection.read_csv(
                    str(rows),
                    header=True,
                    dtype=types,
                    delimiter=",",
                    quotechar='"',
                    na_values=_MISSING,
                )
                relation.write_parquet(str(draft), compression="zstd")
            except duckdb.Error as error:
                raise SetupError(f"cannot write {path}: {error}") from error
    return count


def _duckdb() -> Any:
    try:
        import duckdb  # noqa: PLC0415  (an extra)
    except ImportError:
        raise SetupError(
            "a Parquet file needs duckdb, which is not installed",
            remedy=f"{install_command('parquet')}, or write a CSV file: -o FILE.csv",
        ) from None
    return duckdb
