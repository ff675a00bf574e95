"""Sums of the faults of an exact campaign: by byte, by instruction, by function, and of faults that
are there before the step begins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from hil.record.campaign_file import CampaignFile
from hil.record.campaign_rows import EFFECTS, InstructionRow, RegionRow, StepRows
from hil.record.campaign_step import ClassColumns, class_columns, instruction_rows, step_rows
from hil.upsets.words import NodeEffect

__all__ = ["FAILURES", "FaultSums", "Sums", "chosen", "fault_sums"]

Sums: TypeAlias = npt.NDArray[np.int64]

FAILURES: Final = (NodeEffect.SDC, NodeEffect.CRASH, NodeEffect.HANG, NodeEffect.DETECTED)
"""The effects after which a step delivers a wrong output, or none."""

_BITS: Final = 8


def chosen(sums: Sums, effects: Sequence[NodeEffect]) -> Sums:
    """Return how many of `sums` (..., effects) come to one of `effects`; shape (...)."""
    total: Sums = sums[..., [EFFECTS.index(effect) for effect in effects]].sum(axis=-1)
    return total


@dataclass(frozen=True, slots=True)
class FaultSums:
    """The faults of a campaign, in bits times instructions; the last axis is that of `EFFECTS`.

    `by_byte`: for each target (bytes, effects), without what is overwritten: that is masked.
    `at_start`: for each target (bytes, effects), the bits of what a flip before the first
    instruction comes to; bits that are overwritten are masked. `by_instruction` (instructions,
    effects): faults by the instruction of `instructions` that reads the faulty byte first."""

    by_byte: Mapping[str, Sums]
    at_start: Mapping[str, Sums]
    instructions: Sequence[InstructionRow]
    by_instruction: Sums

    def by_function(self) -> dict[str, Sums]:
        """Return the faults (effects,) by the function whose instruction reads the faulty byte
        first; instructions whose function is not known are left out."""
        functions: dict[str, Sums] = {}
        for row, sums in zip(self.instructions, self.by_instruction, strict=True):
            if row.symbol:
                functions[row.symbol] = functions.get(row.symbol, 0) + sums
        return functions


def fault_sums(file: CampaignFile) -> FaultSums:
    """Return the sums of a result file. Raises: RecordError."""
    classes, step, regions = class_columns(file), step_rows(file), file.regions()
    instructions = instruction_rows(file)
    of_bits = np.stack([(classes.effects == n).sum(axis=1) for n in range(len(EFFECTS))], axis=1)
    weighted: Sums = of_bits.astype(np.int64) * classes.weight[:, None]
    by_byte, at_start = {}, {}
    for region in regions:
        by_byte[region.target] = _by_byte(region, classes, weighted, step)
        at_start[region.target] = _at_start(region, classes, of_bits, step, file.meta.instructions)
    by_instruction = np.zeros((len(instructions), len(EFFECTS)), dtype=np.int64)
    which = _instruction_numbers(step, instructions, file.meta.instructions)
    np.add.at(by_instruction, which[classes.position], weighted)
    return FaultSums(by_byte, at_start, instructions, by_instruction)


def _by_byte(region: RegionRow, classes: ClassColumns, weighted: Sums, step: StepRows) -> Sums:
    sums = np.zeros((region.length, len(EFFECTS)), dtype=np.int64)
    here = classes.region == region.number
    np.add.at(sums, classes.byte[here], weighted[here])
    for row in step.unread:
        if row.region == region.number:
            sums[row.byte, EFFECTS.index(row.effect)] += _BITS * row.weight
    return sums


def _at_start(
    region: RegionRow, classes: ClassColumns, of_bits: Sums, step: StepRows, length: int
) -> Sums:
    """Return what flips before the first instruction come to. The class of such a flip has as many
    instructions before its access as it weighs; of the stack, only what is part of it then."""
    sums = np.zeros((region.length, len(EFFECTS)), dtype=np.int64)
    first = (classes.region == region.number) & (classes.weight == classes.position + 1)
    sums[classes.byte[first]] = of_bits[first]
    for row in step.unread:
        if row.region == region.number and row.weight == length:
            sums[row.byte, EFFECTS.index(row.effect)] = _BITS
    rest = _BITS - sums.sum(axis=1)
    sums[:, EFFECTS.index(NodeEffect.MASKED)] += rest
    return sums


def _instruction_numbers(
    step: StepRows, instructions: Sequence[InstructionRow], length: int
) -> Sums:
    """Return the number of the instruction at each position (length,)."""
    numbers = np.zeros(length, dtype=np.int64)
    place = {row.address: number for number, row in enumerate(instructions)}
    ends = [row.position for row in step.path[1:]] + [length]
    for row, end in zip(step.path, ends, strict=True):
        numbers[row.position : end] = place[row.address] + np.arange(end - row.position)
    return numbers
