"""The rows of a result file that say what its step does, besides the outcomes of faults: see
`hil.record.campaign_rows.StepRows`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from hil.campaign.analysis import AnalysedStep
from hil.campaign.bench import HeldBoard
from hil.campaign.regions import Abi, TargetRegion, abi_of
from hil.campaign.symbols import CodePlace, StepSymbols
from hil.record.campaign_rows import (
    InstructionRow,
    PartRow,
    PathRow,
    SourceRow,
    StackRow,
    StepRows,
    UnreadRow,
)
from hil.scenario import UpsetTarget

__all__ = ["instructions_of", "register_parts", "step_rows_of"]


def instructions_of(step: AnalysedStep, symbols: StepSymbols) -> Iterator[InstructionRow]:
    """Yield the instructions of a step, by address."""
    executions = Counter(step.trace.pc.tolist())
    for address in sorted(step.code):
        place = symbols.places.get(address, CodePlace())
        text = step.code[address].text
        row = (address, executions[address], text, place.symbol, place.file, place.line)
        yield InstructionRow(*row)


def step_rows_of(board: HeldBoard, step: AnalysedStep, symbols: StepSymbols) -> StepRows:
    """Return the rows of the step that a board holds."""
    regions, abi = step.plan.regions, abi_of(board.arch)
    return StepRows(
        unread=[
            UnreadRow(number, *row)
            for number, known in enumerate(step.plan.deduced)
            for row in known.unread_bytes
        ],
        path=_path(step),
        stack=[
            row
            for region in regions
            if region.stack
            for row in _stack(step, region, board.step.opened.arena, abi.sp)
        ],
        parts=[
            row
            for number, region in enumerate(regions)
            for row in register_parts(number, region, abi)
        ],
        sources=[SourceRow(name, text) for name, text in sorted(symbols.sources.items())],
    )


def _path(step: AnalysedStep) -> list[PathRow]:
    """Return the jumps of a step: where an instruction is not the next one by address."""
    pc = step.trace.pc
    number = np.searchsorted(np.unique(pc), pc)
    jumps = np.flatnonzero(np.concatenate(([True], number[1:] != number[:-1] + 1)))
    return [PathRow(int(position), int(pc[position])) for position in jumps]


def _stack(step: AnalysedStep, region: TargetRegion, arena: int, sp: int) -> list[StackRow]:
    """Return the moves of the stack pointer, in bytes of the stack's region."""
    pointer = (step.trace.registers[:, sp] - np.uint64(arena)).astype(np.int64) - region.first
    lowest = np.clip(pointer, 0, region.length)
    moves = np.flatnonzero(np.concatenate(([True], lowest[1:] != lowest[:-1])))
    return [StackRow(int(position), int(lowest[position])) for position in moves]


def register_parts(number: int, region: TargetRegion, abi: Abi) -> Iterator[PartRow]:
    """Yield the registers of a region; nothing of one that has none."""
    if region.target is UpsetTarget.GPR:
        size = region.length // len(abi.general)
        for register, name in enumerate(abi.general):
            yield PartRow(number, size * register, size, name)
    elif region.target is UpsetTarget.VECTOR:
        size = abi.vector_bytes
        for register in range(region.length // size):
            yield PartRow(number, size * register, size, f"{abi.vector}{register}")
