"""Random draws against the distributions that they claim, with the tests of scipy.

All seeds are fixed: a test fails always or never. Thresholds are p > 1e-3 of a two-sided test;
where it matters a test also shows that it can fail, with a distribution that is a few percent off.
"""

from __future__ import annotations

import itertools
from decimal import Decimal, getcontext, localcontext
from enum import Enum

import pytest
import scipy

from hil.random_streams import choose, exact_exponential_us, exponential_us, stream


def gaps(rate_per_s: str, count: int, seed: int = 1) -> list[int]:
    random = stream(seed, "gaps")
    return [exponential_us(random, Decimal(rate_per_s)) for _ in range(count)]


@pytest.mark.parametrize("rate", ["0.001", "1", "2.5", "250"])
def test_gaps_are_exponential_with_the_given_rate(rate: str) -> None:
    drawn = gaps(rate, 4000)
    mean_us = 1e6 / float(rate)
    assert scipy.stats.kstest(drawn, "expon", args=(0, mean_us)).pvalue > 1e-3
    assert scipy.stats.kstest(drawn, "expon", args=(0, 1.1 * mean_us)).pvalue < 1e-3


@pytest.mark.parametrize("rate", ["1000", "50000", "200000"])
def test_rounding_to_microseconds_does_not_change_the_rate(rate: str) -> None:
    """Sums of n exponential gaps of mean m have mean nm and standard deviation sqrt(n) m."""
    count = 20_000
    mean_us = 1e6 / float(rate)
    error = (sum(gaps(rate, count)) - count * mean_us) / (count**0.5 * mean_us)
    assert abs(error) < 4


def test_gaps_are_whole_and_never_negative() -> None:
    drawn = gaps("1e6", 2000)
    assert all(isinstance(g, int) and g >= 0 for g in drawn)
    assert {0, 1, 2} <= set(drawn)


def test_gaps_do_not_depend_on_the_decimal_context_of_the_caller() -> None:
    normal = gaps("3.7", 200)
    with localcontext() as context:
        context.prec = 9
        assert getcontext().prec == 9
        assert gaps("3.7", 200) == normal


@pytest.mark.parametrize("rate", ["1e-320", "1e-9", "2e-6", "0.001", "110", "2e5", "1e12"])
def test_gaps_are_those_of_exact_arithmetic(rate: str) -> None:
    bits = stream(1, "gaps")
    assert gaps(rate, 100) == [
        exact_exponential_us(bits.bits64(), Decimal(rate)) for _ in range(100)
    ]


@pytest.mark.parametrize("seed", range(20))
def test_a_gap_beside_half_a_microsecond_is_rounded_to_its_own_side(seed: int) -> None:
    """The rate is chosen so that the gap lies 10^-12 us beside a half: closer than floating point
    can tell."""
    with localcontext() as context:
        context.prec = 50
        bits = Decimal(stream(seed, "gaps").bits64())
        mean_gap_us = -((bits + Decimal("0.5")) / 2**64).ln() * 10**6
        half = int(mean_gap_us / 100) + Decimal("0.5")
        rates = [mean_gap_us / (half + Decimal(beside)) for beside in ("-1e-12", "1e-12")]
    below, above = (exponential_us(stream(seed, "gaps"), rate) for rate in rates)
    assert (below, above) == (int(half), int(half) + 1)


def test_streams_repeat_and_differ_by_name_and_by_seed() -> None:
    def first(seed: int, name: str) -> list[int]:
        random = stream(seed, name)
        return [random.bits64() for _ in range(8)]

    assert first(1, "a") == first(1, "a")
    names = ("a", "b", "rate 0/node 1")
    pairs = [first(seed, name) for seed in (0, 1, 2**63 - 1) for name in names]
    for one, other in itertools.combinations(pairs, 2):
        assert not set(one) & set(other)


class Kind(Enum):
    ONE = 1
    TWO = 2
    THREE = 3
    NEVER = 4


def test_choices_follow_their_weights() -> None:
    weights = {Kind.ONE: 0.5, Kind.TWO: 3.0, Kind.NEVER: 0.0, Kind.THREE: 1.5}
    random = stream(5, "choices")
    drawn = [choose(random, weights) for _ in range(20_000)]
    counts = [drawn.count(kind) for kind in (Kind.ONE, Kind.TWO, Kind.THREE)]
    assert Kind.NEVER not in drawn
    assert scipy.stats.chisquare(counts, [2000, 12000, 6000]).pvalue > 1e-3
    assert scipy.stats.chisquare(counts, [2300, 11850, 5850]).pvalue < 1e-3


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e9])
def test_only_the_proportions_of_weights_count(scale: float) -> None:
    random = stream(6, "scaled")
    drawn = [choose(random, {1: 0.25 * scale, 2: 0.75 * scale}) for _ in range(8000)]
    assert scipy.stats.binomtest(drawn.count(1), 8000, 0.25).pvalue > 1e-3


def test_a_single_weight_is_always_chosen() -> None:
    random = stream(7, "single")
    assert {choose(random, {"a": 1e-3, "b": 0.0}) for _ in range(50)} == {"a"}
