"""The stages of a sampled campaign: which faults come before each look at its results, and what
they came to.

A target whose share is known well enough at a look has no more faults after it, while others have:
so each target has as many experiments as its own share needs. When the looks are, and how many
experiments a target has had at each, is fixed before the first one; so the interval of a target is
one of those that share the error (`hil.analysis.sample_sizes`), whichever it stops at.

Where only the share of all targets together is wanted, each has its part of the sample in
proportion to its faults. To shift experiments towards targets whose shares are near a half (Neyman
1934) would save little: of `attitude`'s four memory targets, whose exact shares of silent
corruptions are 0.09, 0.10, 0.04 and 0.29, some 8 % of the experiments. Targets that stop by
themselves save up to half of them there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from hil.analysis.intervals import Stratum, stratified, wilson
from hil.analysis.sample_sizes import Looks, plan_looks
from hil.campaign.fault_layout import FaultLayout
from hil.campaign.fault_space import FaultSpace
from hil.campaign.sampling import (
    FaultTable,
    Numbers,
    TargetDraw,
    draw,
    in_proportion,
    target_draws,
)
from hil.record.campaign_rows import EFFECTS
from hil.upsets.words import NodeEffect

__all__ = ["NOT_DONE", "SampleStages", "Sampling", "StageOutcomes", "all_stages", "most_samples",
           "ordered_outcomes", "sample_layout"]  # fmt: skip

NOT_DONE: Final = 255
"""In place of an effect: another part of the campaign has it."""


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
class StageOutcomes:
    """The outcomes of the faults of a stage, by their places in its table: numbers of `EFFECTS`, or
    NOT_DONE; and details."""

    effects: npt.NDArray[np.uint8]
    details: npt.NDArray[np.uint8]


def _wanted(space: FaultSpace, sampling: Sampling, size: int) -> list[int]:
    """Return how many faults each target has had at the look after `size`."""
    if sampling.in_proportion:
        return in_proportion(space, size)
    return [size if space.size(target) else 0 for target in range(len(space.targets))]


def most_samples(space: FaultSpace, sampling: Sampling) -> int:
    """Return how many experiments there are if the precision is never reached."""
    return sum(_wanted(space, sampling, sampling.looks.sizes[-1]))


def all_stages(space: FaultSpace, sampling: Sampling) -> Iterator[FaultTable]:
    """Draw the faults of each stage, of a campaign whose precision is never reached."""
    stages = SampleStages(space, sampling)
    for table in stages.tables():
        yield table
        effects = np.full(len(table), NOT_DONE, np.uint8)
        stages.add(table, StageOutcomes(effects, effects))


def sample_layout(space: FaultSpace, faults: FaultTable) -> FaultLayout:
    """Return where faults lie; the time of several frames is that of one after the other."""
    lengths = np.array([frame.moments for frame in space.frames], np.int64)
    begins = np.cumsum(lengths) - lengths
    frames = np.array([frame.frame for frame in space.frames], np.int64)
    begin = begins[np.searchsorted(frames, faults.frame)]
    return FaultLayout(
        tuple(target.target.value for target in space.targets),
        tuple(target.length for target in space.targets),
        int(lengths.sum()),
        space.moment.value,
        1,
        faults.target,
        faults.byte,
        begin + faults.moment,
    )


class SampleStages:
    """Draws the faults of one stage after the other, as the outcomes of those before ask for."""

    def __init__(self, space: FaultSpace, sampling: Sampling) -> None:
        self._space = space
        self._sampling = sampling
        targets = range(len(space.targets))
        self._sizes = [space.size(target) for target in targets]
        self._drawn = [0 for _ in targets]
        self._counts = [0 for _ in targets]  # of the outcome whose share is wanted
        self._totals = [0 for _ in targets]
        self.draws: tuple[TargetDraw, ...] = ()
        """How the faults of the newest stage were drawn, by target."""

    def tables(self) -> Iterator[FaultTable]:
        """Yield the faults of each stage, until the precision is reached; `add` is called in
        between."""
        first = 0
        for stage, size in enumerate(self._sampling.looks.sizes):
            counts = _wanted(self._space, self._sampling, size)
            more = [
                count - drawn if is_open else 0
                for count, drawn, is_open in zip(counts, self._drawn, self._open(), strict=True)
            ]
            if not sum(more):
                return
            self._drawn = [d + m for d, m in zip(self._drawn, more, strict=True)]
            how = (self._space, more, self._sampling.seed, stage, first)
            table, self.draws = draw(*how), target_draws(*how)
            first += len(table)
            yield table

    def add(self, faults: FaultTable, outcomes: StageOutcomes) -> None:
        """Take what the faults of a stage came to."""
        wanted = outcomes.effects == EFFECTS.index(self._sampling.outcome)
        done = outcomes.effects != NOT_DONE
        for target in range(len(self._counts)):
            here = faults.target == target
            self._counts[target] += int((here & wanted).sum())
            self._totals[target] += int((here & done).sum())

    def strata(self) -> list[Stratum]:
        """Return what is known of the share of each target so far."""
        columns = (self._sizes, self._counts, self._totals)
        return [Stratum(*values) for values in zip(*columns, strict=True)]

    def _open(self) -> list[bool]:
        """Return whether more faults of each target are needed. The share of all targets together
        needs more of each, should it be the only one that is not known well enough."""
        sampling = self._sampling
        if sampling.precision is None or not any(self._totals):
            return [True] * len(self._sizes)
        each = sampling.looks.each
        strata = self.strata()
        if not sampling.in_proportion:
            alone = [
                bool(s.weight) and wilson(s.count, s.total, each).half_width > sampling.precision
                for s in strata
            ]
            if any(alone):  # most looks end here: the interval of all together takes far longer
                return alone
        known = [stratum for stratum in strata if stratum.weight]
        together = stratified(known, each).interval.half_width > sampling.precision
        return [together and (sampling.in_proportion or bool(s.weight)) for s in strata]


def ordered_outcomes(
    order: Numbers, first: int, parts: list[tuple[int, bytes, bytes]]
) -> StageOutcomes:
    """Return the outcomes of a stage by the places of its faults in its table, from what the
    journal has by their `order`, counted from `first`."""
    columns = []
    for column in (1, 2):
        in_order = np.full(len(order), NOT_DONE, np.uint8)
        for part in parts:
            values = np.frombuffer(bytes(part[column]), np.uint8)
            in_order[part[0] - first : part[0] - first + len(values)] = values
        values = np.empty(len(order), np.uint8)
        values[order] = in_order
        columns.append(values)
    return StageOutcomes(*columns)
