"""Failures in orbit, from the counts of a campaign: per day, FIT, MTTF, work to failure.

A fault strikes each bit of a memory at each moment with the same small probability. While the step
runs, the failures of a target divided by the step's instructions are the bits that are open to
failure at any moment: bits times AVF. Between two steps only the state waits to be used: open there
are the bits whose flip before the first instruction makes the step fail. So

    failures per day = upsets per bit and day
                       x (duty x bits x AVF + (1 - duty) x state bits open between steps),

with the duty being the share of the time that the step runs. The open bits of a sampled campaign
are estimates, whose intervals are carried on: the low end of a rate is that of the cross-section
times that of the interval, the high end likewise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from hil.analysis.fault_sums import FaultSums
from hil.analysis.open_bits import (
    MEMORY,
    OpenBits,
    exact_open_bits,
    sampled_open_bits,
    together,
)
from hil.analysis.sample_summary import SampleSummary
from hil.errors import UsageError
from hil.json_values import JsonObject, JsonValue
from hil.plant.bit_rates import BitRates, Spread
from hil.record.campaign_file import CampaignFile
from hil.record.campaign_summary import CampaignSummary

__all__ = [
    "FailureRates",
    "TargetRate",
    "failure_rates",
    "fit",
    "mttf_days",
    "sampled_failure_rates",
]

_HOURS: Final = 24.0
_DAY_S: Final = 86_400.0
_FIT_HOURS: Final = 1e9
_BETWEEN_STEPS: Final = "state"


def fit(per_day: float) -> float:
    """Return a rate in FIT: failures in 1e9 hours."""
    return per_day / _HOURS * _FIT_HOURS


def mttf_days(per_day: float) -> float:
    """Return the mean time to failure [day]; infinite if there are none."""
    return 1.0 / per_day if per_day else math.inf


@dataclass(frozen=True, slots=True)
class TargetRate:
    """One target. `avf`: share of its faults that are silent corruptions; `silent_bits` and
    `failure_bits`: mean number of bits open to silent corruption and to any failure, duty included;
    `silent` and `failures` [1/day]."""

    target: str
    bits: int
    avf: float
    silent_bits: Spread
    failure_bits: Spread
    silent: Spread
    failures: Spread

    @property
    def open_silent(self) -> float:
        """Return the mean number of bits open to silent corruption."""
        return self.silent_bits.best

    @property
    def open_failures(self) -> float:
        """Return the mean number of bits open to any failure."""
        return self.failure_bits.best


@dataclass(frozen=True, slots=True)
class FailureRates:
    """The failures of a program on a board in an orbit. `left_out`: targets of the campaign whose
    upset rate is not known; `confidence`: of the intervals of open bits, None if they are exact;
    `first_samples`: how many samples tell what the state is open to between two steps."""

    rates: BitRates
    duty: float
    duty_source: str
    targets: tuple[TargetRate, ...]
    left_out: tuple[str, ...]
    confidence: float | None = None
    first_samples: int = 0

    @property
    def steps_per_day(self) -> float:
        """Return how many steps the board computes in a day."""
        return _DAY_S / self.rates.frame_s

    @property
    def silent(self) -> Spread:
        """Return the silent corruptions per day."""
        return _product(self.rates.per_day, self.silent_bits)

    @property
    def failures(self) -> Spread:
        """Return the failures per day: silent corruptions, crashes, hangs, detected errors."""
        bits = together([target.failure_bits for target in self.targets])
        return _product(self.rates.per_day, bits)

    @property
    def silent_bits(self) -> Spread:
        """Return the mean number of bits open to silent corruption."""
        return together([target.silent_bits for target in self.targets])

    @property
    def assumptions(self) -> tuple[str, ...]:
        """Return what the numbers rest on, in sentences."""
        rates = self.rates
        lines = [f"cross-section of a bit: {c.name}, {c.origin}" for c in rates.channels]
        if rates.stand_in is not None:
            lines.append(
                f"{rates.profile}: no beam test of this board is known; its data set "
                f"`{rates.data}` is of other boards: {rates.stand_in}"
            )
        elif not any(channel.measured for channel in rates.channels):
            lines.append(
                f"{rates.profile}: no beam test of its memory is known, so its cross-section is an "
                "assumption and these rates are not a prediction"
            )
        lines += [
            f"duty {self.duty:g}: {self.duty_source}; one step in each frame of "
            f"{rates.frame_s * 1e3:g} ms, every instruction taking the same time",
            "between steps only a flip of the state matters: input is written again before a step, "
            "output is sent when it ends",
            "an event that flips several bits counts as one; a latent fault does not count until "
            "it makes an output wrong in the same step",
            f"radiation as `hil orbit {rates.scenario}`, behind {rates.shielding_mm_al:g} mm of "
            "aluminium, without acceleration; the model of the trapped protons alone (AP8) is "
            "right to a factor of two",
        ]
        if self.confidence is not None:
            lines += self._of_sample(self.confidence)
        if self.left_out:
            why = "the profile does not say how often a bit of them is upset"
            if rates.whole_chip:
                why = f"{', '.join(rates.whole_chip)} is the cross-section of a whole chip"
            lines.append(f"{', '.join(self.left_out)} left out: {why}")
        if rates.other_memories:
            lines.append(
                f"the program is taken to lie in {rates.channels[0].memory}; the profile also has "
                f"{', '.join(rates.other_memories)}, where bits are upset less often"
            )
        return tuple(lines)

    def _of_sample(self, confidence: float) -> list[str]:
        lines = [
            f"the open bits are those of a sample, with intervals of {100 * confidence:.4g} % "
            "(Clopper and Pearson): low is the low end of the cross-section times that of the "
            "interval, high likewise"
        ]
        if self.duty < 1.0 and any(t.target == _BETWEEN_STEPS for t in self.targets):
            lines.append(
                f"what the state is open to between steps is known of {self.first_samples:,} "
                "samples, those that struck before the first instruction or tick: a list with more "
                "of these (--faults) makes it narrower"
            )
        return lines

    def as_json(self) -> JsonObject:
        """Return the rates as a JSON object; an infinite time is null."""
        silent, failures = self.silent, self.failures
        return {
            "scenario": self.rates.scenario,
            "profile": self.rates.profile,
            "duty": self.duty,
            "steps_per_day": self.steps_per_day,
            "upsets_per_bit_day": _spread_json(self.rates.per_day),
            "sigma_cm2_per_bit": _spread_json(self.rates.sigma_cm2),
            "sigma_cm2_of_program": _spread_json(_product(self.rates.sigma_cm2, self.silent_bits)),
            "confidence_of_open_bits": self.confidence,
            "targets": {
                t.target: {
                    "bits": t.bits,
                    "avf": t.avf,
                    "open_bits_sdc": t.open_silent,
                    "open_bits_failures": t.open_failures,
                    "open_bits_sdc_range": _spread_json(t.silent_bits),
                    "open_bits_failures_range": _spread_json(t.failure_bits),
                    "sdc_per_day": _spread_json(t.silent),
                    "failures_per_day": _spread_json(t.failures),
                }
                for t in self.targets
            },
            "sdc": self._summary_json(silent),
            "failures": self._summary_json(failures),
            "left_out": list(self.left_out),
            "assumptions": list(self.assumptions),
        }

    def _summary_json(self, per_day: Spread) -> JsonValue:
        ends = (("low", per_day.low), ("best", per_day.best), ("high", per_day.high))
        return {
            "per_day": _spread_json(per_day),
            "fit": {name: fit(rate) for name, rate in ends},
            "mttf_days": {name: 1.0 / rate if rate else None for name, rate in ends},
            "steps_to_failure": {
                name: self.steps_per_day / rate if rate else None for name, rate in ends
            },
        }


def _spread_json(spread: Spread) -> JsonObject:
    return {"low": spread.low, "best": spread.best, "high": spread.high}


def _product(one: Spread, other: Spread) -> Spread:
    return Spread(one.low * other.low, one.best * other.best, one.high * other.high)


def failure_rates(
    summary: CampaignSummary, sums: FaultSums, rates: BitRates, duty: float | None = None
) -> FailureRates:
    """Return what the failures of an exact campaign come to in orbit; `duty` is the share of the
    time that the step runs, None: that which the flight states.

    Raises: UsageError if no target of the campaign is memory, or the duty is no share."""
    return _rates(exact_open_bits(summary, sums), summary.meta.targets, rates, duty)


def sampled_failure_rates(
    file: CampaignFile, summary: SampleSummary, rates: BitRates, duty: float | None = None
) -> FailureRates:
    """Return the same for a sampled campaign, with the intervals of its shares. Raises: as
    `failure_rates`; RecordError."""
    found = _rates(sampled_open_bits(file, summary), summary.meta.targets, rates, duty)
    first = 0
    if _BETWEEN_STEPS in summary.meta.targets:
        number = summary.meta.targets.index(_BETWEEN_STEPS)
        first = sum(file.first_moment_counts(number).values())
    return replace(found, confidence=summary.sampling.each, first_samples=first)


def _rates(
    some: Sequence[OpenBits], targets: Sequence[str], rates: BitRates, duty: float | None
) -> FailureRates:
    if duty is not None and not 0.0 <= duty <= 1.0:
        raise UsageError(
            f"a duty of {duty:g} is not a share of the time", remedy="name one from 0 to 1"
        )
    if not some:
        raise UsageError(
            "no target of this campaign is memory, and of registers no upset rate is known",
            remedy=f"campaigns with one of {', '.join(MEMORY)} have rates",
        )
    share = rates.activity if duty is None else duty
    source = f"`plant.activity` of {rates.scenario}" if duty is None else "as given with --duty"

    def rate_of(one: OpenBits) -> TargetRate:
        silent, failures = one.silent(share), one.failures(share)
        per_day = (_product(rates.per_day, silent), _product(rates.per_day, failures))
        return TargetRate(one.target, one.bits, one.avf, silent, failures, *per_day)

    left_out = tuple(target for target in targets if target not in MEMORY)
    return FailureRates(rates, share, source, tuple(map(rate_of, some)), left_out)
