"""Up to where a redundancy scheme is enough: its reliability over a mission, from measured rates.

The models are those of `hil.analysis.reliability`, with their assumptions. Nodes fail
independently, each at a constant rate: the failures of its program (a campaign, times the upsets of
its memory) plus the events that stop its board (SEFI, latch-up). A failure is anything but a right
answer: a wrong output, a crash, a hang, a board that is gone. The voter does not fail, and nothing
hits two nodes at once. Pessimistic are the high ends: of the cross-sections, and of the intervals
of a sampled campaign.

A scheme is enough where its reliability over the mission is at least the one that is asked for."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from hil.analysis.reliability.majority import node_reliability, tmr_failure
from hil.analysis.reliability.repair import tmr_reliability
from hil.plant.bit_rates import Spread

__all__ = [
    "SCHEMES",
    "Criterion",
    "SchemePoint",
    "enough_up_to",
    "reliability",
    "scheme_point",
]


@dataclass(frozen=True, slots=True)
class Criterion:
    """The criterion of "enough": the system has no failure in `mission_days` with the probability
    `reliability`. A failed node is repaired after `scrub_days` on average."""

    mission_days: float
    reliability: float
    scrub_days: float


@dataclass(frozen=True, slots=True)
class SchemePoint:
    """One orbit: the failures of a node per day, and each scheme's reliability, in the order of
    `SCHEMES`, with the best and the pessimistic rate."""

    node_per_day: Spread
    best: tuple[float, ...]
    pessimistic: tuple[float, ...]


def _simplex(per_day: float, criterion: Criterion) -> float:
    return node_reliability(per_day, criterion.mission_days)


def _tmr(per_day: float, criterion: Criterion) -> float:
    return 1.0 - tmr_failure(-math.expm1(-per_day * criterion.mission_days))


def _tmr_with_scrubbing(per_day: float, criterion: Criterion) -> float:
    return tmr_reliability(per_day, 1.0 / criterion.scrub_days, criterion.mission_days)


_BY_SCHEME: Final[Mapping[str, Callable[[float, Criterion], float]]] = {
    "simplex": _simplex,
    "TMR": _tmr,
    "TMR with scrubbing": _tmr_with_scrubbing,
}
SCHEMES: Final = tuple(_BY_SCHEME)


def reliability(scheme: str, per_day: float, criterion: Criterion) -> float:
    """Return the probability that one of `SCHEMES` whose nodes fail at a rate has no failure in the
    mission."""
    return _BY_SCHEME[scheme](per_day, criterion)


def scheme_point(node_per_day: Spread, criterion: Criterion) -> SchemePoint:
    """Return the reliabilities of all schemes with nodes that fail at these rates."""
    best, pessimistic = (
        tuple(reliability(scheme, rate, criterion) for scheme in SCHEMES)
        for rate in (node_per_day.best, node_per_day.high)
    )
    return SchemePoint(node_per_day, best, pessimistic)


def enough_up_to(
    altitudes_km: Sequence[float], reliabilities: Sequence[float], wanted: float
) -> float | None:
    """Return the highest altitude up to which, from the lowest on, a reliability is enough; None if
    it is not at the lowest."""
    last = None
    for altitude, value in sorted(zip(altitudes_km, reliabilities, strict=True)):
        if value < wanted:
            break
        last = altitude
    return last
