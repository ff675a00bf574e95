"""Experiments without a computer under test: their outcomes are computed. They can be pickled."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from hil.campaign.executor import RangeOutcomes
from hil.campaign.ranges import Range
from hil.errors import LinkTimeout, SetupError

PART = 7


def effect_of(unit: int) -> int:
    return unit * unit % 6


@dataclass
class Boards:
    """`opened` and `closed` have the numbers of boards; `broken` those that do not open; `gone`
    those that open once, and not again."""

    broken: frozenset[int] = frozenset()
    gone: frozenset[int] = frozenset()
    opened: list[int] = field(default_factory=list)
    closed: list[int] = field(default_factory=list)

    @contextmanager
    def open(self, number: int) -> Iterator[int]:
        if number in self.broken:
            raise SetupError(f"board {number} is missing")
        if number in self.gone and number in self.opened:
            raise SetupError(f"board {number} is unplugged")
        self.opened.append(number)
        try:
            yield number
        finally:
            self.closed.append(number)


@dataclass
class Experiments:
    """`fails_at`: the unit at which a board fails; `refused`: the board that is not admitted;
    `dies_at`: the units at which a board dies, once for each."""

    fails_at: int | None = None
    refused: int | None = None
    dies_at: list[int] = field(default_factory=list)
    admitted: list[int] = field(default_factory=list)
    digest: str = "small"

    def admit(self, board: int) -> None:
        if board == self.refused:
            raise SetupError(f"board {board} is of another build")
        self.admitted.append(board)

    def carry_out(
        self,
        board: int,
        units: Range,
        keep: Callable[[RangeOutcomes], None],
        stopped: Callable[[], bool],
    ) -> None:
        for first in range(units.first, units.end, PART):
            if stopped():
                return
            part = range(first, min(first + PART, units.end))
            if self.fails_at is not None and self.fails_at in part:
                raise SetupError(f"board {board} fails")
            deaths = [unit for unit in self.dies_at if unit in part]
            if deaths:
                self.dies_at.remove(deaths[0])
                raise LinkTimeout(f"board {board} is silent")
            keep(RangeOutcomes(first, len(part), bytes(map(effect_of, part)), bytes(len(part))))


class Kept:
    """Outcomes by unit; a unit that comes twice, or two calls at a time, are errors."""

    def __init__(self) -> None:
        self.effects: dict[int, int] = {}
        self.workers: set[str] = set()
        self._inside = threading.Lock()

    def __call__(self, outcomes: RangeOutcomes) -> None:
        assert self._inside.acquire(blocking=False)
        try:
            for at, effect in enumerate(outcomes.effects):
                unit = outcomes.first + at
                assert unit not in self.effects
                self.effects[unit] = effect
            self.workers.add(outcomes.worker)
        finally:
            self._inside.release()
