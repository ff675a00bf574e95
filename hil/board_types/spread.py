"""A number with its range, and the range of a counted number of events."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

__all__ = ["NOTHING", "Spread", "poisson_interval"]

_TAIL: Final = 0.025
"""Of each side: the interval holds 95 %."""


@dataclass(frozen=True, slots=True)
class Spread:
    """A number with its range: the best value, and the ends that its source gives; both are the
    best value where it gives none."""

    low: float
    best: float
    high: float

    def times(self, factor: float) -> Spread:
        """Return the spread multiplied by a number that is 0 or more."""
        return Spread(self.low * factor, self.best * factor, self.high * factor)

    def by(self, other: Spread) -> Spread:
        """Return the product of two spreads whose ends are taken together."""
        return Spread(self.low * other.low, self.best * other.best, self.high * other.high)

    @property
    def rest(self) -> Spread:
        """Return what shares leave of 1, each end with its own: the low one may be the largest."""
        return Spread(1.0 - self.low, 1.0 - self.best, 1.0 - self.high)

    def plus(self, other: Spread) -> Spread:
        """Return the sum of two spreads whose ends are taken together."""
        return Spread(self.low + other.low, self.best + other.best, self.high + other.high)


NOTHING: Final = Spread(0.0, 0.0, 0.0)


def poisson_interval(events: int) -> Spread:
    """Return the mean number of events that a count allows, with 95 % confidence: the exact
    interval of Garwood (Biometrika 28 (1936) 437). Of no events, only the upper end is above 0."""
    if events < 0:
        raise ValueError(f"a count of events is not negative, but {events}")
    low = 0.0 if events == 0 else _mean_with(1.0 - _TAIL, events - 1)
    return Spread(low, float(events), _mean_with(_TAIL, events))


def _mean_with(probability: float, count: int) -> float:
    """Return the mean of the Poisson distribution that has `probability` for at most `count`."""
    low, high = 0.0, count + 10.0 * math.sqrt(count + 1.0) + 10.0
    for _ in range(200):
        middle = (low + high) / 2.0
        if _at_most(count, middle) > probability:
            low = middle
        else:
            high = middle
    return (low + high) / 2.0


def _at_most(count: int, mean: float) -> float:
    """Return the probability of at most `count` events of a Poisson distribution."""
    if mean == 0.0:
        return 1.0
    return math.fsum(
        math.exp(n * math.log(mean) - mean - math.lgamma(n + 1.0)) for n in range(count + 1)
    )
