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
from hil.campaign.regions import TargetRegion, regions_of
from hil.campaign.trace import Trace, path_digests, unpack_trace
from hil.errors import SetupError
from hil.record.campaign_file import CampaignFile
from hil.record.campaign_rows import CampaignMeta
from hil.rig.reservation import BenchReservation, uses_of_run
from hil.scenario import Scenario, UpsetTarget

__all__ = ["RecalledStep", "recalled_step"]

_REMEDY: Final = "use the build that made it, or carry the campaign out again"


@dataclass(frozen=True, slots=True)
class RecalledStep:
    """A step of a campaign on the board that holds it again. `regions`: its targets; `texts`: the
    instruction at each address, where it is known."""

    board: HeldBoard
    trace: Trace
    regions: Sequence[TargetRegion]
    texts: Mapping[int, str]


@contextmanager
def recalled_step(file: CampaignFile, frame: int, scenario: Scenario) -> Iterator[RecalledStep]:
    """Hold the step of `frame` of the campaign `file` on the first board of `scenario`, which is
    reserved meanwhile.

    Raises: SetupError if the board takes another path than the campaign's, or has other
    experiments; as `hil.campaign.bench.held_board` and `hil.campaign.analysis.analyse`."""
    meta, result = file.meta, file.path
    with BenchReservation(uses_of_run(scenario)) as reservation:
        reservation.acquire()
        with held_board(scenario, 0, frame) as board:
            if board.arch != meta.arch:
                raise SetupError(
                    f"node {board.node.name} is a processor {board.arch}, and {result} is of "
                    f"{meta.arch}",
                    remedy="use a board like that of the campaign (--boards)",
                )
            if meta.sampling is None:
                yield _exact_step(board, meta, result)
            else:
                yield _sampled_step(board, file, frame)


def _exact_step(board: HeldBoard, meta: CampaignMeta, result: Path) -> RecalledStep:
    step = analyse(board, _targets(meta))
    _check(meta, result, step)
    texts = {address: code.text for address, code in step.code.items()}
    return RecalledStep(board, step.trace, step.plan.regions, texts)


def _sampled_step(board: HeldBoard, file: CampaignFile, frame: int) -> RecalledStep:
    """Return the step of one frame of a sampled campaign, which needs no disassembler."""
    opened = board.step.opened
    trace = unpack_trace(board.step.trace(), opened.gpr_count)
    row = file.one_frame(frame)
    path = f"{path_digests(trace.pc)[-1]:016x}"
    if (trace.length, path) != (row.length, row.path):
        raise _another_build(file.path, (trace.length, path), (row.length, row.path))
    regions = regions_of(opened, board.golden.workload, board.arch, _targets(file.meta))
    texts = {row.address: row.text for row in file.instructions()}
    return RecalledStep(board, trace, regions, texts)


def _targets(meta: CampaignMeta) -> tuple[UpsetTarget, ...]:
    return tuple(UpsetTarget(name) for name in meta.targets)


def _another_build(result: Path, now: tuple[int, str], then: tuple[int, str]) -> SetupError:
    return SetupError(
        f"this build of the workload is not that of {result}: its step has {now[0]:,} "
        f"instructions (path {now[1]}), the campaign's had {then[0]:,} (path {then[1]})",
        remedy=_REMEDY,
    )


def _check(meta: CampaignMeta, result: Path, step: AnalysedStep) -> None:
    plan = step.plan
    path = f"{plan.path[-1]:016x}"
    if (plan.length, path) != (meta.instructions, meta.path):
        raise _another_build(result, (plan.length, path), (meta.instructions, meta.path))
    if plan.digest != meta.plan:
        raise SetupError(
            f"the step is that of {result}, but its experiments are others (plan {plan.digest}, "
            f"not {meta.plan}): hil {meta.hil_version} or its disassembler found other classes",
            remedy=_REMEDY,
        )
