"""Uncertain prices: draws of them, and which one decides.

Draws are triangular between low, mode and high. The tornado moves one price at a time to its ends,
all others at their modes. The Sobol indices say which share of the variance each price carries: by
itself (first order, Saltelli and others 2010, table 2 b) and with all that it takes part in (total,
Jansen 1999), from n (k + 2) evaluations on a random design."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hil.analysis.economics.bill import FloatArray
from hil.analysis.economics.price_table import Price
from hil.random_streams import stream

__all__ = ["Influence", "Swing", "draws", "modes", "percentiles", "sobol", "tornado"]

Model = Callable[[Mapping[str, FloatArray]], FloatArray]


@dataclass(frozen=True, slots=True)
class Swing:
    """The result with one price at its low and its high end."""

    name: str
    low: float
    high: float

    @property
    def width(self) -> float:
        """Return how far the result moves."""
        return abs(self.high - self.low)


@dataclass(frozen=True, slots=True)
class Influence:
    """The shares of the variance that a price carries: by itself, and in all."""

    name: str
    first: float
    total: float


def modes(prices: Mapping[str, Price], count: int = 1) -> dict[str, FloatArray]:
    """Return all prices at their modes, `count` times."""
    return {name: np.full(count, price.mode) for name, price in prices.items()}


def draws(prices: Mapping[str, Price], count: int, seed: int) -> dict[str, FloatArray]:
    """Return `count` draws of all prices; a seed gives the same on every machine."""
    return {name: _triangular(price, _uniform(seed, name, count)) for name, price in prices.items()}


def tornado(prices: Mapping[str, Price], model: Model) -> list[Swing]:
    """Return how far each uncertain price moves the result, the furthest first."""
    swings: list[Swing] = []
    for name, price in prices.items():
        if price.spread:
            at = modes(prices, 2)
            at[name] = np.array([price.low, price.high])
            low, high = model(at)
            swings.append(Swing(name, float(low), float(high)))
    return sorted(swings, key=lambda swing: -swing.width)


def sobol(prices: Mapping[str, Price], model: Model, count: int, seed: int) -> list[Influence]:
    """Return the Sobol indices of the uncertain prices, the largest total first. A result that does
    not vary has no shares: the list is then empty."""
    names = [name for name, price in prices.items() if price.spread]
    a, b = draws(prices, count, seed), draws(prices, count, seed + 1)
    at_a, at_b = model(a), model(b)
    variance = float(np.var(np.concatenate([at_a, at_b])))
    if variance == 0.0:
        return []
    mean = float(np.mean(np.concatenate([at_a, at_b])))
    influences: list[Influence] = []
    for name in names:
        mixed = model({**a, name: b[name]})
        first = float(np.mean((at_b - mean) * (mixed - at_a))) / variance
        total = float(np.mean((at_a - mixed) ** 2)) / (2.0 * variance)
        influences.append(Influence(name, first, total))
    return sorted(influences, key=lambda influence: -influence.total)


def percentiles(values: FloatArray, shares: Sequence[float]) -> tuple[float, ...]:
    """Return the values below which these shares of all draws lie."""
    return tuple(float(v) for v in np.quantile(values, shares))


def _uniform(seed: int, name: str, count: int) -> FloatArray:
    random = stream(seed, f"price {name}")
    bits = np.array([random.bits64() >> 11 for _ in range(count)], dtype=np.float64)
    return (bits + 0.5) / 2.0**53


def _triangular(price: Price, u: FloatArray) -> FloatArray:
    """Return the quantiles of a triangular distribution."""
    if not price.spread:
        return np.full_like(u, price.mode)
    low, mode, high = price.low, price.mode, price.high
    turn = (mode - low) / price.spread
    rising = low + np.sqrt(u * price.spread * (mode - low))
    falling = high - np.sqrt((1.0 - u) * price.spread * (high - mode))
    return np.where(u < turn, rising, falling)
