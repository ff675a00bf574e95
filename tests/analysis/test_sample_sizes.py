"""Sample sizes against published ones, and the coverage of intervals that a campaign stops at."""

from __future__ import annotations

import math

import numpy as np
import pytest

from hil.analysis.intervals import wilson
from hil.analysis.sample_sizes import needed, plan_looks

LEVEUGLE = [  # DATE 2009, in the worst case
    (10**4, 0.05, 0.95, 370),
    (10**4, 0.03, 0.95, 965),
    (10**4, 0.01, 0.95, 4_900),
    (10**4, 0.01, 0.99, 6_239),
    (10**4, 0.005, 0.99, 8_691),
    (10**6, 0.05, 0.95, 385),
    (10**6, 0.03, 0.95, 1_066),
    (10**6, 0.01, 0.95, 9_513),
    (10**6, 0.01, 0.99, 16_317),
    (10**6, 0.005, 0.99, 62_220),
    (None, 0.05, 0.95, 385),
    (None, 0.03, 0.95, 1_068),
    (None, 0.01, 0.95, 9_604),
    (None, 0.01, 0.99, 16_587),
    (None, 0.005, 0.99, 66_348),
]


@pytest.mark.parametrize(("population", "precision", "confidence", "published"), LEVEUGLE)
def test_published_sample_sizes(
    population: int | None, precision: float, confidence: float, published: int
) -> None:
    """To one experiment: those who computed the table rounded 1.96, or the result."""
    assert abs(needed(precision, confidence, population) - published) <= 1


@pytest.mark.parametrize("precision", [0.005, 0.01, 0.05])
@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_the_last_look_has_the_precision_whatever_the_share(
    precision: float, confidence: float
) -> None:
    looks = plan_looks(precision, confidence, None)
    last = looks.sizes[-1]
    assert list(looks.sizes) == sorted(set(looks.sizes))
    assert wilson(last // 2, last, looks.each).half_width <= precision
    assert looks.each == pytest.approx(1 - (1 - confidence) / len(looks.sizes))


def test_a_limit_is_the_last_look() -> None:
    assert plan_looks(0.01, 0.95, 1000).sizes[-1] == 1000
    assert plan_looks(0.01, 0.95, 10).sizes == (10,)
    assert plan_looks(None, 0.95, 10).each == 0.95
    with pytest.raises(ValueError, match="precision or a number"):
        plan_looks(None, 0.95, None)


@pytest.mark.parametrize("share", [0.002, 0.02, 0.09, 0.29, 0.5])
def test_an_interval_that_a_campaign_stops_at_covers_the_true_share(share: float) -> None:
    """4000 campaigns for each share, each stopped at the first look that is narrow enough."""
    precision, confidence, campaigns = 0.02, 0.95, 4000
    looks = plan_looks(precision, confidence, None)
    rng = np.random.default_rng(int(1000 * share))
    steps = np.diff((0, *looks.sizes))
    counts = np.cumsum(rng.binomial(steps, share, size=(campaigns, len(steps))), axis=1)
    hits, experiments = 0, 0
    for row in counts.tolist():
        for size, count in zip(looks.sizes, row, strict=True):
            interval = wilson(count, size, looks.each)
            if interval.half_width <= precision:
                break
        hits += share in interval
        experiments += size
        assert interval.half_width <= precision
    error = 3 * math.sqrt(0.05 * 0.95 / campaigns)
    assert hits / campaigns > confidence - error
    assert experiments / campaigns <= looks.sizes[-1]
