"""Coverage, measured: of the faults that had an effect, the share that the system has detected and
recovered from, so that no output was wrong or missing and no node was lost for it.

An upset that changed nothing is no fault here. Covered are those that were corrected or recovered;
not covered are those after which a node was lost, a frame had no output, or a wrong output left the
system. (Bouricius, Carter and Schneider 1969: the probability that a system recovers, given that a
fault has occurred.)"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from hil.analysis.intervals import Interval, clopper_pearson
from hil.upsets.words import SystemOutcome

__all__ = ["Coverage", "coverage_of"]

_CONFIDENCE: Final = 0.95
_COVERED: Final = (SystemOutcome.CORRECTED.value, SystemOutcome.RECOVERED.value)
_WITHOUT_EFFECT: Final = (SystemOutcome.NO_EFFECT.value, SystemOutcome.UNKNOWN.value, "unknown")


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
    effective = sum(n for word, n in by_system_outcome.items() if word not in _WITHOUT_EFFECT)
    return Coverage(sum(by_system_outcome.get(word, 0) for word in _COVERED), effective)
