"""Bits that are open to failure: how many bits of each target make the step fail if they are
flipped, on average over the time that it runs; and of the state, between two steps.

An exact campaign counts them. A sampled one estimates them, and each has the interval of its share:
those of Clopper and Pearson, whose coverage is never below what they say."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hil.analysis.fault_sums import FAILURES, FaultSums, chosen
from hil.analysis.intervals import clopper_pearson
from hil.analysis.sample_summary import SampledTarget, SampleSummary
from hil.plant.bit_rates import NOTHING, Spread
from hil.record.campaign_file import CampaignFile
from hil.record.campaign_summary import CampaignSummary, TargetTotals
from hil.scenario import UpsetTarget
from hil.upsets.words import NodeEffect

__all__ = ["MEMORY", "OpenBits", "exact_open_bits", "sampled_open_bits", "together"]

MEMORY: Final = ("state", "input", "output", "heap", "stack")
"""The targets that are memory."""
_BETWEEN_STEPS: Final = UpsetTarget.STATE.value
_SILENT: Final = (NodeEffect.SDC,)
_BITS: Final = 8


@dataclass(frozen=True, slots=True)
class OpenBits:
    """The bits of one target that are open to silent corruption, and to any failure: while the step
    runs, and while it waits for the next one. `avf`: share of its faults that are silent
    corruptions."""

    target: str
    bits: int
    avf: float
    silent_running: Spread
    silent_waiting: Spread
    failures_running: Spread
    failures_waiting: Spread

    def silent(self, duty: float) -> Spread:
        """Return the mean number open to silent corruption, of a step that runs for this share of
        the time."""
        return self.silent_running.times(duty).plus(self.silent_waiting.times(1.0 - duty))

    def failures(self, duty: float) -> Spread:
        """Return the same for any failure."""
        return self.failures_running.times(duty).plus(self.failures_waiting.times(1.0 - duty))


def together(spreads: Sequence[Spread]) -> Spread:
    """Return the sum of estimates that do not depend on each other: the distances of their ends are
    squared and added (Zou and Donner 2008)."""
    best = sum(spread.best for spread in spreads)
    below = math.sqrt(sum((spread.best - spread.low) ** 2 for spread in spreads))
    above = math.sqrt(sum((spread.high - spread.best) ** 2 for spread in spreads))
    return Spread(max(0.0, best - below), best, best + above)


def _exactly(count: float) -> Spread:
    return Spread(count, count, count)


def exact_open_bits(summary: CampaignSummary, sums: FaultSums) -> list[OpenBits]:
    """Return the open bits of each target of an exact campaign that is memory."""
    length = summary.meta.instructions

    def bits_of(totals: TargetTotals) -> OpenBits:
        ends: list[Spread] = []
        for effects in (_SILENT, FAILURES):
            running = sum(totals.effects[effect] for effect in effects) / length
            waiting = 0
            if totals.target == _BETWEEN_STEPS:
                waiting = int(chosen(sums.at_start[totals.target], effects).sum())
            ends += [_exactly(running), _exactly(waiting)]
        return OpenBits(totals.target, _BITS * totals.length, totals.share(NodeEffect.SDC), *ends)

    return [bits_of(totals) for totals in summary.targets if totals.target in MEMORY]


def sampled_open_bits(file: CampaignFile, summary: SampleSummary) -> list[OpenBits]:
    """Return the open bits of each target of a sampled campaign that is memory, with intervals. How
    many bits of the state wait between two steps, only samples before the first instruction, or
    tick, tell. Raises: RecordError."""
    moments = summary.meta.instructions
    numbers = {target.target: number for number, target in enumerate(summary.targets)}

    def bits_of(target: SampledTarget) -> OpenBits:
        ends: list[Spread] = []
        for effects in (_SILENT, FAILURES):
            count = sum(target.effects[effect] for effect in effects)
            running = _estimate(count, target.samples, target.confidence)
            ends.append(running.times(target.faults / moments))
            waiting = NOTHING
            if target.target == _BETWEEN_STEPS:
                first = file.first_moment_counts(numbers[target.target])
                count = sum(first.get(effect, 0) for effect in effects)
                share = _estimate(count, sum(first.values()), target.confidence, running.best)
                waiting = share.times(_BITS * target.length)
            ends.append(waiting)
        avf = target.estimate(NodeEffect.SDC).share
        return OpenBits(target.target, _BITS * target.length, avf, *ends)

    return [bits_of(target) for target in summary.targets if target.target in MEMORY]


def _estimate(count: int, total: int, confidence: float, else_: float = 0.0) -> Spread:
    """Return an estimated share with its interval; from nothing, `else_`, and all shares."""
    if not total:
        return Spread(0.0, else_, 1.0)
    low, high = clopper_pearson(count, total, confidence)
    return Spread(low, count / total, high)
