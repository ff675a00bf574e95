"""The persistence count: how many faults a node may have before it is excluded.

Excluding early wastes good nodes that were hit by chance, excluding late keeps bad ones in the
vote: between the two lies an optimum. Source of the question: Latronico and Koopman, Design time
reliability analysis of distributed fault tolerance algorithms (DSN 2005); the chain is this
module's own, with the rules of `hil.redundancy.recovery`.

The model. In each frame every node is hit with the same probability, independently; the node is
wrong in that frame, and right again in the next. From one frame on, some nodes are wrong in every
frame. If more than half of the voters are right, each wrong one is charged with one fault, and
excluded at the first one beyond `persistence`; otherwise the system has failed. Faults are not
forgotten. All nodes with the same charge are alike, so a state is how many have which charge."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Final, TypeAlias

__all__ = ["PersistenceModel"]

_State: TypeAlias = tuple[tuple[int, ...], tuple[int, ...]]
"""The charges of the good nodes, and of those that are always wrong, each in rising order."""

_NEGLIGIBLE: Final = 1e-14
"""States that are less probable are left out; their sum is far below all that is shown."""


@dataclass(frozen=True, slots=True)
class PersistenceModel:
    """A group of `nodes` over `frames`; `hit` is the probability that a node is hit in a frame,
    and `broken` nodes are always wrong from frame `broken_from` on, with all frames counted from
    0."""

    nodes: int
    frames: int
    hit: float
    broken: int = 0
    broken_from: int = 0

    def reliability(self, persistence: int) -> float:
        """Return the probability that all frames have a majority that is right, if a node is
        excluded at its fault number `persistence` + 1."""
        first: _State = ((0,) * self.nodes, ())
        states = {first: 1.0}
        for frame in range(self.frames):
            if self.broken and frame == self.broken_from:
                states = self._broken(states)
            following: dict[_State, float] = defaultdict(float)
            for state, probability in states.items():
                if probability > _NEGLIGIBLE:
                    for target, share in _next(state, self.hit, persistence):
                        following[target] += probability * share
            states = following
        return math.fsum(states.values())

    def best(self, counts: Sequence[int]) -> int:
        """Return the one of `counts` with the highest reliability."""
        return max(counts, key=self.reliability)

    def _broken(self, states: dict[_State, float]) -> dict[_State, float]:
        """Break `broken` nodes, of any charge: they were hit like the others until now, and one
        that has been excluded meanwhile stays so."""
        for number in range(self.broken):
            after: dict[_State, float] = defaultdict(float)
            candidates = self.nodes - number
            for (good, bad), probability in states.items():
                for place, charge in enumerate(good):
                    rest = good[:place] + good[place + 1 :]
                    after[rest, tuple(sorted((*bad, charge)))] += probability / candidates
                excluded = candidates - len(good)
                if excluded:
                    after[good, bad] += probability * excluded / candidates
            states = after
        return states


@lru_cache(maxsize=200_000)
def _next(state: _State, hit: float, persistence: int) -> tuple[tuple[_State, float], ...]:
    """Return the states after one frame, and their probabilities; what is missing to 1 is the
    failure of the system."""
    good, bad = state
    voters = len(good) + len(bad)
    charged = tuple(charge + 1 for charge in bad if charge < persistence)
    out: dict[_State, float] = defaultdict(float)
    for pattern in product((0, 1), repeat=len(good)):
        hits = sum(pattern)
        if 2 * (len(good) - hits) > voters:
            after = (charge + own for charge, own in zip(good, pattern, strict=True))
            kept = tuple(sorted(charge for charge in after if charge <= persistence))
            out[kept, charged] += hit**hits * (1.0 - hit) ** (len(good) - hits)
    return tuple(out.items())
