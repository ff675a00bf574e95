"""The cost of a million correct answers, in orbit and on the ground, and where they meet.

in orbit       levelized cost of the satellite over its correct answers (`satellite`, `bill`)
on the ground  the same number of answers a second by one computer, with the ground's own
               availability, less its own wrong answers
both together  where the ground computes what is missing in orbit: its answers at its own cost, and
               the minutes of contact with its stations
wrong answers  each costs what the user says; nothing by default
launch price where both cost the same: the cost in orbit is a line in it, so two points of it
               give the price; below 0 there is none: even a free launch is dearer
price of a wrong answer at which rig B pays beside rig A: (cost B - cost A) / (wrong A - wrong
               B), per correct answer"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from hil.analysis.economics.bill import FloatArray
from hil.analysis.economics.ground_site import ground_bill
from hil.analysis.economics.satellite import Satellite, SatelliteLoad, size_satellite
from hil.analysis.economics.work import Work

__all__ = [
    "AnswerCosts",
    "Question",
    "answer_costs",
    "break_even_launch_usd_per_kg",
    "break_even_wrong_answer_usd",
]

_YEAR_S: Final = 365.25 * 86_400.0
_HOUR_S: Final = 3600.0
_MINUTE_S: Final = 60.0
_MILLION: Final = 1e6
_ROUNDING: Final = 1e-12
"""Of two costs: what their sums of some tens of terms may differ by, and are equal."""
_LAUNCH: Final = "launch_usd_per_kg"
_GROUND_ALL_WRONG: Final = (
    "ground_wrong_per_hour is not below the {:g} answers an hour that the ground gives: none of "
    "them would be correct"
)


@dataclass(frozen=True, slots=True)
class Question:
    """The question: the work of a rig, the satellite's load, the computers on the ground that do
    the same work, and the price of a wrong answer [USD]."""

    work: Work
    load: SatelliteLoad
    ground_computers: int = 1
    wrong_answer_usd: float = 0.0

    @property
    def ground_w(self) -> float:
        """Return the power of the computers on the ground [W]."""
        return self.work.power_w / self.work.nodes * self.ground_computers


@dataclass(frozen=True)
class AnswerCosts:
    """The cost of a million correct answers [USD], in orbit and on the ground, for each draw of the
    prices, with the satellite that was priced. `hybrid_usd`: of both together, where the ground
    computes what is missing in orbit."""

    space_usd: FloatArray
    ground_usd: FloatArray
    satellite: Satellite
    hybrid_usd: FloatArray | None = None

    @property
    def ratio(self) -> FloatArray:
        """Return how many times the cost on the ground the one in orbit is."""
        return self.space_usd / self.ground_usd


def answer_costs(question: Question, prices: Mapping[str, FloatArray]) -> AnswerCosts:
    """Return the costs for each draw of the prices: arrays of one length.

    Raises: ValueError if no answer of the ground would be correct."""
    work = question.work
    satellite = size_satellite(question.load, prices)
    life, rate = prices["life_years"], prices["discount_rate"]
    in_orbit = np.full_like(life, work.correct_per_s * _YEAR_S)
    space = satellite.bill.unit_cost_usd(in_orbit, life, rate)
    space += work.wrong_per_correct.best * question.wrong_answer_usd
    per_s = work.correct_per_s / work.availability
    ground_per_s = per_s * prices["ground_availability"]
    bill = ground_bill(question.ground_computers, question.ground_w, prices)
    wrong_per_s = prices["ground_wrong_per_hour"] * question.ground_computers / _HOUR_S
    ground_correct_per_s = ground_per_s - wrong_per_s
    if not (ground_correct_per_s > 0.0).all():
        raise ValueError(_GROUND_ALL_WRONG.format(ground_per_s.min() * _HOUR_S))
    ground = bill.unit_cost_usd(ground_correct_per_s * _YEAR_S, life, rate)
    ground += wrong_per_s / ground_correct_per_s * question.wrong_answer_usd
    hybrid = None
    if work.contact_share > 0.0:
        contacts_per_s = prices["contact_usd_per_minute"] * work.contact_share / _MINUTE_S
        both_per_s = work.correct_per_s + work.rescued_per_s
        hybrid = work.correct_per_s * space + work.rescued_per_s * ground + contacts_per_s
        hybrid *= _MILLION / both_per_s
    return AnswerCosts(space * _MILLION, ground * _MILLION, satellite, hybrid)


def break_even_launch_usd_per_kg(
    question: Question, prices: Mapping[str, FloatArray]
) -> FloatArray:
    """Return the launch price at which an answer in orbit costs what it does on the ground
    [USD/kg]; below 0 where it costs more even if launches are free."""
    free = answer_costs(question, {**prices, _LAUNCH: np.zeros_like(prices[_LAUNCH])})
    paid = answer_costs(question, {**prices, _LAUNCH: np.ones_like(prices[_LAUNCH])})
    return (free.ground_usd - free.space_usd) / (paid.space_usd - free.space_usd)


def break_even_wrong_answer_usd(
    cheap: Question, dear: Question, fewer: float, prices: Mapping[str, FloatArray]
) -> FloatArray:
    """Return the price of a wrong answer from which `dear` costs no more than `cheap` in orbit
    [USD], if it has `fewer` (above 0) wrong answers for each correct one: 0 or less if it is no
    dearer at all. Costs that differ by no more than their rounding are equal."""
    costs = [
        answer_costs(Question(q.work, q.load, q.ground_computers), prices).space_usd / _MILLION
        for q in (cheap, dear)
    ]
    difference = costs[1] - costs[0]
    rounding = _ROUNDING * np.maximum(np.abs(costs[0]), np.abs(costs[1]))
    return np.where(np.abs(difference) <= rounding, 0.0, difference) / fewer
