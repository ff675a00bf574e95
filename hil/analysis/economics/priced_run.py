"""The priced run: what its correct answers cost, here and there, and how sure that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from hil.analysis.economics.answer_cost import (
    AnswerCosts,
    Question,
    answer_costs,
    break_even_launch_usd_per_kg,
)
from hil.analysis.economics.bill import FloatArray
from hil.analysis.economics.conditions import WorkConditions, conditions_of_scenario
from hil.analysis.economics.price_table import PriceTable
from hil.analysis.economics.recorded_work import (
    PlantSizes,
    Sunlight,
    counts_of,
    load_of,
    plant_sizes,
    sunlight_of,
)
from hil.analysis.economics.run_ending import RunEnding, ending_of
from hil.analysis.economics.uncertainty import (
    Influence,
    Swing,
    draws,
    modes,
    percentiles,
    sobol,
    tornado,
)
from hil.analysis.economics.work import Work, work_of
from hil.errors import UsageError
from hil.record.reader import Reader
from hil.record.run_result import RunResult

if TYPE_CHECKING:
    from hil.json_values import JsonObject

__all__ = [
    "PRICE_SHARES",
    "AtLaunchPrice",
    "PricedRun",
    "Terms",
    "price_run",
    "price_work",
]

_LAUNCH: Final = "launch_usd_per_kg"
_LAUNCH_PRICES: Final = (300.0, 200.0, 100.0)
"""[USD/kg] The prices that are promised: shown beside today's."""
PRICE_SHARES: Final = (0.05, 0.5, 0.95)
"""Of all draws: the costs below which so many lie."""


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of a question: the prices, what a wrong answer costs [USD], the power of a node [W]
    if it is stated, the computers on the ground, and the draws and their seed."""

    prices: PriceTable
    wrong_answer_usd: float
    node_w: float | None
    ground_computers: int
    draws: int
    seed: int


@dataclass(frozen=True, slots=True)
class AtLaunchPrice:
    """The cost of a million correct answers [USD] at one launch price (None: as it is drawn): with
    all prices at their modes, and below which 5, 50 and 95 % of the draws lie; the same of orbit
    over ground. `cheaper`: the share of draws in which orbit is cheaper than the ground. `hybrid`:
    of both together, None where the ground computes nothing."""

    launch_usd_per_kg: float | None
    space_usd: float
    ground_usd: float
    space_draws_usd: tuple[float, ...]
    ground_draws_usd: tuple[float, ...]
    ratio_draws: tuple[float, ...]
    cheaper: float
    hybrid_usd: float | None = None
    hybrid_draws_usd: tuple[float, ...] | None = None

    def as_json(self) -> JsonObject:
        """Return it as JSON."""
        return {
            "launch_usd_per_kg": self.launch_usd_per_kg,
            "space_at_modes_usd": self.space_usd,
            "ground_at_modes_usd": self.ground_usd,
            "ratio_5_50_95": list(self.ratio_draws),
            "space_5_50_95_usd": list(self.space_draws_usd),
            "ground_5_50_95_usd": list(self.ground_draws_usd),
            "share_of_draws_cheaper_in_orbit": self.cheaper,
            "hybrid_at_modes_usd": self.hybrid_usd,
            "hybrid_5_50_95_usd": self.hybrid_draws_usd and list(self.hybrid_draws_usd),
        }


@dataclass(frozen=True)
class PricedRun:
    """The answers of a run and their cost. `break_even_draws` are the launch prices at which orbit
    costs what the ground does [USD/kg], below which 5, 50 and 95 % of the draws lie: below 0, none
    does. `swings` and `influences` are those of the
    ratio of both costs. `ending` is None where nothing has run."""

    work: Work
    question: Question
    sunlight: Sunlight
    sizes: PlantSizes | None
    terms: Terms
    at_modes: AnswerCosts
    rows: tuple[AtLaunchPrice, ...]
    break_even_draws: tuple[float, ...]
    swings: Sequence[Swing]
    influences: Sequence[Influence]
    conditions: WorkConditions
    ending: RunEnding | None

    def as_json(self) -> JsonObject:
        """Return it as JSON."""
        work, satellite = self.work, self.at_modes.satellite
        wrong = work.wrong_per_s
        return {
            "name": work.counts.name,
            "run": None if self.ending is None else self.ending.as_json(),
            "scheme": work.counts.scheme,
            "workload": work.counts.workload,
            "nodes": work.nodes,
            "power_w": work.power_w,
            "availability": work.availability,
            "correct_per_s": work.correct_per_s,
            "rescued_per_s": work.rescued_per_s,
            "contact_share": work.contact_share,
            "predicted": work.counts.predicted,
            "wrong_per_s": {"low": wrong.low, "best": wrong.best, "high": wrong.high},
            "wrong_in_run": work.counts.wrong,
            "escaped_upsets": work.counts.escaped,
            "ends_wrong": work.counts.ends_wrong,
            "accel": work.counts.accel,
            "voted_accel": work.counts.voted_accel,
            "orbit": self.conditions.orbit,
            "sunlight": {
                "share": self.sunlight.share,
                "eclipse_s": self.sunlight.eclipse_s,
                "source": self.sunlight.source,
            },
            "sized_by": "load" if self.sizes is None else "scenario",
            "launch_kg": float(satellite.launch_kg[0]),
            "array_w": float(satellite.array_w[0]),
            "battery_wh": float(satellite.battery_wh[0]),
            "radiator_m2": float(satellite.radiator_m2[0]),
            "masses_kg": {n: float(kg[0]) for n, kg in satellite.masses_kg.items()},
            "once_usd": {n: float(usd[0]) for n, usd in satellite.bill.once_usd.items()},
            "yearly_usd": {n: float(usd[0]) for n, usd in satellite.bill.yearly_usd.items()},
            "wrong_answer_usd": self.question.wrong_answer_usd,
            "per_million_correct": [row.as_json() for row in self.rows],
            "break_even_launch_usd_per_kg_5_50_95": list(self.break_even_draws),
            "tornado": [[s.name, s.low, s.high] for s in self.swings],
            "sobol": [[i.name, i.first, i.total] for i in self.influences],
        }


def price_run(reader: Reader, result: RunResult, terms: Terms) -> PricedRun:
    """Return the priced run of a record.

    Raises: UsageError if the run has no answers, or nothing is known of its power; ConfigError if
    its scenario cannot be built."""
    scenario = reader.scenario.validated()
    try:
        work = work_of(counts_of(reader, result, scenario, terms.node_w))
    except ValueError as error:
        raise UsageError(f"{result.run_dir} cannot be priced: {error}") from None
    conditions, ending = conditions_of_scenario(scenario), ending_of(result, scenario)
    return price_work(work, sunlight_of(reader), plant_sizes(scenario), terms, conditions, ending)


def price_work(
    work: Work,
    sunlight: Sunlight,
    sizes: PlantSizes | None,
    terms: Terms,
    conditions: WorkConditions,
    ending: RunEnding | None = None,
) -> PricedRun:
    """Return the priced answers of some work, counted or predicted.

    Raises: UsageError if at these prices no answer of the ground would be correct."""
    try:
        return _priced(work, sunlight, sizes, terms, conditions, ending)
    except ValueError as error:
        raise UsageError(f"{work.counts.name} cannot be priced: {error}") from None


def _priced(
    work: Work,
    sunlight: Sunlight,
    sizes: PlantSizes | None,
    terms: Terms,
    conditions: WorkConditions,
    ending: RunEnding | None,
) -> PricedRun:
    question = Question(
        work, load_of(work, sunlight, sizes), terms.ground_computers, terms.wrong_answer_usd
    )
    at_modes, drawn = modes(terms.prices), draws(terms.prices, terms.draws, terms.seed)

    def ratio(prices: Mapping[str, FloatArray]) -> FloatArray:
        return answer_costs(question, prices).ratio

    return PricedRun(
        work=work,
        question=question,
        sunlight=sunlight,
        sizes=sizes,
        terms=terms,
        at_modes=answer_costs(question, at_modes),
        rows=tuple(
            _at_launch_price(question, at_modes, drawn, usd) for usd in (None, *_LAUNCH_PRICES)
        ),
        break_even_draws=percentiles(break_even_launch_usd_per_kg(question, drawn), PRICE_SHARES),
        swings=tornado(terms.prices, ratio),
        influences=sobol(terms.prices, ratio, terms.draws, terms.seed),
        conditions=conditions,
        ending=ending,
    )


def _at_launch_price(
    question: Question,
    at_modes: Mapping[str, FloatArray],
    drawn: Mapping[str, FloatArray],
    usd: float | None,
) -> AtLaunchPrice:
    mode, draw = (
        answer_costs(
            question,
            prices if usd is None else {**prices, _LAUNCH: np.full_like(prices[_LAUNCH], usd)},
        )
        for prices in (at_modes, drawn)
    )
    return AtLaunchPrice(
        usd,
        float(mode.space_usd[0]),
        float(mode.ground_usd[0]),
        percentiles(draw.space_usd, PRICE_SHARES),
        percentiles(draw.ground_usd, PRICE_SHARES),
        percentiles(draw.ratio, PRICE_SHARES),
        float(np.mean(draw.space_usd < draw.ground_usd)),
        None if mode.hybrid_usd is None else float(mode.hybrid_usd[0]),
        None if draw.hybrid_usd is None else percentiles(draw.hybrid_usd, PRICE_SHARES),
    )
