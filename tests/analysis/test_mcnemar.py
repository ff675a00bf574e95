"""McNemar's exact test against scipy's binomial test, and against fractions."""

from __future__ import annotations

import math
import random
from fractions import Fraction

import pytest
import scipy  # whose modules load when used: `stats` takes more than a second
from hypothesis import strategies as st

from hil.analysis.mcnemar import mcnemar

from ..properties import property_of


@property_of(st.integers(0, 400), st.integers(0, 400))
def test_the_p_value_is_that_of_scipys_binomial_test(b: int, c: int) -> None:
    expected = scipy.stats.binomtest(b, b + c, 0.5).pvalue if b + c else 1.0
    assert mcnemar(b, c).p_value == pytest.approx(expected, rel=1e-10)
    assert mcnemar(c, b).p_value == mcnemar(b, c).p_value


@pytest.mark.parametrize(("b", "c"), [(0, 1), (1, 5), (3, 9), (10, 25), (7, 7), (12, 13)])
def test_small_counts_against_fractions(b: int, c: int) -> None:
    tail = sum(math.comb(b + c, k) for k in range(min(b, c) + 1))
    expected = min(Fraction(1), Fraction(2 * tail, 2 ** (b + c)))
    assert mcnemar(b, c).p_value == pytest.approx(float(expected), rel=1e-13)


def test_large_counts() -> None:
    rng = random.Random(1)
    for count in (10_000, 1_000_000, 50_000_000):
        b = count // 2 - rng.randrange(3 * math.isqrt(count))
        expected = 2 * scipy.stats.binom.cdf(b, count, 0.5)
        assert mcnemar(b, count - b).p_value == pytest.approx(expected, rel=1e-6)


def test_a_p_value_below_all_numbers_has_a_logarithm() -> None:
    test = mcnemar(0, 20_000)
    assert test.p_value == 0.0
    assert test.log10_p == pytest.approx(math.log10(2) * (1 - 20_000))


def test_negative_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="0 or more"):
        mcnemar(-1, 3)
