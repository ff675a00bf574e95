"""The record of a run as column tables: all frames, upsets, repairs, health, the plant.

Columns keep the names of the database; units are in the names. Integers that may be missing become
floating-point numbers with NaN; texts are arrays of str, empty where there is none; bytes are
objects. Nodes are named, not numbered; masks of nodes have bit i for the i-th node."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hil.errors import RecordError
from hil.record.column_table import ColumnTable
from hil.record.frame_array import frame_array
from hil.record.reader import Reader
from hil.record.schema import TABLES
from hil.redundancy.voting import (
    CORRECT,
    DELIVERED,
    FAIL_SILENT,
    HELD,
    RE_EXECUTED,
    STATE_SPLIT,
    NodeStatus,
    VerdictKind,
)
from hil.word_enum import Word

__all__ = ["RunTable", "run_table", "stored_types"]

Column = NDArray[Any]


class RunTable(Word):
    """A table of a run's record. `frames` has every computed frame, `ballots` what each node sent
    in each of them; all others are those of the database."""

    FRAMES = "frames"
    BALLOTS = "ballots"
    UPSETS = "upsets"
    TRANSITIONS = "transitions"
    REPAIRS = "repairs"
    ANOMALIES = "anomalies"
    SLIPS = "slips"
    HEALTH = "health"
    POWER = "power"
    LINK_COUNTS = "link_counts"
    LINK_EVENTS = "link_events"
    ORBIT = "orbit"
    PLANT = "plant"
    PLANT_NODES = "plant_nodes"
    SKIPS = "skips"
    LIMITS = "limits"
    COMMANDS = "commands"
    NOTES = "notes"
    NODES = "nodes"
    CONTACTS = "contacts"
    OFFLOAD = "offload"
    OFFLOAD_EVENTS = "offload_events"
    REPLIES = "replies"
    REPLICAS = "replicas"
    DAMAGE = "damage"
    LINKS = "links"
    CLOCKS = "clocks"


def run_table(reader: Reader, table: RunTable) -> ColumnTable:
    """Return a table of a record, as it is at this moment. Raises: RecordError if it is damaged."""
    if table is RunTable.FRAMES:
        return ColumnTable(table.value, _frames(reader))
    if table is RunTable.BALLOTS:
        return ColumnTable(table.value, _ballots(reader))
    return ColumnTable(table.value, _stored(reader, table))


def stored_types(table: RunTable) -> dict[str, str]:
    """Return the types of the columns that the database has for a table, INTEGER, REAL, TEXT or
    BLOB; none for `frames` and `ballots`, which are unpacked."""
    return {} if table in {RunTable.FRAMES, RunTable.BALLOTS} else dict(_COLUMNS[table.value])


# --- packed frames ------------------------------------------------------------------------------


def _packed(reader: Reader, nodes: int) -> Column:
    """Return all packed frames of the record as one structured array (hil.record.schema)."""
    try:
        return frame_array(b"".join(block for _, _, block in reader.blocks()), nodes)
    except RecordError as error:
        raise RecordError(f"{reader.path} is damaged: {error.message}") from error


def _times_us(reader: Reader, frames: Column) -> Column:
    """Return the simulated time of each frame [us]; quiet ones that were skipped count."""
    skips = reader.rows("SELECT frame, frames FROM skips ORDER BY frame")
    first = np.array([row[0] for row in skips], dtype=np.int64)
    before = np.concatenate([[0], np.cumsum([row[1] for row in skips], dtype=np.int64)])
    times: Column = (
        frames + before[np.searchsorted(first, frames, side="right")]
    ) * reader.frame_us
    return times


def _frames(reader: Reader) -> dict[str, Column]:
    packed = _packed(reader, len(reader.node_names))
    frame = packed["frame"].astype(np.int64)
    flags = packed["flags"]
    flag_names = {
        "delivered": DELIVERED,
        "correct": CORRECT,
        "held": HELD,
        "re_executed": RE_EXECUTED,
        "state_split": STATE_SPLIT,
        "fail_silent": FAIL_SILENT,
    }
    return {
        "frame": frame,
        "t_us": _times_us(reader, frame),
        "verdict": _words(packed["verdict"], {int(kind): kind.word for kind in VerdictKind}),
        **{name: packed[name] for name in ("voters", "agree", "dissent", "latent")},
        **{name: (flags & bit) != 0 for name, bit in flag_names.items()},
        "output_digest": packed["output"],
        "state_digest": packed["state"],
    }


def _ballots(reader: Reader) -> dict[str, Column]:
    names = reader.node_names
    packed = _packed(reader, len(names))
    ballots = packed["node"].reshape(-1)
    return {
        "frame": np.repeat(packed["frame"].astype(np.int64), len(names)),
        "node": np.tile(np.array(names, dtype=str), len(packed)),
        "status": _words(ballots["status"], {int(s): s.word for s in NodeStatus}),
        "signal": ballots["signal"],
        "output_digest": ballots["output"],
        "state_digest": ballots["state"],
    }


def _words(codes: Column, words: Mapping[int, str]) -> Column:
    """Return the words of codes; those that are unknown keep their number."""
    table = np.array([words.get(code, str(code)) for code in range(256)])
    return table[codes]


# --- stored tables ------------------------------------------------------------------------------


def _stored(reader: Reader, table: RunTable) -> dict[str, Column]:
    names = reader.node_names
    columns = _COLUMNS[table.value]
    order = next(iter(columns))
    rows = reader.rows(f"SELECT {', '.join(columns)} FROM {table} ORDER BY {order}")
    values = list(zip(*rows, strict=True)) if rows else [()] * len(columns)
    return {
        name: _column(_named(column, names) if name == "node" else column, kind)
        for (name, kind), column in zip(columns.items(), values, strict=True)
    }


def _named(column: Sequence[Any], names: Sequence[str]) -> list[str]:
    """Return names of nodes, of which some tables have the number; empty where there is none."""
    return [names[n] if isinstance(n, int) and n < len(names) else str(n or "") for n in column]


def _column(values: Sequence[Any], kind: str) -> Column:
    if kind == "BLOB":
        blobs = np.empty(len(values), dtype=object)
        blobs[:] = values
        return blobs
    if kind == "TEXT" or any(isinstance(value, str) for value in values):
        return np.array(["" if value is None else value for value in values], dtype=str)
    if kind == "INTEGER" and None not in values:
        return np.array(values, dtype=np.int64)
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _schema_columns() -> dict[str, dict[str, str]]:
    """Return the columns of each table with their types, from the schema."""
    tables: dict[str, dict[str, str]] = {}
    made = r"CREATE TABLE (\w+) \((.*?)\)(?: WITHOUT ROWID)?;"
    for name, body in re.findall(made, TABLES, re.DOTALL):
        parts = re.sub(r"(PRIMARY KEY|CHECK) \([^)]*\)", "", body).split(",")
        words = [part.split() for part in parts if len(part.split()) >= 2]
        tables[name] = {word[0]: word[1] for word in words if word[1] in _TYPES}
    return tables


_TYPES: Final = ("INTEGER", "REAL", "TEXT", "BLOB")
_COLUMNS: Final = _schema_columns()
