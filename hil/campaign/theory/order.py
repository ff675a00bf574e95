"""The order of an experiment: its runs, its seeds, and who hears of its progress."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

__all__ = ["COVERAGES", "TheoryOrder"]

COVERAGES: Final = (0.5, 0.8, 0.95)
"""The coverages of an experiment that is not told any."""


def _nothing(done: int, total: int) -> None:
    del done, total


@dataclass(frozen=True, slots=True)
class TheoryOrder:
    """The order of an experiment: `runs` runs with the seeds from `seed` on. `report` gets how many
    have ended, of how many. `coverages`: the shares of failures that are detected, for experiments
    with imperfect detection."""

    runs: int
    seed: int = 1
    report: Callable[[int, int], None] = _nothing
    coverages: Sequence[float] = COVERAGES

    @property
    def seeds(self) -> Sequence[int]:
        """Return the seed of each run."""
        return range(self.seed, self.seed + self.runs)

    def part(self, number: int, parts: int) -> Callable[[int, int], None]:
        """Return what reports the progress of one of several equal parts of the experiment."""

        def report(done: int, total: int) -> None:
            self.report((number * total + done) * self.runs // (parts * total), self.runs)

        return report
