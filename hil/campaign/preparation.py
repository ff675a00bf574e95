"""The preparation of an exact campaign on one board: its plan, after controls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hil.campaign.analysis import analyse
from hil.campaign.bench import HeldBoard
from hil.campaign.controls import check_controls, check_decoder
from hil.campaign.exact import ExactExperiments
from hil.campaign.step_rows import instructions_of, step_rows_of
from hil.campaign.symbols import require_elf_reader, symbols_of
from hil.record.campaign_rows import InstructionRow, StepRows
from hil.scenario import UpsetTarget

__all__ = ["PreparedStep", "prepare"]


@dataclass(frozen=True, slots=True)
class PreparedStep:
    """The knowledge of a step before its experiments. `arch`: the processor; `instructions` and
    `rows`: what the result file says of the step; `controls` and `overwritten`: how many hits came
    out as they must."""

    arch: str
    experiments: ExactExperiments
    instructions: Sequence[InstructionRow]
    rows: StepRows
    controls: int
    overwritten: int


def prepare(board: HeldBoard, targets: Sequence[UpsetTarget]) -> PreparedStep:
    """Trace the step that a board holds, plan its experiments and check the controls.

    Raises: SetupError if a control comes out otherwise, or without capstone or pyelftools; as
    `analyse`."""
    require_elf_reader()
    step = analyse(board, targets)
    controls = check_controls(board, step.plan.length)
    overwritten = check_decoder(board, step)
    own = board.rig.setup.program.own
    texts = {} if own is None else dict(own.source.files)
    symbols = symbols_of(board.node.capabilities.read_executable(), step.content, texts)
    return PreparedStep(
        board.arch,
        ExactExperiments(step.plan, board.step.opened, board.limit_us),
        tuple(instructions_of(step, symbols)),
        step_rows_of(board, step, symbols),
        controls,
        overwritten,
    )
