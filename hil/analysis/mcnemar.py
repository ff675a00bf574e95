"""McNemar's exact test: do two variants fail on the same faults?

Of a list of faults that both variants were given, only those count on which they disagree. If
neither is better, each such fault is as likely to harm the one as the other, so their split is
that of a fair coin: B(b + c, 1/2). (McNemar, Psychometrika 12 (1947) 153; exact form: any
textbook's sign test.)"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

__all__ = ["McNemar", "mcnemar"]

_LN2: Final = math.log(2.0)
_LN10: Final = math.log(10.0)
_NEGLIGIBLE: Final = 1e-17


@dataclass(frozen=True, slots=True)
class McNemar:
    """The test of a list of faults: `only_a` (b) fail with A alone, `only_b` (c) with B alone.

    `p_value` is two-sided; 0.0 if it is below what a number can hold: `log10_p` always has it."""

    only_a: int
    only_b: int
    p_value: float
    log10_p: float


def mcnemar(only_a: int, only_b: int) -> McNemar:
    """Return McNemar's exact test, two-sided.

    Raises: ValueError for a negative count."""
    if only_a < 0 or only_b < 0:
        raise ValueError(f"counts are 0 or more, not {only_a} and {only_b}")
    log_p = min(0.0, _LN2 + _log_tail(min(only_a, only_b), only_a + only_b))
    return McNemar(only_a, only_b, math.exp(log_p), log_p / _LN10)


def _log_tail(most: int, count: int) -> float:
    """Return the logarithm of P(X <= most) for X of B(count, 1/2), with most <= count / 2.

    The largest term is the last one; each before it is smaller by k / (count - k + 1)."""
    last = math.lgamma(count + 1) - math.lgamma(most + 1) - math.lgamma(count - most + 1)
    total = term = 1.0
    for k in range(most, 0, -1):
        term *= k / (count - k + 1)
        total += term
        if term < _NEGLIGIBLE * total:
            break
    return last - count * _LN2 + math.log(total)
