"""Voting with repair: published values, and the chains themselves."""

from __future__ import annotations

import math

import pytest
import scipy  # whose modules load when used

from hil.analysis.reliability.markov import MarkovChain
from hil.analysis.reliability.repair import (
    five_mr_mean_time,
    frame_failure,
    frame_mean_time,
    nmr_chain,
    outage_mean_time,
    tmr_coverage_mean_time,
    tmr_mean_time,
    tmr_reliability,
)


def test_published_values() -> None:
    assert tmr_mean_time(1e-3, 0.5) == pytest.approx(84_166.7, abs=0.05)
    assert tmr_mean_time(0.05, 0.5) == pytest.approx(50.0)
    assert frame_failure(3, 0.02, 0.1) == pytest.approx(1.196e-5, abs=5e-9)
    assert frame_mean_time(3, 1e-5, 0.1) == pytest.approx(1 / (3 * 1e-10 * 0.1), rel=1e-5)


@pytest.mark.parametrize("repair", [1e-3, 0.5, 40.0])
def test_closed_forms_are_those_of_the_chains(repair: float) -> None:
    rate = 0.02
    chain = nmr_chain(3, rate, repair)
    assert tmr_mean_time(rate, repair) == pytest.approx(chain.mean_time("0", ["lost"]), rel=1e-12)
    assert five_mr_mean_time(rate, repair) == pytest.approx(
        nmr_chain(5, rate, repair).mean_time("0", ["lost"]), rel=1e-12
    )
    for time in (0.1, 3.0, 200.0):
        lost = chain.failed("0", ["lost"], time)
        assert tmr_reliability(rate, repair, time) == pytest.approx(1.0 - lost, abs=1e-12)
    for coverage in (0.0, 0.9, 0.99, 1.0):
        covered = MarkovChain(
            {
                ("3", "2"): 3 * rate * coverage,
                ("3", "lost"): 3 * rate * (1 - coverage),
                ("2", "3"): repair,
                ("2", "lost"): 2 * rate,
            }
        )
        found = tmr_coverage_mean_time(rate, repair, coverage)
        assert found == pytest.approx(covered.mean_time("3", ["lost"]), rel=1e-12)
    assert tmr_coverage_mean_time(rate, repair, 1.0) == pytest.approx(tmr_mean_time(rate, repair))


def test_a_fixed_repair_time_is_a_renewal_process() -> None:
    """The mean time in a cycle, from all right to all right or lost, over the probability that it
    ends lost."""
    rate, repair = 0.03, 5.0
    second, _ = scipy.integrate.quad(lambda t: 2 * rate * math.exp(-2 * rate * t), 0, repair)
    below, _ = scipy.integrate.quad(lambda t: math.exp(-2 * rate * t), 0, repair)
    assert outage_mean_time(rate, repair) == pytest.approx((1 / (3 * rate) + below) / second)
