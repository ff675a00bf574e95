"""The best interval between checkpoints, by Young and Daly: the cost of checkpoints against that of
computing again.

Sources: Young, A first order approximation to the optimum checkpoint interval (CACM 17(9), 1974);
Daly, A higher order estimate of the optimum checkpoint interval for restart dumps (Future
Generation Computer Systems 22(3), 2006), equation 37."""

from __future__ import annotations

import math

__all__ = ["daly", "young"]


def young(cost: float, mean_time: float) -> float:
    """Return Young's interval between two checkpoints that take `cost` each, with a mean time
    between failures: sqrt(2 cost M)."""
    return math.sqrt(2.0 * cost * mean_time)


def daly(cost: float, mean_time: float) -> float:
    """Return Daly's interval: with x = cost/(2 M), sqrt(2 cost M) (1 + sqrt(x)/3 + x/9) - cost, and
    M for x of 1 and above."""
    x = cost / (2.0 * mean_time)
    if x >= 1.0:
        return mean_time
    return young(cost, mean_time) * (1.0 + math.sqrt(x) / 3.0 + x / 9.0) - cost
