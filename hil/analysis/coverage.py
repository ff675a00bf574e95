"""Coverage, measured: of the faults that had an effect, the share that the system has detected and
recovered from, so that no output was wrong or missing and no node was lost for it
(`hil.upsets.effective_faults`), with its interval."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from hil.analysis.intervals import Interval, clopper_pearson
from hil.upsets.effective_faults import effective_faults

__all__ = ["Coverage", "coverage_of"]

_CONFIDENCE: Final = 0.95


@dataclass(frozen=True, slots=True)
class Coverage:
    """The number of `effective` faults, and how many of them were `covered`."""

    covered: int
    effective: int

    @property
    def share(self) -> float:
        """Return the coverage. Raises: ZeroDivisionError without a fault."""
        return self.covered / self.effective

    @property
    def interval(self) -> Interval:
        """Return the interval of the coverage, with 95 %, by Clopper and Pearson. Raises:
        ValueError without a fault."""
        return clopper_pearson(self.covered, self.effective, _CONFIDENCE)

    def __str__(self) -> str:
        if not self.effective:
            return "no fault had an effect"
        low, high = self.interval
        return (
            f"{100 * self.share:.4g} % (95 %: {100 * low:.3g} to {100 * high:.3g} %), "
            f"{self.covered:,} of {self.effective:,} effective faults"
        )


def coverage_of(by_system_outcome: Mapping[str, int]) -> Coverage:
    """Return the coverage in the injected upsets of a run, counted by their outcome."""
    return Coverage(*effective_faults(by_system_outcome))
