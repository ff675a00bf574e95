"""Over-current judged over time: a peak is not a latch-up, a current that stays is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from hil.clock import HOST
from hil.rig.power.protocol import OverCurrent

__all__ = ["judge_current"]

_AT_LIMIT: Final = 0.98
"""Fraction of the current limit that counts as the limit: supplies measure to about a percent."""


def judge_current(
    measure_a: Callable[[], float],
    limit_a: float | None,
    latchup_a: float | None,
    lasting_s: float,
    first_a: float | None = None,
) -> OverCurrent | None:
    """Return the over-current of a board whose current stays at its limit, or at the threshold
    `latchup_a` below it, for `lasting_s` [s] of consecutive samples; None as soon as one is lower.

    `measure_a` takes a sample [A], `first_a` is one that was taken just now. The time counts from
    the end of the first sample to the beginning of the last, so that slow samples do not make a
    short peak look long."""
    threshold_a = min(
        _AT_LIMIT * limit_a if limit_a is not None else float("inf"),
        latchup_a if latchup_a is not None else float("inf"),
    )
    amps = measure_a() if first_a is None else first_a
    ended_s = HOST.now_us() / 1e6
    lowest_a = amps
    if lowest_a < threshold_a:
        return None
    while True:
        began_s = HOST.now_us() / 1e6
        amps = measure_a()
        lowest_a = min(lowest_a, amps)
        if lowest_a < threshold_a:
            return None
        if began_s - ended_s >= lasting_s:
            break
    if limit_a is not None and lowest_a >= _AT_LIMIT * limit_a:
        return OverCurrent(amps, limit_a)
    assert latchup_a is not None
    return OverCurrent(amps, latchup_a, micro=True)
