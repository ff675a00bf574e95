"""Works of rigs that were made up: counted ones, and predictions from campaigns."""

from dataclasses import replace

from hil.analysis.economics.conditions import WorkConditions
from hil.analysis.economics.price_table import PriceTable, shipped_prices
from hil.analysis.economics.priced_run import PricedRun, Terms, price_work
from hil.analysis.economics.recorded_work import LOW_ORBIT
from hil.analysis.economics.run_ending import RunEnding
from hil.analysis.economics.work import RunCounts, Work, work_of
from hil.board_types.spread import Spread

PRICES = shipped_prices()
SAME = WorkConditions("infer", frame_us=1_000_000)
SIGMA = Spread(1e-12, 1e-11, 1e-10)
"""Upsets of a bit in a second: known to a factor of ten."""


def counted(nodes: int, escaped: int, frames: int = 10_000, voted_accel: float = 1.0) -> Work:
    return work_of(
        RunCounts(
            "run",
            "tmr" if nodes > 1 else "simplex",
            "infer",
            frames,
            frames - escaped,
            escaped,
            escaped,
            False,
            1_000_000,
            1.0,
            voted_accel,
            [5.0] * nodes,
        )
    )


def predicted(low: float, best: float, high: float, nodes: int = 1) -> Work:
    bits = Spread(low, best, high)
    wrong = Spread(low * SIGMA.low, best * SIGMA.best, high * SIGMA.high)
    return replace(counted(nodes, 0), wrong_per_s=wrong, bit_upsets_per_s=SIGMA, silent_bits=bits)


def priced(
    work: Work,
    conditions: WorkConditions = SAME,
    ending: RunEnding | None = None,
    prices: PriceTable = PRICES,
) -> PricedRun:
    terms = Terms(prices, 0.0, None, 1, 100, 1)
    return price_work(work, LOW_ORBIT, None, terms, conditions, ending)
