"""A sampled campaign from beginning to end: faults that are drawn or listed, controls, experiments,
result file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from hil import __version__
from hil.analysis.intervals import Stratum, stratified, wilson
from hil.analysis.sample_sizes import Looks, plan_looks
from hil.campaign.board_laboratory import BoardLaboratory
from hil.campaign.cores import board_count
from hil.campaign.fault_list import (
    FaultListHead,
    ListedFaults,
    check_faults,
    write_faults,
)
from hil.campaign.fault_space import FaultSpace, frames_text
from hil.campaign.inproc_laboratory import InprocLaboratory
from hil.campaign.laboratory import Laboratory
from hil.campaign.sampled import Outcome, SampledProgress, SampledRun
from hil.campaign.sampling import FaultTable, draw, in_proportion
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
from hil.rig.reservation import BenchReservation, uses_of_run
from hil.scenario import BoardKind, Scenario, UpsetTarget
from hil.upsets.words import NodeEffect

__all__ = [
    "SampledOrder",
    "Sampling",
    "draw_list",
    "open_laboratory",
    "run_sampled_campaign",
    "sample_counts",
]


@dataclass(frozen=True, slots=True)
class Sampling:
    """The draw of faults: from `seed`, at most `most` of each target (with `in_proportion`: of
    all targets), until the share of `outcome` is known to +- `precision` (None: `most` faults)."""

    seed: int
    most: int | None
    precision: float | None
    confidence: float
    outcome: NodeEffect
    in_proportion: bool

    @property
    def looks(self) -> Looks:
        """Return the numbers of experiments at which the campaign looks at its results."""
        return plan_looks(self.precision, self.confidence, self.most)


@dataclass(frozen=True, slots=True)
class SampledOrder:
    """A sampled campaign that is wanted, of `targets` in `frames` of `scenario`: of faults that are
    drawn, or of those of a list; carried out by `workers` boards, with its result in the new file
    `result`."""

    scenario: Scenario
    frames: tuple[int, ...]
    targets: tuple[UpsetTarget, ...]
    sampling: Sampling
    listed: ListedFaults | None
    result: Path
    workers: int


@contextmanager
def open_laboratory(
    scenario: Scenario, frames: tuple[int, ...], targets: tuple[UpsetTarget, ...]
) -> Iterator[Laboratory]:
    """Reserve and open the boards of a campaign, and find out which faults there are; close them
    afterwards.

    Raises: SetupError, LinkTimeout, NodeError, UsageError."""
    with ExitStack() as stack:
        reservation = BenchReservation(uses_of_run(scenario))
        stack.enter_context(reservation).acquire()
        laboratory: Laboratory
        if scenario.rig.nodes[0].board is BoardKind.INPROC:
            laboratory = InprocLaboratory(scenario, frames, targets)
        else:
            laboratory = BoardLaboratory(scenario, frames, targets)
        stack.callback(laboratory.close)
        yield laboratory


def sample_counts(space: FaultSpace, sampling: Sampling, size: int) -> list[int]:
    """Return how many faults of each target a campaign has had at the look after `size`."""
    if sampling.in_proportion:
        return in_proportion(space, size)
    return [size if space.size(target) else 0 for target in range(len(space.targets))]


def draw_list(path: Path, order: SampledOrder, say: Callable[[str], None]) -> int:
    """Draw the faults of a campaign and write them as a list, without experiments; return how many
    there are. With a precision it is the list of all that may be needed.

    Raises: as `open_laboratory`."""
    say("counting the faults")
    with open_laboratory(order.scenario, order.frames, order.targets) as laboratory:
        tables = list(_stages(laboratory.space, order.sampling))
        columns = (np.concatenate(c) for c in zip(*(t.columns for t in tables), strict=True))
        faults = FaultTable(*columns)
        scenario, moment = order.scenario, laboratory.space.moment
        head = FaultListHead(
            scenario.workload_name, scenario.seed, frames_text(order.frames), order.targets, moment
        )
        write_faults(path, head, faults)
    return len(faults)


def _stages(space: FaultSpace, sampling: Sampling) -> Iterator[FaultTable]:
    """Draw the faults of each stage: what comes before each look."""
    before, first = [0] * len(space.targets), 0
    for stage, size in enumerate(sampling.looks.sizes):
        counts = sample_counts(space, sampling, size)
        more = [count - was for count, was in zip(counts, before, strict=True)]
        table = draw(space, more, sampling.seed, stage, first)
        before, first = counts, first + len(table)
        yield table


def run_sampled_campaign(
    order: SampledOrder, report: Callable[[SampledProgress], None], say: Callable[[str], None]
) -> None:
    """Carry out a campaign, or the rest of one that was interrupted, and write its result. `report`
    gets the progress, from any thread; `say` what begins.

    Raises: UsageError if the result exists already; ConfigError for a fault of a list that there is
    not; SetupError, LinkTimeout, NodeError, RecordError; KeyboardInterrupt, after which the same
    order continues."""
    if order.result.exists():
        raise UsageError(
            f"{order.result} exists already", remedy="name another file with --out, or delete it"
        )
    say("counting the faults")
    with open_laboratory(order.scenario, order.frames, order.targets) as laboratory:
        if order.listed is not None:
            check_faults(order.listed, laboratory.space)
        laboratory.check_controls()
        meta = _meta(order, laboratory)
        identity = {key: str(getattr(meta, key)) for key in CampaignMeta.__slots__}
        with CampaignJournal(journal_path(order.result), identity) as journal:
            run = SampledRun(journal, _most(order, laboratory.space), report)
            stages = _Results(order, laboratory.space)
            workers = board_count(order.scenario, order.workers)
            for faults in stages.tables():
                stages.add(faults, run.carry_out(laboratory, faults, workers))
            write_samples(
                order.result,
                meta,
                _regions(laboratory.space),
                _frames(laboratory.space),
                stages.samples(),
            )
            journal.remove()


def _most(order: SampledOrder, space: FaultSpace) -> int:
    if order.listed is not None:
        return len(order.listed.faults)
    return sum(sample_counts(space, order.sampling, order.sampling.looks.sizes[-1]))


class _Results:
    """The stages of a campaign, and their outcomes so far."""

    def __init__(self, order: SampledOrder, space: FaultSpace) -> None:
        self._order = order
        self._space = space
        self._stages: list[tuple[FaultTable, Outcome, Outcome]] = []
        targets = range(len(space.targets))
        self._sizes = [space.size(target) for target in targets]
        self._counts = [0 for _ in targets]  # of the outcome whose share is wanted
        self._totals = [0 for _ in targets]

    def tables(self) -> Iterator[FaultTable]:
        """Return the faults of each stage, until the precision is reached."""
        if self._order.listed is not None:
            yield self._order.listed.faults
            return
        for faults in _stages(self._space, self._order.sampling):
            yield faults
            if self._is_precise():
                return

    def add(self, faults: FaultTable, outcome: tuple[Outcome, Outcome]) -> None:
        self._stages.append((faults, *outcome))
        wanted = outcome[0] == EFFECTS.index(self._order.sampling.outcome)
        for target in range(len(self._counts)):
            here = faults.target == target
            self._counts[target] += int((here & wanted).sum())
            self._totals[target] += int(here.sum())

    def _is_precise(self) -> bool:
        """Return whether the share of the outcome is known as well as is wanted: of all targets
        together, and of each unless they are drawn in proportion."""
        sampling = self._order.sampling
        if sampling.precision is None:
            return False
        each = sampling.looks.each
        strata = [
            Stratum(*values)
            for values in zip(self._sizes, self._counts, self._totals, strict=True)
            if values[0]
        ]
        widths = [stratified(strata, each).interval.half_width]
        if not sampling.in_proportion:
            widths += [wilson(s.count, s.total, each).half_width for s in strata]
        return max(widths) <= sampling.precision

    def samples(self) -> Iterator[SampleRow]:
        """Return all samples, by number."""
        for faults, effects, details in self._stages:
            by_number = np.argsort(faults.number, kind="stable")
            columns = [column[by_number].tolist() for column in faults.columns]
            effect, detail = effects[by_number].tolist(), details[by_number].tolist()
            for number, frame, target, byte, bit, moment, e, d in zip(
                *columns, effect, detail, strict=True
            ):
                yield SampleRow(number, frame, target, moment, byte, bit, EFFECTS[e], d)


# --- what is written --------------------------------------------------------------------------


def _meta(order: SampledOrder, laboratory: Laboratory) -> CampaignMeta:
    scenario, space, sampling = order.scenario, laboratory.space, order.sampling
    own = own_workload(scenario)
    whole = hashlib.blake2b(space.digest.encode(), digest_size=16)
    if order.listed is not None:
        for column in order.listed.faults.columns:
            whole.update(column.tobytes())
    listed = order.listed
    looks = Looks((len(listed.faults),), sampling.confidence) if listed else sampling.looks
    return CampaignMeta(
        hil_version=__version__,
        scenario=scenario.name,
        workload=scenario.workload_name,
        seed=scenario.seed,
        frame=order.frames[0],
        board=scenario.rig.nodes[0].board.value,
        arch=laboratory.arch,
        targets=tuple(target.value for target in order.targets),
        instructions=sum(frame.moments for frame in space.frames),
        plan=whole.hexdigest(),
        path=_path(space),
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
        ),
    )


_NO_PATH: Final = ""


def _path(space: FaultSpace) -> str:
    ends = [frame.path[-1:].tobytes() for frame in space.frames]
    if not any(ends):
        return _NO_PATH
    return hashlib.blake2b(b"".join(ends), digest_size=8).hexdigest()


def _regions(space: FaultSpace) -> Iterator[RegionRow]:
    for number, target in enumerate(space.targets):
        yield RegionRow(number, target.target.value, target.length, space.size(number), 0, {})


def _frames(space: FaultSpace) -> Iterator[FrameRow]:
    for frame in space.frames:
        path = f"{int(frame.path[-1]):016x}" if len(frame.path) else _NO_PATH
        yield FrameRow(frame.frame, frame.moments, path)
