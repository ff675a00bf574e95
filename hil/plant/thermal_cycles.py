"""Thermal cycles of boards: counted by the rainflow method, and the solder that they use up.

Counting is that of ASTM E1049-85, section 5.4.4, on temperatures that come in pieces: of a flight
of years only the turning points that are still open are kept. A cycle of a swing dT takes 1 / N of
a board's life, with N = cycles (swing / dT)^exponent of its profile (Coffin and Manson; the swing
alone counts, not how long and how hot: Norris and Landzberg's other factors are left out), and the
parts add up (Miner)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

__all__ = ["Cycles", "Rainflow"]

Floats = npt.NDArray[np.float64]

_LEAST_K: Final = 0.01
"""Smaller swings are not counted: they are rounding errors of a constant temperature."""


@dataclass(frozen=True, slots=True)
class Cycles:
    """Counted cycles: how many of each swing, whole or half ones."""

    swings: tuple[float, ...]
    counts: tuple[float, ...]

    @property
    def number(self) -> float:
        """Return the number of all cycles."""
        return sum(self.counts)

    @property
    def largest(self) -> float:
        """Return the largest swing; 0 without any."""
        return max(self.swings, default=0.0)

    def life_used(self, cycles: float, swing_k: float, exponent: float) -> float:
        """Return the part of a life of so many `cycles` of `swing_k` that these cycles are."""
        return math.fsum(
            count / cycles * (swing / swing_k) ** exponent
            for swing, count in zip(self.swings, self.counts, strict=True)
        )


class Rainflow:
    """Counts the cycles of values that are added in order, piece by piece."""

    def __init__(self) -> None:
        self._open: list[float] = []  # turning points, the last is the latest value
        self._counts: dict[float, float] = {}

    def add(self, values: Floats) -> None:
        """Add values (N,), which follow those added before."""
        for value in _turning(values):
            self._turn(float(value))

    def _turn(self, value: float) -> None:
        points = self._open
        if len(points) >= 2 and (value - points[-1]) * (points[-1] - points[-2]) >= 0.0:
            points[-1] = value  # it goes on the same way
        elif not points or abs(value - points[-1]) >= _LEAST_K:
            points.append(value)
        else:
            return
        self._close()

    def _close(self) -> None:
        """Take out the cycles that the latest point closes.

        A range is closed by the next one if that is at least as large. The latest point may still
        move on, which makes its range larger: what is closed now, stays so."""
        points = self._open
        while len(points) >= 3:
            before, latest = abs(points[-2] - points[-3]), abs(points[-1] - points[-2])
            if latest < before:
                return
            if len(points) == 3:  # it contains the first point: half a cycle
                self._count(before, 0.5)
                del points[0]
            else:
                self._count(before, 1.0)
                del points[-3:-1]

    def _count(self, swing: float, count: float) -> None:
        self._counts[swing] = self._counts.get(swing, 0.0) + count

    def cycles(self) -> Cycles:
        """Return the cycles so far; the ranges that are open count as half ones."""
        counts = dict(self._counts)
        for low, high in pairwise(self._open):
            swing = abs(high - low)
            counts[swing] = counts.get(swing, 0.0) + 0.5
        swings = sorted(counts)
        return Cycles(tuple(swings), tuple(counts[swing] for swing in swings))


def _turning(values: Floats) -> Floats:
    """Return the first value, the points at which values (N,) turn, and the last one."""
    if len(values) < 3:
        return values
    steps = np.diff(values)
    moving = np.flatnonzero(steps)
    if not len(moving):
        return values[[0]]
    signs = np.sign(steps[moving])
    turns = moving[1:][signs[1:] != signs[:-1]]
    return np.concatenate([values[:1], values[turns], values[-1:]])
