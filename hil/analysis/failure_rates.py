"""Failures in orbit, from the counts of an exact campaign: per day, FIT, MTTF, work to failure.

A fault strikes each bit of a memory at each moment with the same small probability. While the step
runs, the failures of a target divided by the step's instructions are the bits that are open to
failure at any moment: bits times AVF. Between two steps only the state waits to be used: open there
are the bits whose flip before the first instruction makes the step fail. So

    failures per day = upsets per bit and day
                       x (duty x bits x AVF + (1 - duty) x state bits open between steps),

with the duty being the share of the time that the step runs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hil.analysis.fault_sums import FAILURES, FaultSums, chosen
from hil.errors import UsageError
from hil.json_values import JsonObject, JsonValue
from hil.plant.bit_rates import NOTHING, BitRates, Spread
from hil.record.campaign_summary import CampaignSummary, TargetTotals
from hil.upsets.words import NodeEffect

__all__ = ["FailureRates", "TargetRate", "failure_rates", "fit", "mttf_days"]

_MEMORY: Final = ("state", "input", "output", "heap", "stack")
_BETWEEN_STEPS: Final = "state"
_SILENT: Final = (NodeEffect.SDC,)
_HOURS: Final = 24.0
_DAY_S: Final = 86_400.0
_FIT_HOURS: Final = 1e9


def fit(per_day: float) -> float:
    """Return a rate in FIT: failures in 1e9 hours."""
    return per_day / _HOURS * _FIT_HOURS


def mttf_days(per_day: float) -> float:
    """Return the mean time to failure [day]; infinite if there are none."""
    return 1.0 / per_day if per_day else math.inf


@dataclass(frozen=True, slots=True)
class TargetRate:
    """One target. `avf`: share of its faults that are silent corruptions; `open_silent` and
    `open_failures`: mean number of bits open to silent corruption and to any failure, duty
    included; `silent` and `failures` [1/day]."""

    target: str
    bits: int
    avf: float
    open_silent: float
    open_failures: float
    silent: Spread
    failures: Spread


@dataclass(frozen=True, slots=True)
class FailureRates:
    """The failures of a program on a board in an orbit. `left_out`: targets of the campaign whose
    upset rate is not known; `steps_per_day`: one for each frame."""

    rates: BitRates
    duty: float
    duty_source: str
    targets: tuple[TargetRate, ...]
    left_out: tuple[str, ...]

    @property
    def steps_per_day(self) -> float:
        """Return how many steps the board computes in a day."""
        return _DAY_S / self.rates.frame_s

    @property
    def silent(self) -> Spread:
        """Return the silent corruptions per day."""
        return _total([target.silent for target in self.targets])

    @property
    def failures(self) -> Spread:
        """Return the failures per day: silent corruptions, crashes, hangs, detected errors."""
        return _total([target.failures for target in self.targets])

    @property
    def open_silent(self) -> float:
        """Return the mean number of bits open to silent corruption."""
        return sum(target.open_silent for target in self.targets)

    @property
    def assumptions(self) -> tuple[str, ...]:
        """Return what the numbers rest on, in sentences."""
        rates = self.rates
        lines = [f"cross-section of a bit: {c.name}, {c.origin}" for c in rates.channels]
        if not any(channel.measured for channel in rates.channels):
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
            "sigma_cm2_of_program": _spread_json(self.rates.sigma_cm2.times(self.open_silent)),
            "targets": {
                t.target: {
                    "bits": t.bits,
                    "avf": t.avf,
                    "open_bits_sdc": t.open_silent,
                    "open_bits_failures": t.open_failures,
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


def _total(spreads: Sequence[Spread]) -> Spread:
    total = NOTHING
    for spread in spreads:
        total = total.plus(spread)
    return total


def failure_rates(
    summary: CampaignSummary, sums: FaultSums, rates: BitRates, duty: float | None = None
) -> FailureRates:
    """Return what a campaign's failures come to in orbit; `duty` is the share of the time that the
    step runs, None: that which the flight states.

    Raises: UsageError if no target of the campaign is memory, or the duty is no share."""
    if duty is not None and not 0.0 <= duty <= 1.0:
        raise UsageError(
            f"a duty of {duty:g} is not a share of the time", remedy="name one from 0 to 1"
        )
    memory = [totals for totals in summary.targets if totals.target in _MEMORY]
    if not memory:
        raise UsageError(
            "no target of this campaign is memory, and of registers no upset rate is known",
            remedy=f"campaigns with one of {', '.join(_MEMORY)} have rates",
        )
    share = rates.activity if duty is None else duty
    source = f"`plant.activity` of {rates.scenario}" if duty is None else "as given with --duty"
    length = summary.meta.instructions
    return FailureRates(
        rates,
        share,
        source,
        tuple(_target(totals, sums, length, share, rates.per_day) for totals in memory),
        tuple(t.target for t in summary.targets if t.target not in _MEMORY),
    )


def _target(
    totals: TargetTotals, sums: FaultSums, length: int, duty: float, per_bit_day: Spread
) -> TargetRate:
    open_bits = []
    for effects in (_SILENT, FAILURES):
        running = sum(totals.effects[effect] for effect in effects) / length
        waiting = 0
        if totals.target == _BETWEEN_STEPS:
            waiting = int(chosen(sums.at_start[totals.target], effects).sum())
        open_bits.append(duty * running + (1.0 - duty) * waiting)
    silent, failures = open_bits
    return TargetRate(
        totals.target,
        8 * totals.length,
        totals.share(NodeEffect.SDC),
        silent,
        failures,
        per_bit_day.times(silent),
        per_bit_day.times(failures),
    )
