"""Confidence intervals of shares: of one sample, and of several strata taken together.

All are two-sided. Pure: the numerics are this module's own, to some 12 digits."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import Final, NamedTuple

__all__ = ["Estimate", "Interval", "Stratum", "clopper_pearson", "normal_quantile", "stratified",
           "wilson"]  # fmt: skip

_TINY: Final = 1e-300
_CLOSE: Final = 1e-15
_TERMS_MAX: Final = 10_000
_HALVINGS: Final = 200


class Interval(NamedTuple):
    """A range of shares, both ends included."""

    low: float
    high: float

    @property
    def half_width(self) -> float:
        """Return half the width of the range."""
        return (self.high - self.low) / 2

    def __contains__(self, share: object) -> bool:
        return isinstance(share, (int, float)) and self.low <= share <= self.high


@dataclass(frozen=True, slots=True)
class Stratum:
    """One stratum: `count` of `total` experiments had the outcome; `weight` is its share of all
    faults (any unit: weights are divided by their sum)."""

    weight: float
    count: int
    total: int


class Estimate(NamedTuple):
    """An estimated share, and its confidence interval."""

    share: float
    interval: Interval


def normal_quantile(confidence: float) -> float:
    """Return how many standard deviations around its mean hold `confidence` of a normal
    distribution: 1.96 for 0.95. Raises: ValueError unless it is between 0 and 1."""
    if not 0 < confidence < 1:
        raise ValueError(f"a confidence lies between 0 and 1, not {confidence}")
    return NormalDist().inv_cdf(0.5 + confidence / 2)


def wilson(count: int, total: int, confidence: float) -> Interval:
    """Return Wilson's score interval (1927) of a share, from `count` of `total` experiments. Its
    coverage is close to `confidence` on average. Raises: ValueError."""
    _check(count, total)
    if not total:
        return Interval(0.0, 1.0)
    z = normal_quantile(confidence)
    share, more = count / total, z * z / total
    centre = (share + more / 2) / (1 + more)
    half = z * math.sqrt(share * (1 - share) / total + more / (4 * total)) / (1 + more)
    low = 0.0 if count == 0 else max(0.0, centre - half)
    high = 1.0 if count == total else min(1.0, centre + half)
    return Interval(low, high)


def clopper_pearson(count: int, total: int, confidence: float) -> Interval:
    """Return the interval of Clopper and Pearson (1934), from `count` of `total` experiments. Its
    coverage is never below `confidence`. Raises: ValueError."""
    _check(count, total)
    if not 0 < confidence < 1:
        raise ValueError(f"a confidence lies between 0 and 1, not {confidence}")
    return _exact_interval(count, total, confidence)


@lru_cache(maxsize=4096)  # reports and campaigns ask for the same few counts at every look
def _exact_interval(count: int, total: int, confidence: float) -> Interval:
    tail = (1 - confidence) / 2
    low = 0.0 if count == 0 else _beta_quantile(tail, count, total - count + 1)
    high = 1.0 if count == total else 1 - _beta_quantile(tail, total - count, count + 1)
    return Interval(low, high)


def stratified(strata: Sequence[Stratum], confidence: float) -> Estimate:
    """Return the share over all strata, each by its weight, with an interval: the distances of the
    share of each stratum from the ends of its own Clopper-Pearson interval, weighted, squared and
    added (Zou and Donner 2008; with Wilson's it misses too often where all shares are small). It
    has a width also where an outcome never occurred.
    Raises: ValueError without strata, or if one has no weight."""
    weights = sum(stratum.weight for stratum in strata)
    if not weights > 0 or any(stratum.weight < 0 for stratum in strata):
        raise ValueError("strata need weights")
    share = below = above = 0.0
    for stratum in strata:
        weight = stratum.weight / weights
        low, high = clopper_pearson(stratum.count, stratum.total, confidence)
        own = stratum.count / stratum.total if stratum.total else 0.5
        share += weight * own
        below += (weight * (own - low)) ** 2
        above += (weight * (high - own)) ** 2
    low, high = share - math.sqrt(below), share + math.sqrt(above)
    return Estimate(share, Interval(max(0.0, low), min(1.0, high)))


def _check(count: int, total: int) -> None:
    if not 0 <= count <= total:
        raise ValueError(f"{count} of {total} experiments")


# --- the beta distribution --------------------------------------------------------------------


def _beta_quantile(probability: float, a: float, b: float) -> float:
    """Return the quantile of the beta distribution, by bisection."""
    return _root(lambda x: _beta(x, a, b) - probability)


def _root(function: Callable[[float], float]) -> float:
    """Return where a function that rises from 0 to 1 passes zero."""
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        if function(middle) < 0:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _beta(x: float, a: float, b: float) -> float:
    """Return the regularised incomplete beta function (DLMF 8.17)."""
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
        + a * math.log(x) + b * math.log1p(-x)
    )  # fmt: skip
    if x < (a + 1) / (a + b + 2):  # where the fraction converges fast
        return front * _fraction(x, a, b) / a
    return 1 - front * _fraction(1 - x, b, a) / b


def _fraction(x: float, a: float, b: float) -> float:
    """Return the continued fraction of DLMF 8.17.22, by Lentz's method."""
    c, d = 1.0, _inverse(1 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, _TERMS_MAX):
        for numerator in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = _inverse(1 + numerator * d)
            c = 1 + numerator / c
            c = c if abs(c) > _TINY else _TINY
            value *= d * c
        if abs(d * c - 1) < _CLOSE:
            break
    return value


def _inverse(value: float) -> float:
    return 1 / (value if abs(value) > _TINY else _TINY)
