"""A sampled campaign from beginning to end: faults that are drawn or listed, controls, experiments,
result file.

Faults are carried out in the order of frames and of the time in them, stage by stage; the journal
knows them by their places in that order. So the outcomes do not depend on how many boards there
are, nor on where a campaign was interrupted."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from hil import __version__
from hil.analysis.sample_sizes import Looks
from hil.campaign.bench import HeldBoards
from hil.campaign.board_samples import StepSurvey, survey_board
from hil.campaign.executor import Executor
from hil.campaign.executors import end_if, open_executor
from hil.campaign.fault_list import (
    FaultListHead,
    ListedFaults,
    check_faults,
    write_faults,
)
from hil.campaign.fault_space import FaultSpace, frames_text
from hil.campaign.inproc_samples import InprocBenches, check_inproc_targets, survey_inproc
from hil.campaign.origin import content_digest, source_name
from hil.campaign.outcome_keeper import OutcomeKeeper
from hil.campaign.part import WHOLE, CampaignPart
from hil.campaign.progress import CampaignProgress
from hil.campaign.sample_places import (
    PlacesQuestion,
    SamplePlaces,
    addresses_of,
    executions_of,
)
from hil.campaign.sample_stages import (
    NOT_DONE,
    SampleStages,
    Sampling,
    StageOutcomes,
    all_stages,
    most_samples,
    ordered_outcomes,
    sample_layout,
)
from hil.campaign.sample_survey import SampleSurvey
from hil.campaign.sampling import FaultTable, TargetDraw
from hil.errors import UsageError
from hil.record.campaign_file import write_samples
from hil.record.campaign_journal import CampaignJournal, journal_path
from hil.record.campaign_rows import (
    EFFECTS,
    CampaignMeta,
    FrameRow,
    RegionRow,
    SampleRow,
    SamplingMeta,
)
from hil.rig.own_workload import own_workload
from hil.scenario import BoardKind, Scenario, UpsetTarget

__all__ = ["SampledOrder", "draw_list", "fault_space", "run_sampled_campaign"]


@dataclass(frozen=True, slots=True)
class SampledOrder:
    """A sampled campaign that is wanted, of `targets` in `frames` of `scenario`: of faults that are
    drawn, or of those of a list; or of `part` of them. It is carried out by `workers` boards of
    this computer, or by the cluster whose scheduler has the address `dask`, with its result in the
    new file `result`. `source`: the scenario as the user has named it."""

    scenario: Scenario
    frames: tuple[int, ...]
    targets: tuple[UpsetTarget, ...]
    sampling: Sampling
    listed: ListedFaults | None
    result: Path
    workers: int
    dask: str | None = None
    part: CampaignPart = WHOLE
    source: str = ""


# --- the faults -------------------------------------------------------------------------------


@contextmanager
def _surveyed(
    order: SampledOrder, say: Callable[[str], None], stopped: Callable[[], bool]
) -> Iterator[tuple[Executor[Any], SampleSurvey]]:
    """Yield what carries experiments out, and the survey of its steps. Raises: as
    `hil.campaign.executors.open_executor` and the surveys; ConfigError for a fault of a list that
    there is not."""
    scenario, survey = order.scenario, survey_board
    source: Any = HeldBoards(scenario, order.frames[0], reserved=order.dask is not None)
    if scenario.rig.nodes[0].board is BoardKind.INPROC:
        check_inproc_targets(order.targets)
        source, survey = InprocBenches(scenario), survey_inproc  # type: ignore[assignment]
    with open_executor(scenario, source, order.workers, order.dask, say) as executor:
        end_if(stopped)
        say("counting the faults")
        surveyed = executor.ask(partial(survey, frames=order.frames, targets=order.targets))
        if order.listed is not None:
            check_faults(order.listed, surveyed.space)
        end_if(stopped)
        yield executor, surveyed


def fault_space(order: SampledOrder, say: Callable[[str], None]) -> FaultSpace:
    """Return the faults that there are for a campaign. Raises: SetupError, LinkTimeout, NodeError,
    UsageError."""
    with _surveyed(replace(order, workers=1), say, lambda: False) as (_, survey):
        return survey.space


def draw_list(path: Path, order: SampledOrder, say: Callable[[str], None]) -> int:
    """Draw the faults of a campaign and write them as a list, without experiments; return how many
    there are. With a precision it is the list of all that may be needed.

    Raises: UsageError if the file exists already; as `fault_space`."""
    if path.exists():
        raise UsageError(f"{path} exists already", remedy="name another file, or delete it")
    space = fault_space(order, say)
    tables = list(all_stages(space, order.sampling))
    columns = (np.concatenate(c) for c in zip(*(t.columns for t in tables), strict=True))
    faults, scenario = FaultTable(*columns), order.scenario
    of = (scenario.workload_name, scenario.seed, frames_text(order.frames), order.targets)
    write_faults(path, FaultListHead(*of, space.moment, space.path_digest), faults)
    return len(faults)


# --- the campaign -----------------------------------------------------------------------------


def run_sampled_campaign(
    order: SampledOrder,
    report: Callable[[CampaignProgress], None],
    say: Callable[[str], None],
    stopped: Callable[[], bool] = lambda: False,
) -> None:
    """Carry out a campaign, or the rest of one that was interrupted, and write its result. `report`
    gets the progress, from any thread; `say` what begins. It ends early soon after `stopped`
    returns true.

    Raises: UsageError if the result exists already, or for a part of a campaign that looks at its
    results; ConfigError for a fault of a list that there is not; SetupError, LinkTimeout,
    NodeError, RecordError; KeyboardInterrupt, also if it ends early: the same order continues."""
    if order.result.exists():
        raise UsageError(
            f"{order.result} exists already", remedy="name another file with --out, or delete it"
        )
    if order.part != WHOLE and order.listed is None and order.sampling.precision is not None:
        raise UsageError(
            "--part: with a precision, all parts together decide when the campaign ends",
            remedy="name the size of the sample: --samples N, as --plan prints it",
        )
    with _surveyed(order, say, stopped) as (executor, survey):
        say(f"controls: all {survey.controls} hits with a certain effect had it")
        meta = _meta(order, survey)
        identity = {key: str(getattr(meta, key)) for key in CampaignMeta.__slots__}
        identity["part"] = str(order.part)
        with CampaignJournal(journal_path(order.result), identity) as journal:
            run = _Run(order, survey, executor, journal)
            run.carry_out(report, say, stopped)
            run.write(meta)
            journal.remove()


class _Run:
    """The stages of a campaign, and what they came to."""

    def __init__(
        self,
        order: SampledOrder,
        survey: SampleSurvey,
        executor: Executor[Any],
        journal: CampaignJournal,
    ) -> None:
        self._order = order
        self._survey = survey
        self._executor = executor
        self._journal = journal
        self._keeper: OutcomeKeeper | None = None
        self._count = 0
        self._done: list[tuple[FaultTable, StageOutcomes]] = []

    def carry_out(
        self,
        report: Callable[[CampaignProgress], None],
        say: Callable[[str], None],
        stopped: Callable[[], bool],
    ) -> None:
        """Carry out all stages."""
        order, space = self._order, self._survey.space
        if order.listed is not None:
            first, end = order.part.bounds(len(order.listed.faults))
            say(f"{end - first:,} experiments")
            self._stage(order.listed.faults, (), end - first, report, stopped)
            return
        first, end = order.part.bounds(most_samples(space, order.sampling))
        at_most = "at most " if len(order.sampling.looks.sizes) > 1 else ""
        say(f"{at_most}{end - first:,} experiments")
        stages = SampleStages(space, order.sampling)
        for faults in stages.tables():
            outcomes = self._stage(faults, stages.draws, end - first, report, stopped)
            stages.add(faults, outcomes)

    def _stage(
        self,
        faults: FaultTable,
        draws: tuple[TargetDraw, ...],
        most: int,
        report: Callable[[CampaignProgress], None],
        stopped: Callable[[], bool],
    ) -> StageOutcomes:
        """Carry out the faults of one stage, or the rest of them."""
        in_order, first = faults.order, self._count
        self._count += len(faults)
        ordered = faults.chosen(in_order)
        layout = sample_layout(self._survey.space, ordered)
        if self._keeper is None:
            self._keeper = OutcomeKeeper(self._journal, layout, report, most)
        else:
            self._keeper.extend(layout)
        missing = self._order.part.within(self._keeper.missing(), self._count)
        if missing:
            experiments = self._survey.experiments(ordered, first, draws)
            self._executor.carry_out(experiments, missing, self._keeper.keep, stopped)
        end_if(stopped)
        parts = self._journal.parts(first, self._count)
        outcomes = ordered_outcomes(in_order, first, parts)
        self._done.append((faults, outcomes))
        return outcomes

    def write(self, meta: CampaignMeta) -> None:
        """Write the result file."""
        space = self._survey.space
        places = self._places()
        write_samples(
            self._order.result,
            replace(meta, classes=self._count),
            _regions(space),
            _frames(space),
            self._samples(),
            instructions=places.instructions,
            parts=places.parts,
        )

    def _places(self) -> SamplePlaces:
        """Return what is at the places of the samples; nothing of in-process boards."""
        survey = self._survey
        if not isinstance(survey, StepSurvey):
            return SamplePlaces()
        executions = executions_of(survey.space)
        text = self._order.targets.index(_TEXT) if _TEXT in self._order.targets else -1
        struck: set[int] = set()
        hit: set[int] = set()
        for faults, outcomes in self._done:
            done = faults.chosen(np.flatnonzero(outcomes.effects != NOT_DONE))
            struck.update(addresses_of(survey.space, done).tolist())
            hit.update(done.byte[done.target == text].tolist())
        counts = {address: executions[address] for address in sorted(struck)}
        question = PlacesQuestion(counts, tuple(sorted(hit)), survey.regions)
        return self._executor.ask(question)

    def _samples(self) -> Iterator[SampleRow]:
        """Yield all samples that were carried out, by number."""
        for faults, outcomes in self._done:
            by_number = np.argsort(faults.number, kind="stable")
            ordered = faults.chosen(by_number)
            columns = [column.tolist() for column in ordered.columns]
            effects, details = outcomes.effects[by_number], outcomes.details[by_number]
            addresses = addresses_of(self._survey.space, ordered).tolist()
            for row in zip(*columns, effects.tolist(), details.tolist(), addresses, strict=True):
                number, frame, target, byte, bit, moment, effect, detail, address = row
                if effect != NOT_DONE:
                    place = (number, frame, target, moment, byte, bit)
                    yield SampleRow(*place, EFFECTS[effect], detail, address)


_TEXT: Final = UpsetTarget.TEXT


# --- what is written --------------------------------------------------------------------------


def _meta(order: SampledOrder, survey: SampleSurvey) -> CampaignMeta:
    scenario, space, sampling = order.scenario, survey.space, order.sampling
    own = own_workload(scenario)
    whole = hashlib.blake2b(space.digest.encode(), digest_size=16)
    listed = order.listed
    if listed is not None:
        for column in listed.faults.columns:
            whole.update(column.tobytes())
    looks = Looks((len(listed.faults),), sampling.confidence) if listed else sampling.looks
    return CampaignMeta(
        hil_version=__version__,
        scenario=scenario.name,
        workload=scenario.workload_name,
        seed=scenario.seed,
        frame=order.frames[0],
        board=scenario.rig.nodes[0].board.value,
        arch=survey.arch,
        targets=tuple(target.value for target in order.targets),
        instructions=sum(frame.moments for frame in space.frames),
        plan=whole.hexdigest(),
        path=space.path_digest,
        source_sha256="" if own is None else own.source.sha256,
        sampling=SamplingMeta(
            moment=space.moment,
            frames=frames_text(order.frames),
            draw=None if listed else sampling.seed,
            outcome=sampling.outcome,
            precision=None if listed else sampling.precision,
            confidence=sampling.confidence,
            sizes=looks.sizes,
            in_proportion=sampling.in_proportion and not listed,
            adaptive=len(looks.sizes) > 1,
        ),
        source=source_name(order.source),
        content=content_digest(scenario),
    )


def _regions(space: FaultSpace) -> Iterator[RegionRow]:
    for number, target in enumerate(space.targets):
        yield RegionRow(number, target.target.value, target.length, space.size(number), 0, {})


def _frames(space: FaultSpace) -> Iterator[FrameRow]:
    for frame in space.frames:
        path = f"{int(frame.path[-1]):016x}" if len(frame.path) else ""
        yield FrameRow(frame.frame, frame.moments, path)
