"""The numbers of a campaign's page: how many faults come to what, by target, byte, bit, register,
instruction, source line and function. All are exact counts."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from hil.errors import RecordError
from hil.record.campaign_file import CampaignFile
from hil.record.campaign_rows import EFFECTS, InstructionRow, RegionRow, StepRows
from hil.record.campaign_step import ClassColumns, class_columns, instruction_rows, step_rows
from hil.record.campaign_summary import CampaignSummary, campaign_summary
from hil.upsets.words import UpsetTarget

__all__ = [
    "CampaignFigures",
    "Group",
    "RegionFigures",
    "by_function",
    "by_line",
    "figures_of",
    "path_of",
]

Counts: TypeAlias = npt.NDArray[np.int64]

_Key = TypeVar("_Key", bound=Hashable)

BITS: Final = 8
KINDS: Final = len(EFFECTS)


@dataclass(frozen=True, slots=True)
class RegionFigures:
    """All faults of one target: `by_byte` has the shape (length, effects), `by_bit` (8, effects).
    The sums of both are those of the result file."""

    row: RegionRow
    by_byte: Counts
    by_bit: Counts


@dataclass(frozen=True, slots=True)
class CampaignFigures:
    """All that the page of a campaign shows. `path`: the number of the instruction at each
    position; `read_by`: the measured faults that each instruction is the first to read, with the
    shape (instructions, effects)."""

    summary: CampaignSummary
    classes: ClassColumns
    step: StepRows
    regions: Sequence[RegionFigures]
    instructions: Sequence[InstructionRow]
    path: Counts
    read_by: Counts


@dataclass(frozen=True, slots=True)
class Group:
    """Instructions that belong together: `counts` are the measured faults that they are the first
    to read, by effect; `executions` how often they are executed in all."""

    name: str
    file: str
    executions: int
    counts: Counts


def figures_of(file: CampaignFile) -> CampaignFigures:
    """Return the numbers of a result file. Raises: RecordError, also for one that contradicts
    itself, and for one of a sampled campaign."""
    summary, step, classes = campaign_summary(file), step_rows(file), class_columns(file)
    instructions = instruction_rows(file)
    if not len(classes.position) and not step.path:
        raise RecordError(
            f"{file.path} is not the result of an exact campaign: only those have a page",
            remedy="hil campaign SCENARIO --exact",
        )
    path = path_of(step, instructions, summary.meta.instructions)
    if len(path) != summary.meta.instructions:
        raise RecordError(f"{file.path} is damaged: its path has not the length of its step")
    length = summary.meta.instructions
    regions = [_region_figures(row, classes, step, length) for row in file.regions()]
    counts = classes.weight[:, None] * _effect_counts(classes)
    read_by = np.zeros((len(instructions), KINDS), dtype=np.int64)
    np.add.at(read_by, path[classes.position], counts)
    return CampaignFigures(summary, classes, step, regions, instructions, path, read_by)


def path_of(step: StepRows, instructions: Sequence[InstructionRow], length: int) -> Counts:
    """Return the number of the instruction at each position of a step of `length` instructions."""
    number = {row.address: i for i, row in enumerate(instructions)}
    firsts = [jump.position for jump in step.path]
    parts = [
        np.arange(end - jump.position, dtype=np.int64) + number.get(jump.address, 0)
        for jump, end in zip(step.path, (*firsts[1:], length), strict=False)
        if end > jump.position
    ]
    path: Counts = np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)
    return np.minimum(path, max(0, len(instructions) - 1))


def _effect_counts(classes: ClassColumns) -> Counts:
    """Return how many bits of each class come to what: (classes, effects)."""
    counts = [(classes.effects == number).sum(axis=1) for number in range(KINDS)]
    return np.stack(counts, axis=1).astype(np.int64)


def _region_figures(
    row: RegionRow, classes: ClassColumns, step: StepRows, length: int
) -> RegionFigures:
    """Return the faults of a region by effect. What is overwritten, and nothing else, is in no
    class and no unread row; what is not part of a stack is no fault."""
    by_byte = np.zeros((row.length, KINDS), dtype=np.int64)
    by_bit = np.zeros((BITS, KINDS), dtype=np.int64)
    mine = classes.region == row.number
    byte, weight = classes.byte[mine], classes.weight[mine]
    for bit in range(BITS):
        effect = classes.effects[mine, bit]
        np.add.at(by_byte, (byte, effect), weight)
        np.add.at(by_bit[bit], effect, weight)
    for unread in step.unread:
        if unread.region == row.number:
            number = EFFECTS.index(unread.effect)
            by_byte[unread.byte, number] += BITS * unread.weight
            by_bit[:, number] += unread.weight
    lifetimes = _lifetimes(row, step, length)
    by_byte[:, 0] += BITS * lifetimes - by_byte.sum(axis=1)
    by_bit[:, 0] += lifetimes.sum() - by_bit.sum(axis=1)
    return RegionFigures(row, by_byte, by_bit)


def _lifetimes(row: RegionRow, step: StepRows, length: int) -> Counts:
    """Return before how many instructions each byte of a region is part of it."""
    if row.target != UpsetTarget.STACK:
        return np.full(row.length, length, dtype=np.int64)
    firsts = [move.position for move in step.stack]
    spans = np.diff(np.array([*firsts, length], dtype=np.int64))
    begins = np.zeros(row.length + 1, dtype=np.int64)
    np.add.at(begins, [move.byte for move in step.stack], spans)
    return np.cumsum(begins)[: row.length]


# --- instructions that belong together ------------------------------------------------------------


def by_line(figures: CampaignFigures) -> dict[tuple[str, int], Group]:
    """Return the counts of each source line, by file and line."""
    return {
        key: _group(figures, "", key[0], members)
        for key, members in _members(
            (row.file, row.line) if row.file else None for row in figures.instructions
        )
    }


def by_function(figures: CampaignFigures) -> list[Group]:
    """Return the counts of each function, the one with the most silent corruption first."""
    rows = figures.instructions
    groups = [
        _group(figures, key, rows[members[0]].file, members)
        for key, members in _members(row.symbol or None for row in rows)
    ]
    order = [2, 3, 4, 5, 1, 0]  # SDC, crash, hang, detected, latent, masked
    return sorted(groups, key=lambda g: (*(-int(g.counts[i]) for i in order), g.name))


def _members(keys: Iterable[_Key | None]) -> Iterator[tuple[_Key, list[int]]]:
    members: dict[_Key, list[int]] = {}
    for number, key in enumerate(keys):
        if key is not None:
            members.setdefault(key, []).append(number)
    yield from members.items()


def _group(figures: CampaignFigures, name: str, file: str, members: list[int]) -> Group:
    executions = sum(figures.instructions[i].executions for i in members)
    return Group(name, file, executions, figures.read_by[members].sum(axis=0))
