"""The Markov solver: against scipy's matrix exponential, closed forms, and exact fractions."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
import scipy  # whose modules load when used

from hil.analysis.reliability.markov import MarkovChain


def test_distribution_is_the_matrix_exponential() -> None:
    chance = np.random.default_rng(7)
    names = list("abcdef")
    for time in (0.0, 0.01, 1.0, 37.0, 5_000.0):
        rates = {(a, b): float(chance.exponential()) for a in names for b in names if a != b}
        generator = np.array([[rates.get((a, b), 0.0) for b in names] for a in names])
        generator -= np.diag(generator.sum(axis=1))
        expected = scipy.linalg.expm(generator * time)[0]
        found = MarkovChain(rates).distribution("a", time)
        assert list(found) == list(MarkovChain(rates).states)
        assert [found[n] for n in names] == pytest.approx(expected, abs=1e-12)


def test_rare_failures_of_a_stiff_chain_keep_their_digits() -> None:
    """Three nodes that fail once in 1e9 and are repaired at once: 6 r^2 t / mu, which is 14 orders
    of magnitude below one."""
    rate, repair, time = 1e-9, 1.0, 1e3
    chain = MarkovChain({("3", "2"): 3 * rate, ("2", "3"): repair, ("2", "lost"): 2 * rate})
    exact = 6 * rate**2 * (time / repair - 1 / repair**2)
    assert chain.failed("3", ["lost"], time) == pytest.approx(exact, rel=1e-6)


def test_mean_time_is_exact_where_numbers_differ_by_many_orders() -> None:
    rate, repair = Fraction(1, 10**8), Fraction(10**3)
    exact = (5 * rate + repair) / (6 * rate**2)
    chain = MarkovChain(
        {
            ("3", "2"): 3 * float(rate),
            ("2", "3"): float(repair),
            ("2", "lost"): 2 * float(rate),
        }
    )
    assert chain.mean_time("3", ["lost"]) == pytest.approx(float(exact), rel=1e-14)
    assert chain.mean_time("2", ["lost"]) == pytest.approx(float(exact - 1 / (3 * rate)), rel=1e-14)


def test_mean_time_is_the_solution_of_the_linear_system() -> None:
    chance = np.random.default_rng(3)
    names = list("abcde")
    rates = {(a, b): float(chance.exponential()) for a in names for b in names if a != b}
    rates |= {(a, "end"): float(chance.exponential()) for a in names}
    generator = np.array([[rates.get((a, b), 0.0) for b in names] for a in names])
    generator -= np.diag(generator.sum(axis=1) + [rates[a, "end"] for a in names])
    expected = np.linalg.solve(generator, -np.ones(5))
    chain = MarkovChain(rates)
    assert [chain.mean_time(a, ["end"]) for a in names] == pytest.approx(expected.tolist())


def test_a_failure_that_may_never_come_takes_infinitely_long() -> None:
    chain = MarkovChain({("a", "lost"): 1.0, ("a", "safe"): 1e-9})
    assert chain.mean_time("a", ["lost"]) == math.inf
    assert chain.mean_time("a", ["lost", "safe"]) == pytest.approx(1.0)
    assert chain.mean_time("lost", ["lost"]) == 0.0


@pytest.mark.parametrize("rates", [{("a", "a"): 1.0}, {("a", "b"): -1.0}, {("a", "b"): math.nan}])
def test_rates_that_make_no_sense_are_refused(rates: dict[tuple[str, str], float]) -> None:
    with pytest.raises(ValueError, match="rate"):
        MarkovChain(rates)
    with pytest.raises(ValueError, match="no state c"):
        MarkovChain({("a", "b"): 1.0}).mean_time("c", ["b"])
