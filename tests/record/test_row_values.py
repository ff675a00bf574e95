"""Rows of a record become values by the names of their columns, also where some are lacking."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import NamedTuple

import pytest

from hil.errors import RecordError
from hil.record.row_values import value_of, values_of


@dataclass(frozen=True, slots=True)
class Reading:
    frame: int
    node: str
    volts: float | None = None
    amps: float | None = None


class Pair(NamedTuple):
    frame: int
    node: str = "none"


class Alone(NamedTuple):
    frame: int


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:")) as db:
        db.row_factory = sqlite3.Row
        yield db


@pytest.mark.parametrize(
    ("columns", "reading"),
    [
        ("1 AS frame, 'a' AS node, 5.0 AS volts, 0.5 AS amps", Reading(1, "a", 5.0, 0.5)),
        ("'a' AS node, 0.5 AS amps, 1 AS frame, 5.0 AS volts", Reading(1, "a", 5.0, 0.5)),
        ("9 AS id, 1 AS frame, 'a' AS node, 5.0 AS volts", Reading(1, "a", 5.0)),
        ("1 AS frame, 'a' AS node", Reading(1, "a")),
        ("1 AS frame, 'a' AS node, 0.5 AS amps", Reading(1, "a", None, 0.5)),
    ],
    ids=("in order", "in any order", "with a column more", "of an older record", "with a gap"),
)
def test_a_row_becomes_a_value_by_the_names_of_its_columns(
    db: sqlite3.Connection, columns: str, reading: Reading
) -> None:
    (row,) = db.execute(f"SELECT {columns}").fetchall()
    assert value_of(Reading, row) == reading
    assert values_of(Reading, [row, row]) == [reading, reading]
    pair = value_of(Pair, row)
    assert (pair.frame, pair.node) == (1, "a")
    assert value_of(Alone, row) == Alone(1)


def test_no_rows_are_no_values() -> None:
    assert values_of(Reading, []) == []


def test_a_row_without_a_column_that_is_needed_is_a_damaged_record(db: sqlite3.Connection) -> None:
    for columns in ("1 AS frame", "'a' AS node", "1 AS frame, 5.0 AS volts"):
        with pytest.raises(RecordError, match="lacks a column"):
            value_of(Reading, db.execute(f"SELECT {columns}").fetchone())
