"""An exact campaign from beginning to end: boards, plan, controls, experiments, result file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from hil import __version__
from hil.campaign.bench import HeldBoards
from hil.campaign.ending_reader import EFFECTS_ONLY, Wanted
from hil.campaign.executors import end_if, open_executor
from hil.campaign.origin import content_digest, source_name
from hil.campaign.outcome_keeper import OutcomeKeeper
from hil.campaign.part import WHOLE, CampaignPart
from hil.campaign.plan import BITS, ExactPlan
from hil.campaign.preparation import PreparedStep, prepare
from hil.campaign.progress import CampaignProgress
from hil.campaign.symbols import require_elf_reader
from hil.campaign.unread import unread_endings
from hil.errors import UsageError
from hil.record.campaign_endings import (
    ENDING_BYTES,
    EndingRow,
    ExperimentEnding,
    row_of,
    unpack_endings,
)
from hil.record.campaign_file import write_campaign
from hil.record.campaign_journal import CampaignJournal, journal_path
from hil.record.campaign_rows import CampaignMeta, ClassRow, RegionRow
from hil.rig.own_workload import own_workload
from hil.scenario import Scenario, UpsetTarget

__all__ = ["ExactOrder", "run_exact_campaign"]


@dataclass(frozen=True, slots=True)
class ExactOrder:
    """An exact campaign that is wanted: of all faults of `targets` in step `frame` of `scenario`,
    or of `part` of them, with its result in the new file `result`; carried out by `workers` boards
    of this computer, or by the cluster whose scheduler has the address `dask`. `wanted`: what is to
    be found out beyond effects; `source`: the scenario as the user has named it."""

    scenario: Scenario
    frame: int
    targets: tuple[UpsetTarget, ...]
    result: Path
    workers: int
    dask: str | None = None
    wanted: Wanted = EFFECTS_ONLY
    part: CampaignPart = WHOLE
    source: str = ""


def run_exact_campaign(
    order: ExactOrder,
    report: Callable[[CampaignProgress], None],
    say: Callable[[str], None],
    stopped: Callable[[], bool] = lambda: False,
) -> None:
    """Carry out a campaign, or the rest of one that was interrupted, and write its result. `report`
    gets the progress, from any thread; `say` what begins. It ends early soon after `stopped`
    returns true.

    Raises: UsageError if the result exists already; SetupError, LinkTimeout, NodeError,
    RecordError; KeyboardInterrupt, also if it ends early: the same order continues."""
    if order.result.exists():
        raise UsageError(
            f"{order.result} exists already",
            remedy="name another file, or delete it",
        )
    if order.dask is None:
        require_elf_reader()
    boards = HeldBoards(order.scenario, order.frame, reserved=order.dask is not None)
    with open_executor(order.scenario, boards, order.workers, order.dask, say) as executor:
        end_if(stopped)
        say("tracing the step")
        step = executor.ask(partial(prepare, targets=order.targets))
        end_if(stopped)
        plan, meta = step.experiments.plan, _meta(order, step)
        say(f"controls: all {step.controls} hits with a certain effect had it; "
            f"{step.overwritten} hits of what is overwritten had none")  # fmt: skip
        identity = {key: str(getattr(meta, key)) for key in CampaignMeta.__slots__}
        identity["part"] = str(order.part)
        with CampaignJournal(journal_path(order.result), identity) as journal:
            first, end = order.part.bounds(plan.classes)
            say(f"{BITS * (end - first):,} experiments{_of_all(order, plan)}")
            keeper = OutcomeKeeper(journal, plan.layout, report, end - first)
            missing = order.part.within(keeper.missing(), plan.classes)
            experiments = replace(step.experiments, wanted=order.wanted)
            executor.carry_out(experiments, missing, keeper.keep, stopped)
            end_if(stopped)
            unread = executor.ask(partial(unread_endings, plan=plan, wanted=order.wanted))
            write_campaign(
                order.result,
                meta,
                _regions(plan),
                step.instructions,
                _classes(plan, journal),
                step.rows,
                endings=_endings(journal),
                unread=unread,
            )
            journal.remove()


def _of_all(order: ExactOrder, plan: ExactPlan) -> str:
    if order.part == WHOLE:
        return ""
    return f", part {order.part} of {BITS * plan.classes:,}"


# --- what is written --------------------------------------------------------------------------


def _meta(order: ExactOrder, step: PreparedStep) -> CampaignMeta:
    scenario, plan = order.scenario, step.experiments.plan
    own = own_workload(scenario)
    return CampaignMeta(
        hil_version=__version__,
        scenario=scenario.name,
        workload=scenario.workload_name,
        seed=scenario.seed,
        frame=order.frame,
        board=scenario.rig.nodes[0].board.value,
        arch=step.arch,
        targets=tuple(target.value for target in order.targets),
        instructions=plan.length,
        plan=plan.digest,
        path=f"{plan.path[-1]:016x}",
        source_sha256="" if own is None else own.source.sha256,
        severity=order.wanted.severity,
        follow=order.wanted.follow,
        source=source_name(order.source),
        content=content_digest(scenario),
        classes=plan.classes,
    )


def _regions(plan: ExactPlan) -> Iterator[RegionRow]:
    for number, (region, known) in enumerate(zip(plan.regions, plan.deduced, strict=True)):
        target = region.target.value
        yield RegionRow(number, target, region.length, known.space, known.overwritten, known.unread)


def _classes(plan: ExactPlan, journal: CampaignJournal) -> Iterator[ClassRow]:
    regions, positions = plan.region.tolist(), plan.position.tolist()
    bytes_, weights = plan.byte.tolist(), plan.weight.tolist()
    for first, effects, details in journal.parts():
        for at in range(0, len(effects), BITS):
            number = first + at // BITS
            place = (regions[number], positions[number], bytes_[number], weights[number])
            yield ClassRow(number, *place, effects[at : at + BITS], details[at : at + BITS])


def _endings(journal: CampaignJournal) -> Iterator[EndingRow]:
    for first, packed in journal.endings():
        for number, part in enumerate(range(0, len(packed), BITS * ENDING_BYTES)):
            endings = list(unpack_endings(packed[part : part + BITS * ENDING_BYTES]))
            if any(e != ExperimentEnding() for e in endings):
                yield EndingRow(first + number, *row_of(endings))
