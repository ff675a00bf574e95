"""The tables of a run as tables that become files: text, numbers, and hexadecimal digests."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hil.export.table import Cell, Column, ColumnType, Table
from hil.record.reader import Reader
from hil.record.run_tables import RunTable, run_table, stored_types

__all__ = ["run_file_table"]

_ROWS_AT_ONCE: Final = 4096
_STORED: Final = {"INTEGER": ColumnType.INTEGER, "REAL": ColumnType.REAL}


def run_file_table(reader: Reader, table: RunTable) -> Table:
    """Return a table of a run. Digests and bytes are hexadecimal text, as in the record; what is
    missing is None. Its columns are read now, its rows are made one after the other. Raises:
    RecordError if the record is damaged."""
    data = run_table(reader, table).data
    types = {name: _type_of(name, values, stored_types(table)) for name, values in data.items()}
    columns = tuple(Column(name, kind) for name, kind in types.items())
    return Table(columns, _rows([(values, types[name]) for name, values in data.items()]))


def _type_of(name: str, values: NDArray[Any], stored: dict[str, str]) -> ColumnType:
    if values.dtype.kind in "UO" or values.dtype == np.uint64:
        return ColumnType.TEXT
    if values.dtype.kind == "b":
        return ColumnType.BOOLEAN
    usual = ColumnType.REAL if values.dtype.kind == "f" else ColumnType.INTEGER
    return _STORED.get(stored.get(name, ""), usual)


def _rows(columns: Sequence[tuple[NDArray[Any], ColumnType]]) -> Iterator[Sequence[Cell]]:
    count = len(columns[0][0]) if columns else 0
    for first in range(0, count, _ROWS_AT_ONCE):
        some = [_cells(values[first : first + _ROWS_AT_ONCE], kind) for values, kind in columns]
        yield from zip(*some, strict=True)


def _cells(values: NDArray[Any], kind: ColumnType) -> list[Cell]:
    plain = values.tolist()
    if values.dtype == np.uint64:
        return [f"{value:016x}" for value in plain]
    if values.dtype.kind == "O":
        return [None if value is None else bytes(value).hex() for value in plain]
    if values.dtype.kind == "f":
        as_type: Callable[[float], Cell] = int if kind is ColumnType.INTEGER else float
        return [None if value != value else as_type(value) for value in plain]  # noqa: PLR0124  (NaN)
    return list(plain)
