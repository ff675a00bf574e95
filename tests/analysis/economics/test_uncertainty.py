"""Draws, tornado and Sobol indices, beside scipy and functions whose indices are known."""

from collections.abc import Mapping

import numpy as np
import pytest
import scipy  # whose modules load when used

from hil.analysis.economics.bill import FloatArray
from hil.analysis.economics.price_table import Price
from hil.analysis.economics.uncertainty import draws, modes, percentiles, sobol, tornado

DRAWS = 4000


def price(name: str, low: float, mode: float, high: float) -> Price:
    return Price(name, low, mode, high, "", "assumed", "", "")


@pytest.mark.parametrize(("low", "mode", "high"), [(0, 1, 4), (2, 2, 3), (5, 9, 9)])
def test_draws_are_triangular(low: float, mode: float, high: float) -> None:
    drawn = draws({"x": price("x", low, mode, high)}, DRAWS, 1)["x"]
    width = high - low
    expected = scipy.stats.triang((mode - low) / width, loc=low, scale=width)
    assert scipy.stats.kstest(drawn, expected.cdf).pvalue > 0.001
    assert low <= drawn.min() and drawn.max() <= high


def test_a_seed_gives_the_same_draws_whatever_else_is_priced() -> None:
    x, y = price("x", 0, 1, 2), price("y", 0, 1, 2)
    alone, beside = draws({"x": x}, 10, 7)["x"], draws({"y": y, "x": x}, 10, 7)
    assert alone.tolist() == beside["x"].tolist()
    assert beside["x"].tolist() != beside["y"].tolist()


def test_a_certain_price_does_not_vary() -> None:
    assert draws({"x": price("x", 3, 3, 3)}, 5, 1)["x"].tolist() == [3.0] * 5


def test_the_tornado_moves_one_price_at_a_time() -> None:
    prices = {n: price(n, 1, 2, 4) for n in "abc"} | {"sure": price("sure", 9, 9, 9)}

    def model(p: Mapping[str, FloatArray]) -> FloatArray:
        return p["a"] + 10 * p["b"] - p["c"] * p["sure"]

    swings = tornado(prices, model)
    assert [(s.name, s.low, s.high) for s in swings] == [
        ("b", 2 + 10 - 18, 2 + 40 - 18),
        ("c", 22 - 9, 22 - 36),
        ("a", 1 + 20 - 18, 4 + 20 - 18),
    ]


def test_indices_of_a_sum_are_the_shares_of_its_variances() -> None:
    prices = {"a": price("a", 0, 1, 2), "b": price("b", 0, 3, 6)}

    def model(p: Mapping[str, FloatArray]) -> FloatArray:
        return p["a"] + p["b"]

    by_name = {i.name: i for i in sobol(prices, model, DRAWS, 1)}
    assert by_name["b"].first == pytest.approx(0.9, abs=0.06)
    assert by_name["b"].total == pytest.approx(0.9, abs=0.06)
    assert by_name["a"].total == pytest.approx(0.1, abs=0.03)


def test_indices_agree_with_scipy_on_a_product() -> None:
    prices = {n: price(n, 0.5, 1, spread) for n, spread in (("a", 2), ("b", 4), ("c", 8))}

    def model(p: Mapping[str, FloatArray]) -> FloatArray:
        return p["a"] * p["b"] + p["c"] ** 2

    shapes = [
        scipy.stats.triang(0.5 / (p.high - 0.5), loc=0.5, scale=p.high - 0.5)
        for p in prices.values()
    ]
    theirs = scipy.stats.sobol_indices(
        func=lambda x: x[0] * x[1] + x[2] ** 2,
        n=4096,
        dists=shapes,
        random_state=1,
    )
    ours = {i.name: i for i in sobol(prices, model, DRAWS, 1)}
    for at, name in enumerate(prices):
        assert ours[name].first == pytest.approx(float(theirs.first_order[at]), abs=0.06)
        assert ours[name].total == pytest.approx(float(theirs.total_order[at]), abs=0.06)


def test_a_result_that_does_not_vary_has_no_shares() -> None:
    assert sobol({"a": price("a", 0, 1, 2)}, lambda p: p["a"] * 0.0, 100, 1) == []


def test_modes_and_percentiles() -> None:
    assert modes({"a": price("a", 0, 1, 2)}, 2)["a"].tolist() == [1.0, 1.0]
    assert percentiles(np.arange(101.0), (0.05, 0.5, 0.95)) == (5.0, 50.0, 95.0)
