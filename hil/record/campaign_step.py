"""The tables of a campaign's result file that say what its step does: written with the results, and
read for maps and listings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from hil.record.campaign_file import CampaignFile
from hil.record.campaign_rows import (
    EFFECTS,
    InstructionRow,
    PartRow,
    PathRow,
    SourceRow,
    StackRow,
    StepRows,
    UnreadRow,
)

__all__ = ["ClassColumns", "class_columns", "instruction_rows", "part_rows", "step_rows"]

Numbers: TypeAlias = npt.NDArray[np.int64]
Codes: TypeAlias = npt.NDArray[np.uint8]

BITS: Final = 8


@dataclass(frozen=True, slots=True)
class ClassColumns:
    """The classes of a result file as parallel arrays, in the order of their numbers: see
    `hil.record.campaign_rows.ClassRow`. `effects` and `details` have the shape (classes, 8)."""

    region: Numbers
    position: Numbers
    byte: Numbers
    weight: Numbers
    effects: Codes
    details: Codes


def class_columns(file: CampaignFile) -> ClassColumns:
    """Return all classes of a result file. Raises: RecordError."""
    rows = file.select(
        "SELECT region, position, byte, weight, effects, details FROM classes ORDER BY number"
    )
    places = np.array([row[:4] for row in rows], dtype=np.int64).reshape(-1, 4)
    effects = b"".join(row[4] for row in rows)
    details = b"".join(row[5] for row in rows)
    region, position, byte, weight = (np.ascontiguousarray(column) for column in places.T)
    return ClassColumns(
        region,
        position,
        byte,
        weight,
        np.frombuffer(effects, dtype=np.uint8).reshape(-1, BITS),
        np.frombuffer(details, dtype=np.uint8).reshape(-1, BITS),
    )


def instruction_rows(file: CampaignFile) -> list[InstructionRow]:
    """Return the instructions of the step, by address. Raises: RecordError."""
    rows = file.select(
        "SELECT address, executions, text, symbol, file, line FROM instructions ORDER BY address"
    )
    return [InstructionRow(*row) for row in rows]


def part_rows(file: CampaignFile) -> list[PartRow]:
    """Return the parts of regions that have names. Raises: RecordError."""
    if file.version == 1:
        return []
    return [PartRow(*row) for row in file.select("SELECT * FROM parts ORDER BY region, first")]


def step_rows(file: CampaignFile) -> StepRows:
    """Return what a result file says of its step. Raises: RecordError."""
    unread = file.select("SELECT region, byte, weight, effect FROM unread ORDER BY region, byte")
    return StepRows(
        [UnreadRow(region, byte, weight, EFFECTS[e]) for region, byte, weight, e in unread],
        [PathRow(*row) for row in file.select("SELECT * FROM path ORDER BY position")],
        [StackRow(*row) for row in file.select("SELECT * FROM stack ORDER BY position")],
        part_rows(file),
        [SourceRow(*row) for row in file.select("SELECT * FROM sources ORDER BY file")],
    )
