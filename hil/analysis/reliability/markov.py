"""Continuous-time Markov chains with few states, solved without differences of like numbers.

Sources: Jensen, Markoff chains as an aid in the study of Markoff processes (1953), for
uniformisation; Grassmann, Taksar and Heyman, Regenerative analysis and steady state distributions
for Markov chains (Operations Research 33, 1985), for the elimination of states.

Assumptions of every chain: what happens next depends on the present state only, so times between
events are exponential; rates are constant."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

__all__ = ["MarkovChain"]

_STEP: Final = 16.0
"""The most events in one step of uniformisation; longer times are reached by squaring."""
_ENOUGH: Final = 1e-18
"""Terms of the Poisson series below this part of the sum are left out."""

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True)
class MarkovChain:
    """A chain with `rates` from one state to another. A state that no rate leaves is absorbing.

    Raises: ValueError for a rate that is negative or not finite, or from a state to itself."""

    rates: Mapping[tuple[str, str], float]

    def __post_init__(self) -> None:
        for (source, target), rate in self.rates.items():
            if source == target or not (math.isfinite(rate) and rate >= 0.0):
                raise ValueError(f"rate {rate} from {source} to {target}")

    @property
    def states(self) -> tuple[str, ...]:
        """Return all states, in the order in which the rates name them."""
        return tuple(dict.fromkeys(state for pair in self.rates for state in pair))

    def distribution(self, start: str, time: float) -> dict[str, float]:
        """Return the probability of each state at `time`, from `start` at time 0. All terms are
        positive, so small probabilities have all their digits.

        Raises: ValueError for an unknown state, or a time that is negative or not finite."""
        self._must_be_states([start])
        if not (math.isfinite(time) and time >= 0.0):
            raise ValueError(f"time {time}")
        states = self.states
        row = self._transition(time)[states.index(start)]
        return dict(zip(states, row.tolist(), strict=True))

    def failed(self, start: str, failures: Iterable[str], time: float) -> float:
        """Return the probability to be in one of `failures` at `time`. Raises: ValueError."""
        wanted = list(failures)
        self._must_be_states(wanted)
        at = self.distribution(start, time)
        return math.fsum(at[state] for state in wanted)

    def mean_time(self, start: str, failures: Iterable[str]) -> float:
        """Return the mean time from `start` until one of `failures` is reached; infinite if it may
        never be. Raises: ValueError for an unknown state."""
        ends = set(failures)
        self._must_be_states([start, *ends])
        if start in ends:
            return 0.0
        if self._may_never_reach(start, ends):
            return math.inf
        states = [state for state in self.states if state not in ends]
        states.sort(key=lambda state: state != start)  # the start is eliminated last
        return self._eliminated(states, ends)

    # --- solving --------------------------------------------------------------------------------

    def _transition(self, time: float) -> Matrix:
        """Return the transition probabilities over `time`, by uniformisation and squaring."""
        states = self.states
        leaving = self._matrix(states, states)
        total = leaving.sum(axis=1)
        fastest = float(total.max(initial=0.0))
        if fastest * time == 0.0:
            return np.eye(len(states))
        squarings = max(0, math.ceil(math.log2(fastest * time / _STEP)))
        events = fastest * time / 2.0**squarings
        step = leaving / fastest + np.diag((fastest - total) / fastest)
        out = _poisson_mixture(step, events)
        for _ in range(squarings):
            out = out @ out
            out /= out.sum(axis=1, keepdims=True)
        return out

    def _eliminated(self, states: Sequence[str], ends: set[str]) -> float:
        """Return the mean time from the first of `states` to `ends`, by removing all others, the
        last first: only sums, products and quotients of numbers that are not negative."""
        rates = self._matrix(states, states)
        out = self._matrix(states, sorted(ends)).sum(axis=1)
        reward = np.ones(len(states))
        for last in range(len(states) - 1, 0, -1):
            total = rates[last, :last].sum() + out[last]
            if total == 0.0:  # it cannot be left, and so is never entered
                continue
            share = rates[:last, last] / total
            rates[:last, :last] += np.outer(share, rates[last, :last])
            out[:last] += share * out[last]
            reward[:last] += share * reward[last]
            np.fill_diagonal(rates[:last, :last], 0.0)
        return float(reward[0] / out[0])

    def _matrix(self, rows: Sequence[str], columns: Sequence[str]) -> Matrix:
        return np.array([[self.rates.get((r, c), 0.0) for c in columns] for r in rows], np.float64)

    def _may_never_reach(self, start: str, ends: set[str]) -> bool:
        """Return whether a state can be reached from `start` from which no end can be."""
        arrows = [pair for pair, rate in self.rates.items() if rate > 0.0]
        onward = _closure({start}, [pair for pair in arrows if pair[0] not in ends])
        leading = _closure(ends, [(target, source) for source, target in arrows])
        return not onward <= leading

    def _must_be_states(self, names: Iterable[str]) -> None:
        unknown = [name for name in names if name not in self.states]
        if unknown:
            raise ValueError(f"no state {', '.join(unknown)}")


def _poisson_mixture(step: Matrix, events: float) -> Matrix:
    """Return the mean of the powers of `step` over a Poisson number of events."""
    weight = math.exp(-events)
    power = np.eye(len(step))
    out, sum_of_weights, number = weight * power, weight, 0
    while number < events or weight > _ENOUGH * sum_of_weights:
        number += 1
        weight *= events / number
        power = power @ step
        out += weight * power
        sum_of_weights += weight
    result: Matrix = out / sum_of_weights
    return result


def _closure(first: set[str], arrows: Sequence[tuple[str, str]]) -> set[str]:
    reached, size = set(first), -1
    while size != len(reached):
        size = len(reached)
        reached |= {target for source, target in arrows if source in reached}
    return reached
