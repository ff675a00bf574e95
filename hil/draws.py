"""Random draws that repeat on every machine and with every library version.

Only the raw bits of the kernel's Philox streams and transforms of our own are used. Exponential
gaps are computed in decimal arithmetic, which is exact to the last digit everywhere, unlike a C
library's logarithm."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Context, Decimal
from typing import TypeVar

from hil.kernel import Random, digest64

T = TypeVar("T")
_CONTEXT = Context(prec=30)


def stream(seed: int, name: str) -> Random:
    """The stream of one component of a run."""
    return Random(seed, digest64(name.encode()))


def exponential_us(random: Random, rate_per_s: Decimal) -> int:
    """A gap, exponentially distributed with the given rate, rounded to whole microseconds."""
    u = (Decimal(random.bits64()) + Decimal("0.5")) / Decimal(2**64)
    gap_s = _CONTEXT.divide(-_CONTEXT.ln(u), rate_per_s)
    return round(_CONTEXT.multiply(gap_s, Decimal(1_000_000)))


def choose(random: Random, weights: Mapping[T, float]) -> T:
    """A key with probability proportional to its weight (resolved to one in 10^9)."""
    scaled = [(key, round(Decimal(repr(w)) * 10**9)) for key, w in weights.items() if w > 0]
    at = random.below(sum(w for _, w in scaled))
    for key, weight in scaled:
        if at < weight:
            return key
        at -= weight
    raise AssertionError("unreachable: the weights cover the range")
