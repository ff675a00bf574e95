"""One line of the performance table, and how it is measured: in turns, several times. Pure."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PerfRow:
    """One measured number beside its reference and its target.

    `ratio` is value over reference, None where there is no reference. `ok` is None where there is
    no target. The reference was measured in the same run, in turns with the value, or it was
    `computed` from the numbers in its name; it never is of another time or another computer.
    """

    name: str
    value: float
    unit: str
    reference: str
    reference_value: float | None
    ratio: float | None
    target: str
    ok: bool | None
    note: str = ""
    computed: bool = False


def seconds(action: Callable[[], object], times: int = 1) -> float:
    """Seconds that `times` calls take."""
    began = time.perf_counter()
    for _ in range(times):
        action()
    return time.perf_counter() - began


def in_turns(rounds: int, *actions: Callable[[], float]) -> list[list[float]]:
    """A B A B ...: the results of each action, so that what disturbs one disturbs all."""
    results: list[list[float]] = [[] for _ in actions]
    for _ in range(rounds):
        for result, action in zip(results, actions, strict=True):
            result.append(action())
    return results


def fastest(
    rounds: int, actions: Sequence[Callable[[], object]], *, least_s: float = 0.01
) -> list[float]:
    """Seconds for one call of each action: the least of `rounds` turns, since nothing makes code
    faster than it is. A timed repeats a short action until it has taken about `least_s`."""
    times = [max(1, int(least_s / max(seconds(action, 2) / 2, 1e-9))) for action in actions]

    def timed(action: Callable[[], object], count: int) -> Callable[[], float]:
        return lambda: seconds(action, count) / count

    turns = [timed(action, count) for action, count in zip(actions, times, strict=True)]
    return [min(found) for found in in_turns(rounds, *turns)]
