"""Sample sizes: how many experiments a precision needs, and when a campaign looks at its results.

A campaign that stops as soon as its interval looks narrow enough chooses when to look, and an
ordinary interval then misses the true share more often than it says. So the sizes at which results
are looked at are fixed before the first experiment, and each look has a part of the error that is
allowed: with k looks and a confidence of 95 %, each interval has 100 - 5/k %. The chance that any
one of them misses is then at most 5 % (Bonferroni), whichever of them the campaign stops at."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from hil.analysis.intervals import normal_quantile, wilson

__all__ = ["Looks", "needed", "plan_looks"]

_WORST: Final = 0.5
_GROWTH: Final = 2
_LEAST: Final = 64


def needed(
    precision: float, confidence: float, population: int | None = None, share: float = _WORST
) -> int:
    """Return how many experiments give a share to +- `precision` at `confidence`, in the worst case
    or if it is about `share`. `population`: the number of faults, if none is drawn twice (finite
    population correction; Leveugle et al., DATE 2009). Raises: ValueError."""
    _check_precision(precision)
    z = normal_quantile(confidence)
    size = z * z * share * (1 - share) / precision**2
    if population is not None:
        size = population / (1 + (population - 1) / size) if size else 0
    return math.ceil(size)


@dataclass(frozen=True, slots=True)
class Looks:
    """The numbers of experiments at which a campaign looks at its results, ascending. Each interval
    that it may stop at has the confidence `each`, so that all have `confidence` together."""

    sizes: tuple[int, ...]
    confidence: float

    @property
    def each(self) -> float:
        """Return the confidence of the interval of one look."""
        return 1 - (1 - self.confidence) / len(self.sizes)


def plan_looks(precision: float | None, confidence: float, most: int | None) -> Looks:
    """Return the looks of a campaign that stops at `precision`, or after `most` experiments;
    without a limit after as many as the worst share needs. There is one look without a precision.
    Raises: ValueError if neither is given."""
    if precision is None:
        if most is None:
            raise ValueError("a precision or a number of experiments is needed")
        normal_quantile(confidence)  # it raises
        return Looks((most,), confidence)
    _check_precision(precision)
    first = max(_LEAST, _least(precision, confidence))
    count = 1
    while True:  # the last size depends on how many looks share the error
        each = 1 - (1 - confidence) / count
        last = needed(precision, each) if most is None else most
        sizes = _sizes(first, last)
        if len(sizes) <= count:
            return Looks(sizes, confidence)
        count = len(sizes)


def _sizes(first: int, last: int) -> tuple[int, ...]:
    sizes = []
    size = first
    while size < last:
        sizes.append(size)
        size *= _GROWTH
    return (*sizes, last)


def _least(precision: float, confidence: float) -> int:
    """Return the fewest experiments whose interval can be narrow enough: none has the outcome."""
    high = 1
    while wilson(0, high, confidence).half_width > precision:
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        if wilson(0, middle, confidence).half_width > precision:
            low = middle
        else:
            high = middle
    return high


def _check_precision(precision: float) -> None:
    if not 0 < precision < 1:
        raise ValueError(f"a precision lies between 0 and 1, not {precision}")
