"""Random draws that repeat on every machine and with every library version.

Only the raw bits of the kernel's Philox streams and transforms of our own are used. Exponential
gaps are those of decimal arithmetic, which is exact to the last digit everywhere; a C library's
logarithm, which is not, but forty times as fast, serves where its error cannot matter."""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Context, Decimal
from typing import Final, TypeVar

from hil.kernel import Random, digest64

T = TypeVar("T")
_CONTEXT = Context(prec=30)
_LOG_ERROR: Final = 1e-14
"""Absolute and relative; a hundred times what any C library's logarithm is off by."""
_LEAST_RATE: Final = 1e-6
"""Upsets that are rarer are drawn so seldom that it takes no time."""


def stream(seed: int, name: str) -> Random:
    """Return the random stream of the component `name` of a run with this seed."""
    return Random(seed, digest64(name.encode()))


def exponential_us(random: Random, rate_per_s: Decimal) -> int:
    """Draw a gap [us], exponentially distributed with the given rate, rounded to whole
    microseconds."""
    bits = random.bits64()
    rate = float(rate_per_s)
    if rate > _LEAST_RATE:
        mean_us = 1e6 / rate
        means = -math.log((bits + 0.5) / 2**64)
        rounded = round(means * mean_us)
        if abs(means * mean_us - rounded) + (1 + means) * mean_us * _LOG_ERROR < 0.5:
            return rounded
    return exact_exponential_us(bits, rate_per_s)


def exact_exponential_us(bits: int, rate_per_s: Decimal) -> int:
    """Return the gap [us] that 64 random bits stand for, in decimal arithmetic: exact, and slow."""
    u = _CONTEXT.divide(_CONTEXT.add(Decimal(bits), Decimal("0.5")), Decimal(2**64))
    gap_s = _CONTEXT.divide(-_CONTEXT.ln(u), rate_per_s)
    return round(_CONTEXT.multiply(gap_s, Decimal(1_000_000)))


def choose(random: Random, weights: Mapping[T, float]) -> T:
    """Draw a key with probability proportional to its weight (resolved to one in 10^9)."""
    scaled = [(key, round(Decimal(repr(w)) * 10**9)) for key, w in weights.items() if w > 0]
    at = random.below(sum(w for _, w in scaled))
    for key, weight in scaled:
        if at < weight:
            return key
        at -= weight
    raise AssertionError("unreachable: the weights cover the range")
