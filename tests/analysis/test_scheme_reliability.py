"""The reliability of redundancy schemes: against the Markov chain itself, and limits."""

from __future__ import annotations

import math

import numpy as np
import pytest

from hil.analysis.scheme_reliability import (
    SCHEMES,
    Criterion,
    enough_up_to,
    reliability,
    scheme_point,
)
from hil.plant.bit_rates import Spread


def chain(rate: float, repair: float, days: float) -> float:
    """The probability to be in one of the first two states, by the eigenvalues of the chain."""
    generator = np.array(
        [[-3 * rate, 3 * rate, 0], [repair, -(2 * rate + repair), 2 * rate], [0, 0, 0]]
    )
    values, vectors = np.linalg.eig(generator)
    p = vectors @ np.diag(np.exp(values * days)) @ np.linalg.inv(vectors)
    return float(p[0, 0].real + p[0, 1].real)


@pytest.mark.parametrize("rate", [1e-4, 3e-3, 0.05, 1.0])
@pytest.mark.parametrize("scrub_days", [1.0, 1 / 24, 30.0])
def test_scrubbing_is_the_chain_of_three_states(rate: float, scrub_days: float) -> None:
    criterion = Criterion(365.0, 0.99, scrub_days)
    found = reliability("TMR with scrubbing", rate, criterion)
    assert found == pytest.approx(chain(rate, 1.0 / scrub_days, 365.0), abs=1e-9)


@pytest.mark.parametrize("rate", [1e-6, 1e-3, 0.01])
def test_without_repair_two_of_three_must_live(rate: float) -> None:
    criterion = Criterion(100.0, 0.99, 1e12)
    one = math.exp(-100.0 * rate)
    expected = 3 * one**2 - 2 * one**3
    assert reliability("simplex", rate, criterion) == pytest.approx(one)
    assert reliability("TMR", rate, criterion) == pytest.approx(expected, abs=1e-12)
    assert reliability("TMR with scrubbing", rate, criterion) == pytest.approx(expected, abs=1e-6)


def test_rare_failures_keep_their_digits() -> None:
    """6 r^2 T t for small rates: three nodes, and two left to fail while one is repaired."""
    criterion = Criterion(365.0, 0.99, 1 / 24)
    failed = 1.0 - reliability("TMR with scrubbing", 1e-5, criterion)
    assert failed == pytest.approx(6 * 1e-10 / 24 * 365, rel=3e-4)


def test_nodes_that_do_not_fail_are_always_enough() -> None:
    criterion = Criterion(365.0, 0.99, 1.0)
    assert [reliability(scheme, 0.0, criterion) for scheme in SCHEMES] == [1.0, 1.0, 1.0]
    point = scheme_point(Spread(0.0, 1e-3, 1e-2), criterion)
    assert all(p < b for p, b in zip(point.pessimistic, point.best, strict=True))


@pytest.mark.parametrize(
    ("values", "highest"),
    [([1.0, 0.995, 0.98, 0.97], 600.0), ([0.9, 0.9, 0.9, 0.9], None), ([1.0] * 4, 1000.0),
     ([1.0, 0.98, 0.995, 1.0], 400.0)],
)  # fmt: skip
def test_the_altitude_up_to_which_it_is_enough(values: list[float], highest: float | None) -> None:
    assert enough_up_to([400.0, 600.0, 800.0, 1000.0], values, 0.99) == highest
