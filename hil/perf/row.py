"""One line of the performance table, and how it is measured: in turns, several times. Pure."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

__all__ = ["NO_REFERENCE", "PerfRow", "Reference", "fastest", "in_turns", "make_row", "seconds"]


@dataclass(frozen=True, slots=True)
class PerfRow:
    """One number beside its reference and its target; `make_row` makes it.

    `ratio` is value over reference, None where there is no reference. `ok` is None where there is
    no target. `computed`: the reference was computed, not measured.
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


@dataclass(frozen=True, slots=True)
class Reference:
    """The reference of a number, in its unit.

    It was measured in the same run, in turns with the number, or it was `computed` from the numbers
    in the row; it is never of another time or another computer. `value` is None where the reference
    is a situation without a number."""

    name: str
    value: float | None = None
    computed: bool = False


NO_REFERENCE: Final = Reference("")


def make_row(
    name: str,
    value: float,
    unit: str,
    *,
    target: str,
    ok: bool,
    reference: Reference = NO_REFERENCE,
    note: str = "",
) -> PerfRow:
    """Return the row of a number; `target` is in words, `ok` says whether it is met."""
    ratio = None if reference.value is None else value / reference.value
    return PerfRow(
        name,
        value,
        unit,
        reference.name,
        reference.value,
        ratio,
        target,
        ok,
        note,
        reference.computed,
    )


def seconds(action: Callable[[], object], times: int = 1) -> float:
    """Return how long `times` calls of `action` take together [s]."""
    began = time.perf_counter()
    for _ in range(times):
        action()
    return time.perf_counter() - began


def in_turns(rounds: int, *actions: Callable[[], float]) -> list[list[float]]:
    """Call the actions in turns (A B A B ...), `rounds` times; return the results of each.

    A disturbance of the computer then affects all of them."""
    results: list[list[float]] = [[] for _ in actions]
    for _ in range(rounds):
        for result, action in zip(results, actions, strict=True):
            result.append(action())
    return results


def fastest(
    rounds: int, actions: Sequence[Callable[[], object]], *, least_s: float = 0.01
) -> list[float]:
    """Return how long one call of each action takes [s]: the shortest of `rounds` turns, since a
    disturbance only ever makes code slower. A short action is repeated within a turn until it has
    taken about `least_s`."""
    times = [max(1, int(least_s / max(seconds(action, 2) / 2, 1e-9))) for action in actions]

    def timed(action: Callable[[], object], count: int) -> Callable[[], float]:
        return lambda: seconds(action, count) / count

    turns = [timed(action, count) for action, count in zip(actions, times, strict=True)]
    return [min(taken) for taken in in_turns(rounds, *turns)]
