"""Spares: published values, closed forms against the chain, and the Poisson distribution."""

from __future__ import annotations

import math

import pytest
import scipy  # whose modules load when used

from hil.analysis.reliability.spares import (
    LOST,
    cold_spares,
    cold_spares_mean_time,
    spares_chain,
    tmr_hot_spares,
)


def test_published_values() -> None:
    assert tmr_hot_spares(1, 0.9) == pytest.approx(0.9963, abs=1e-12)
    assert tmr_hot_spares(2, 0.9) == pytest.approx(0.99954, abs=1e-12)
    for spares in range(4):
        closed = 1 - 0.1 ** (spares + 2) * (1 + (spares + 2) * 0.9)
        assert tmr_hot_spares(spares, 0.9) == pytest.approx(closed, abs=1e-14)


@pytest.mark.parametrize("spares", [0, 1, 3])
@pytest.mark.parametrize("coverage", [0.0, 0.9, 1.0])
def test_cold_spares_are_those_of_the_chain(spares: int, coverage: float) -> None:
    rate = 0.4
    chain = spares_chain(1, spares, rate, needed=1, coverage=coverage)
    start = f"1+{spares}"
    for time in (0.1, 2.0, 9.0):
        lost = chain.failed(start, [LOST], time)
        assert cold_spares(spares, rate, coverage, time) == pytest.approx(1 - lost, abs=1e-12)
    assert cold_spares_mean_time(spares, rate, coverage) == pytest.approx(
        chain.mean_time(start, [LOST]), rel=1e-12
    )


def test_perfect_cold_spares_fail_when_a_poisson_count_exceeds_them() -> None:
    assert cold_spares(2, 0.5, 1.0, 3.0) == pytest.approx(scipy.stats.poisson.cdf(2, 1.5))


def test_hot_spares_of_tmr_are_those_of_the_chain() -> None:
    for spares in (0, 1, 2):
        chain = spares_chain(3, spares, 0.2, needed=2, dormant_rate=0.2)
        alive = 1 - chain.failed(f"3+{spares}", [LOST], 1.3)
        assert alive == pytest.approx(tmr_hot_spares(spares, math.exp(-0.26)), abs=1e-12)
