"""Arrival times of upsets: exact draws from changing rates, the same on every machine."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import numpy as np
import numpy.typing as npt

from hil.kernel import Random
from hil.random_streams import exponential_us

__all__ = ["Arrivals", "quantised"]

Floats = npt.NDArray[np.float64]

_DIGITS: Final = 12  # binary digits that a rate keeps
_UNITS_PER_EVENT: Final = 10**15
_UNIT_RATE: Final = Decimal("1e-9")  # exponential_us() counts 1e6 per 1/rate: here 1e15
_MAX_UNITS: Final = 2**62


def quantised(rates_per_s: Floats) -> Floats:
    """Return the rates rounded to 12 significant binary digits: exact, by powers of two and a
    rounding.
    """
    mantissa, exponent = np.frexp(np.asarray(rates_per_s, dtype=np.float64))
    out: Floats = np.ldexp(np.rint(np.ldexp(mantissa, _DIGITS)), exponent - _DIGITS)
    return out


class Arrivals:
    """The events of one component, drawn from one random stream during a run."""

    def __init__(self, random: Random, *, start_us: int = 0) -> None:
        """Begin at `start_us` of the run; the stream belongs to this object from now on."""
        self._random = random
        self._next_us = start_us
        self._left = self._draw()  # units of expectation until the next event

    def advance(self, rates_per_s: Floats, *, step_us: int) -> list[int]:
        """Return the times [us], ascending, of the events in the next `len(rates_per_s)` steps.

        Rate i (N,) holds for `step_us` from where the last call ended. Zero rates have no events.

        Raises:
            ValueError: A rate is negative, not finite or above 4000 events a step.
        """
        if step_us < 1:
            raise ValueError(f"a step is at least 1 us long, not {step_us}")
        rates = np.asarray(rates_per_s, dtype=np.float64)
        if rates.ndim != 1:
            raise ValueError(f"rates are one-dimensional, not of shape {rates.shape}")
        if not np.all(np.isfinite(rates)) or np.any(rates < 0.0):
            raise ValueError("a rate is negative or not a finite number")
        expected = np.rint(quantised(rates) * float(step_us * (_UNITS_PER_EVENT // 10**6)))
        if np.any(expected > _MAX_UNITS):
            raise ValueError(
                f"{float(np.max(expected)) / _UNITS_PER_EVENT:.0f} events are expected within one "
                f"step of {step_us} us: at most 4000 can be drawn; less acceleration, or a "
                "shorter step"
            )
        times: list[int] = []
        for block in _blocks(expected):
            times += self._draw_block(block.astype(np.int64), step_us)
        return times

    def _draw(self) -> int:
        return max(1, exponential_us(self._random, _UNIT_RATE))

    def _draw_block(self, expected: npt.NDArray[np.int64], step_us: int) -> list[int]:
        start_us = self._next_us
        self._next_us += len(expected) * step_us
        cumulated = np.cumsum(expected)
        end = int(cumulated[-1]) if len(cumulated) else 0
        at = self._left
        times: list[int] = []
        while at <= end:
            step = int(np.searchsorted(cumulated, at, side="left"))
            times.append(start_us + step * step_us + self._random.below(step_us))
            at += self._draw()
        self._left = at - end
        times.sort()  # of several in one step
        return times


def _blocks(expected: Floats) -> list[Floats]:
    """Return the cuts between blocks that can be cumulated in 64 bits."""
    if len(expected) < 2 or float(np.sum(expected)) <= _MAX_UNITS:
        return [expected]
    middle = len(expected) // 2
    return _blocks(expected[:middle]) + _blocks(expected[middle:])
