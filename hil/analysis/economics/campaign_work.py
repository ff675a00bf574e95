"""The work of one computer in orbit, predicted from a campaign: no run has flown.

Wrong answers are the silent corruptions of the step, by the outcomes of the campaign's faults and
the upsets of a bit in the orbit. A frame that fails in another way has no answer. Both count once:
a state that stays wrong makes further answers wrong until it is repaired; those are not here."""

from __future__ import annotations

from typing import Final

from hil.analysis.economics.recorded_work import ORBIT_S, Sunlight
from hil.analysis.economics.work import RunCounts, Work
from hil.analysis.failure_rates import FailureRates
from hil.board_types.profile import PowerProfile
from hil.errors import UsageError
from hil.plant.survey import fly
from hil.record.campaign_rows import CampaignMeta
from hil.scenario import Scenario

__all__ = ["power_at", "predicted_work", "sunlight_of_orbit"]

_DAY_S: Final = 86_400.0


def power_at(power: PowerProfile, duty: float) -> float:
    """Return the mean power of a board that computes for a share of the time [W]."""
    mode = power.mode(power.full)
    return mode.idle_w.value + duty * (mode.full_w.value - mode.idle_w.value)


def predicted_work(meta: CampaignMeta, rates: FailureRates, node_w: float) -> Work:
    """Return the work of one computer of `node_w` [W] that executes the campaign's step in each
    frame. Raises: UsageError if the step never runs."""
    if rates.duty <= 0.0:
        raise UsageError(
            f"at a duty of {rates.duty:g} ({rates.duty_source}) the step never runs: it has no "
            "answers to price",
            remedy="name the share of the time that it runs, such as --duty 0.05",
        )
    frame_us = round(rates.rates.frame_s * 1e6)
    lost_per_day = rates.failures.best
    availability = max(0.0, 1.0 - lost_per_day / rates.steps_per_day)
    kind = "an exact campaign" if rates.confidence is None else "a sampled campaign"
    counts = RunCounts(
        name=f"{meta.scenario} in {rates.rates.scenario}",
        scheme="simplex",
        workload=meta.workload,
        frames=0,
        correct=0,
        wrong=0,
        escaped=0,
        ends_wrong=False,
        frame_us=frame_us,
        accel=1.0,
        voted_accel=1.0,
        node_w=[node_w],
        predicted=f"{kind} of {', '.join(t.target for t in rates.targets)}",
    )
    return Work(
        counts,
        availability * 1e6 / frame_us,
        rates.silent.times(1.0 / _DAY_S),
        availability,
        1,
        node_w,
        bit_upsets_per_s=rates.rates.per_day.times(1.0 / _DAY_S),
        silent_bits=rates.silent_bits,
    )


def sunlight_of_orbit(scenario: Scenario) -> Sunlight | None:
    """Return the sunlight of a scenario's orbit; None if it does not say, or flies for
    less than an orbit. Raises: ConfigError."""
    figures = fly(scenario).figures
    if figures.sunlit is None or figures.duration_s < ORBIT_S:
        return None
    return Sunlight(figures.sunlit, figures.longest_eclipse_s, f"the orbit of {scenario.name}")
