"""Voting without repair: published values, scipy's binomial, and integrals of the reliability."""

from __future__ import annotations

import math
from itertools import product

import pytest
import scipy  # whose modules load when used

from hil.analysis.reliability.majority import (
    beta_factor_tmr,
    k_of_n,
    k_of_n_failure,
    least_voter,
    mean_time_k_of_n,
    nmr,
    tmr,
    tmr_failure,
    tmr_then_simplex,
    two_votes,
)


def test_published_values() -> None:
    assert tmr(0.9) == pytest.approx(0.972, abs=1e-15)
    assert tmr(0.5) == pytest.approx(0.5, abs=1e-15)  # where one node is as good
    assert nmr(5, 0.9) == pytest.approx(0.99144, abs=1e-15)
    assert mean_time_k_of_n(2, 3, 2.0) == pytest.approx(5 / 12)
    assert mean_time_k_of_n(3, 5, 1.0) == pytest.approx(47 / 60)
    assert least_voter(0.75) == pytest.approx(8 / 9)
    assert tmr(0.75, least_voter(0.75)) == pytest.approx(0.75)
    assert min(least_voter(r / 1000) for r in range(1, 1001)) == pytest.approx(8 / 9)


@pytest.mark.parametrize(("needed", "nodes"), [(1, 1), (2, 3), (3, 5), (2, 7), (7, 7)])
def test_k_of_n_is_the_binomial_distribution(needed: int, nodes: int) -> None:
    for failure in (0.0, 1e-9, 0.2, 0.5, 0.97, 1.0):
        lost = scipy.stats.binom.sf(nodes - needed, nodes, failure)
        assert k_of_n_failure(needed, nodes, failure) == pytest.approx(lost, rel=1e-12)
        assert k_of_n(needed, nodes, 1.0 - failure) == pytest.approx(1.0 - lost, rel=1e-12)


def test_majority_is_what_enumeration_of_all_patterns_gives() -> None:
    for nodes in range(1, 8):
        expected = sum(
            math.prod(0.8 if alive else 0.2 for alive in pattern)
            for pattern in product([True, False], repeat=nodes)
            if 2 * sum(pattern) > nodes
        )
        assert nmr(nodes, 0.8) == pytest.approx(expected)


def test_mean_times_are_the_integrals_of_the_reliability() -> None:
    for reliability, expected in (
        (lambda t: tmr(math.exp(-t)), mean_time_k_of_n(2, 3, 1.0)),
        (lambda t: nmr(5, math.exp(-t)), mean_time_k_of_n(3, 5, 1.0)),
        (lambda t: tmr_then_simplex(1.0, t), 4 / 3),
    ):
        found, _ = scipy.integrate.quad(reliability, 0, math.inf)
        assert found == pytest.approx(expected, rel=1e-8)


def test_a_common_cause_is_a_voter_in_series() -> None:
    assert beta_factor_tmr(0.3, 0.0, 2.0) == pytest.approx(tmr(math.exp(-0.6)))
    assert beta_factor_tmr(0.3, 1.0, 2.0) == pytest.approx(math.exp(-0.6))
    assert tmr_failure(1e-9) == pytest.approx(3e-18, rel=1e-8)


def test_numbers_that_make_no_sense_are_refused() -> None:
    for needed, nodes, share in ((0, 3, 0.5), (4, 3, 0.5), (2, 3, 1.5), (2, 3, -0.1)):
        with pytest.raises(ValueError, match=r"nodes|probability"):
            k_of_n(needed, nodes, share)


def test_two_votes_are_what_enumeration_of_all_patterns_gives() -> None:
    weights = {"right": 0.7, "output": 0.2, "state": 0.1}
    for nodes in range(1, 7):
        expected = 0.0
        for pattern in product(weights, repeat=nodes):
            outputs = sum(one != "output" for one in pattern)
            if 2 * outputs > nodes and 2 * pattern.count("right") > outputs:
                expected += math.prod(weights[one] for one in pattern)
        assert two_votes(nodes, 0.2, 0.1) == pytest.approx(expected)
    assert two_votes(5, 0.2, 0.0) == pytest.approx(nmr(5, 0.8))
    assert two_votes(3, 0.1, 0.1) == pytest.approx(nmr(3, 0.8))  # of three, any two are too many
    assert two_votes(5, 0.1, 0.1) > nmr(5, 0.8)
