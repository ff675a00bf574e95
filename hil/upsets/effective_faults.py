"""Effective faults: upsets that had an effect, and those of them that the system has covered.

An upset that changed nothing is no fault here. Covered are those that were corrected or recovered;
not covered are those after which a node was lost, a frame had no output, or a wrong output left the
system. (Bouricius, Carter and Schneider 1969: the coverage is the probability that a system
recovers, given that a fault has occurred.)"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from hil.upsets.words import SystemOutcome

__all__ = ["EffectiveFaults", "effective_faults"]

_COVERED: Final = (SystemOutcome.CORRECTED.value, SystemOutcome.RECOVERED.value)
_WITHOUT_EFFECT: Final = (SystemOutcome.NO_EFFECT.value, SystemOutcome.UNKNOWN.value, "unknown")


class EffectiveFaults(NamedTuple):
    """The number of `effective` faults, and how many of them were `covered`."""

    covered: int
    effective: int


def effective_faults(by_system_outcome: Mapping[str, int]) -> EffectiveFaults:
    """Return the effective faults among the injected upsets of a run, counted by their outcome."""
    effective = sum(n for word, n in by_system_outcome.items() if word not in _WITHOUT_EFFECT)
    return EffectiveFaults(sum(by_system_outcome.get(word, 0) for word in _COVERED), effective)
