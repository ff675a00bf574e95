"""The columns of a row of a record, by name."""

from __future__ import annotations

from dataclasses import fields
from typing import TypeAlias

from hil.record.run_follower import FollowedRow

__all__ = ["RowValue", "row_columns"]

RowValue: TypeAlias = int | float | str | bytes | None


def row_columns(row: FollowedRow) -> dict[str, RowValue]:
    """Return the values of a row by the names of their columns."""
    if isinstance(row, tuple):
        return row._asdict()
    return {field.name: getattr(row, field.name) for field in fields(row)}
