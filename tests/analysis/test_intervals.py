"""Intervals against published vectors and SciPy, and their coverage by simulation."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
import scipy

from hil.analysis.intervals import (
    Interval,
    Stratum,
    clopper_pearson,
    normal_quantile,
    stratified,
    wilson,
)

VECTORS = [  # two-sided 95 %: Newcombe 1998 and SciPy
    (0, 100, (0, 0.036993), (0, 0.036217)),
    (0, 1000, (0, 0.003827), (0, 0.003682)),
    (1, 1000, (0.000177, 0.005643), (0.000025, 0.005559)),
    (500, 1000, (0.469070, 0.530930), (0.468549, 0.531451)),
]


@pytest.mark.parametrize(("count", "total", "of_wilson", "of_clopper_pearson"), VECTORS)
def test_published_intervals(
    count: int,
    total: int,
    of_wilson: tuple[float, float],
    of_clopper_pearson: tuple[float, float],
) -> None:
    assert wilson(count, total, 0.95) == pytest.approx(of_wilson, abs=6e-7)
    assert clopper_pearson(count, total, 0.95) == pytest.approx(of_clopper_pearson, abs=6e-7)
    mirrored = wilson(total - count, total, 0.95)
    assert mirrored == pytest.approx((1 - of_wilson[1], 1 - of_wilson[0]), abs=6e-7)


def test_clopper_pearson_is_that_of_scipy() -> None:
    rng = random.Random(3)
    for _ in range(300):
        total = int(10 ** rng.uniform(0, 6))
        count = rng.choice([0, 1, total, max(0, total - 1), rng.randint(0, total)])
        confidence = rng.choice([0.5, 0.9, 0.95, 0.99, 0.9999])
        tail = (1 - confidence) / 2
        low = 0.0 if count == 0 else scipy.stats.beta.ppf(tail, count, total - count + 1)
        high = 1.0 if count == total else scipy.stats.beta.ppf(1 - tail, count + 1, total - count)
        mine = clopper_pearson(count, total, confidence)
        assert mine == pytest.approx((low, high), rel=1e-8, abs=1e-12), (count, total)


def test_normal_quantile_is_that_of_scipy() -> None:
    for confidence in (0.5, 0.9, 0.95, 0.99, 0.9999):
        assert normal_quantile(confidence) == pytest.approx(
            scipy.stats.norm.ppf(0.5 + confidence / 2)
        )


def coverage(total: int, share: float, intervals: list[Interval]) -> float:
    """The exact coverage of an interval: no simulation, the sum over all counts."""
    weights = scipy.stats.binom.pmf(np.arange(total + 1), total, share)
    return float(sum(w for w, i in zip(weights, intervals, strict=True) if share in i))


@pytest.mark.parametrize("total", [20, 100, 385])
def test_coverage_over_all_shares(total: int) -> None:
    """Clopper-Pearson is never below; Wilson is near it on average, and never far below."""
    exact = [clopper_pearson(count, total, 0.95) for count in range(total + 1)]
    near = [wilson(count, total, 0.95) for count in range(total + 1)]
    shares = np.linspace(0.001, 0.999, 333)
    assert min(coverage(total, float(share), exact) for share in shares) >= 0.95
    of_wilson = [coverage(total, float(share), near) for share in shares]
    assert float(np.mean(of_wilson)) == pytest.approx(0.95, abs=0.01)
    assert min(of_wilson) > 0.83  # its known worst case, beside 0 and 1


STRATA = [
    ((0.5, 0.3, 0.2), (0.1, 0.5, 0.9)),
    ((0.9, 0.05, 0.05), (0.3, 0.02, 0.6)),
    ((0.25, 0.25, 0.25, 0.25), (0.01, 0.02, 0.0, 0.01)),
]


@pytest.mark.slow
@pytest.mark.parametrize(("weights", "shares"), STRATA)
def test_the_interval_of_strata_covers_the_true_share(
    weights: tuple[float, ...], shares: tuple[float, ...]
) -> None:
    rng = np.random.default_rng(5)
    true = sum(w * s for w, s in zip(weights, shares, strict=True))
    hits, rounds, total = 0, 1000, 400
    for counts in rng.binomial(total, shares, size=(rounds, len(shares))).tolist():
        strata = [Stratum(w, count, total) for w, count in zip(weights, counts, strict=True)]
        hits += true in stratified(strata, 0.95).interval
    error = 3 * math.sqrt(0.95 * 0.05 / rounds)
    assert hits / rounds > 0.95 - error


def test_one_stratum_has_its_own_interval() -> None:
    estimate = stratified([Stratum(7, 12, 80)], 0.9)
    assert estimate.share == 12 / 80
    assert estimate.interval == pytest.approx(clopper_pearson(12, 80, 0.9))


def test_a_stratum_without_experiments_widens_the_interval() -> None:
    estimate = stratified([Stratum(1, 0, 1000), Stratum(1, 0, 0)], 0.95)
    assert estimate.interval.high > 0.49
    assert wilson(0, 0, 0.95) == (0, 1)


@pytest.mark.parametrize(("count", "total"), [(-1, 5), (6, 5)])
def test_impossible_counts_are_refused(count: int, total: int) -> None:
    for interval in (wilson, clopper_pearson):
        with pytest.raises(ValueError, match="experiments"):
            interval(count, total, 0.95)


@pytest.mark.parametrize("confidence", [0, 1, -0.1, 95])
def test_impossible_confidences_are_refused(confidence: float) -> None:
    for interval in (wilson, clopper_pearson):
        with pytest.raises(ValueError, match="between 0 and 1"):
            interval(1, 5, confidence)
    with pytest.raises(ValueError, match="weights"):
        stratified([], 0.95)
