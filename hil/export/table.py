"""A table that becomes a file: typed columns, and rows one after the other."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

__all__ = ["Cell", "Column", "ColumnType", "Table"]

Cell: TypeAlias = bool | int | float | str | None


class ColumnType(enum.Enum):
    """The type of a column."""

    INTEGER = "integer"
    REAL = "real"
    BOOLEAN = "boolean"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table."""

    name: str
    type: ColumnType


@dataclass(frozen=True, slots=True)
class Table:
    """A table: its columns, and its rows in their order, which can be read once."""

    columns: tuple[Column, ...]
    rows: Iterator[Sequence[Cell]]
