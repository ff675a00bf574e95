"""The step of a result file, held again on a board: the same step with the same experiments, or a
message that says what differs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hil.campaign.analysis import AnalysedStep, analyse
from hil.campaign.bench import HeldBoard, held_board
from hil.campaign.regions import TargetRegion
from hil.campaign.trace import Trace
from hil.errors import SetupError
from hil.record.campaign_rows import CampaignMeta
from hil.rig.reservation import BenchReservation, uses_of_run
from hil.scenario import Scenario, UpsetTarget

__all__ = ["RecalledStep", "recalled_step"]

_REMEDY: Final = "use the build that made it, or carry the campaign out again"


@dataclass(frozen=True, slots=True)
class RecalledStep:
    """A step of a campaign on the board that holds it again. `regions`: its targets; `texts`: the
    instruction at each address."""

    board: HeldBoard
    trace: Trace
    regions: Sequence[TargetRegion]
    texts: Mapping[int, str]


@contextmanager
def recalled_step(meta: CampaignMeta, result: Path, scenario: Scenario) -> Iterator[RecalledStep]:
    """Hold the step of the exact campaign `meta` on the first board of `scenario`, which is
    reserved meanwhile.

    Raises: SetupError if the board takes another path than the campaign's, or has other
    experiments; as `hil.campaign.bench.held_board` and `hil.campaign.analysis.analyse`."""
    targets = tuple(UpsetTarget(name) for name in meta.targets)
    with BenchReservation(uses_of_run(scenario)) as reservation:
        reservation.acquire()
        with held_board(scenario, 0, meta.frame) as board:
            if board.arch != meta.arch:
                raise SetupError(
                    f"node {board.node.name} is a processor {board.arch}, and {result} is of "
                    f"{meta.arch}",
                    remedy="use a board like that of the campaign (--boards)",
                )
            step = analyse(board, targets)
            _check(meta, result, step)
            texts = {address: code.text for address, code in step.code.items()}
            yield RecalledStep(board, step.trace, step.plan.regions, texts)


def _check(meta: CampaignMeta, result: Path, step: AnalysedStep) -> None:
    plan = step.plan
    path = f"{plan.path[-1]:016x}"
    if (plan.length, path) != (meta.instructions, meta.path):
        raise SetupError(
            f"this build of the workload is not that of {result}: its step has {plan.length:,} "
            f"instructions (path {path}), the campaign's had {meta.instructions:,} (path "
            f"{meta.path})",
            remedy=_REMEDY,
        )
    if plan.digest != meta.plan:
        raise SetupError(
            f"the step is that of {result}, but its experiments are others (plan {plan.digest}, "
            f"not {meta.plan}): hil {meta.hil_version} or its disassembler found other classes",
            remedy=_REMEDY,
        )
