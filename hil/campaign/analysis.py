"""Analysis of a held step: its trace, its instructions, and the plan of all its faults."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hil.campaign.bench import HeldBoard
from hil.campaign.decode_a64 import A64Decoder
from hil.campaign.decode_x86 import X86Decoder
from hil.campaign.instruction import Instruction
from hil.campaign.plan import ExactPlan, plan_of
from hil.campaign.regions import EXACT_TARGETS, abi_of, regions_of
from hil.campaign.trace import Trace, unpack_trace
from hil.errors import UsageError
from hil.scenario import UpsetTarget

__all__ = ["AnalysedStep", "analyse"]

_INSTRUCTION_MAX: Final = 15  # [byte] the longest of any processor here


@dataclass(frozen=True, slots=True)
class AnalysedStep:
    """The analysis of a step before any experiment. `code`: the instruction at each address;
    `content`: the bytes of the board's memory from there on."""

    trace: Trace
    code: dict[int, Instruction]
    content: dict[int, bytes]
    plan: ExactPlan


def analyse(board: HeldBoard, targets: Sequence[UpsetTarget]) -> AnalysedStep:
    """Trace the step that a board holds, and return the plan of all faults of `targets`.

    Raises: SetupError without capstone; UnsupportedInstruction; UsageError for a target whose
    faults cannot be enumerated; LinkTimeout, NodeError."""
    for target in targets:
        if target not in EXACT_TARGETS:
            raise UsageError(
                f"the faults of target `{target}` cannot all be enumerated",
                remedy=f"an exact campaign takes {', '.join(EXACT_TARGETS)}",
            )
    opened = board.step.opened
    regions = regions_of(opened, board.golden.workload, board.arch, targets)
    decoder = A64Decoder() if board.arch == "aarch64" else X86Decoder()
    trace = unpack_trace(board.step.trace(), opened.gpr_count)
    code: dict[int, Instruction] = {}
    content: dict[int, bytes] = {}
    for pc in sorted(set(trace.pc.tolist())):
        content[pc] = board.step.code(pc, _INSTRUCTION_MAX)
        code[pc] = decoder.decode(content[pc], pc)
    plan = plan_of(trace, code, regions, opened.arena, abi_of(board.arch).sp)
    return AnalysedStep(trace, code, content, plan)
