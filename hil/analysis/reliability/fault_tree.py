"""Fault trees: minimal cut sets, and the exact probability of the top event.

Sources: Vesely and others, Fault Tree Handbook (NUREG-0492, 1981), for trees and cut sets; Rauzy,
New algorithms for fault trees analysis (Reliability Engineering and System Safety 40, 1993), for
binary decision diagrams.

Assumptions: basic events are independent, each with its own probability; an event may occur in
several places of the tree, and is the same one there. The tree is coherent: it has no NOT."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

__all__ = ["Gate", "Tree", "all_of", "any_of", "at_least", "cut_sets", "importance", "probability"]


@dataclass(frozen=True, slots=True)
class Gate:
    """A gate that is true if at least `needed` of its `inputs` are."""

    needed: int
    inputs: tuple[Tree, ...]

    def __post_init__(self) -> None:
        if not 1 <= self.needed <= len(self.inputs):
            raise ValueError(f"a gate of {self.needed} of {len(self.inputs)} inputs")


Tree: TypeAlias = str | Gate
"""A basic event by its name, or a gate."""


def all_of(*inputs: Tree) -> Gate:
    """Return an AND gate. Raises: ValueError without inputs."""
    return Gate(len(inputs), inputs)


def any_of(*inputs: Tree) -> Gate:
    """Return an OR gate. Raises: ValueError without inputs."""
    return Gate(1, inputs)


def at_least(needed: int, *inputs: Tree) -> Gate:
    """Return a gate that needs some of its inputs. Raises: ValueError if it has fewer."""
    return Gate(needed, inputs)


def cut_sets(tree: Tree) -> list[frozenset[str]]:
    """Return the minimal cut sets: the smallest groups of events that together cause the top
    event, the shortest first. A set of one event is a single point of failure."""
    return sorted(_cuts(tree), key=lambda cut: (len(cut), sorted(cut)))


def probability(tree: Tree, events: Mapping[str, float]) -> float:
    """Return the exact probability of the top event, by a binary decision diagram.

    Raises: KeyError for an event without a probability; ValueError if one is not between 0 and
    1."""
    cuts = frozenset(_cuts(tree))
    order = sorted({event for cut in cuts for event in cut})
    for event in order:
        if not 0.0 <= events[event] <= 1.0:
            raise ValueError(f"{events[event]} of {event} is not a probability")
    return _of_cuts(cuts, order, events, {})


def importance(tree: Tree, events: Mapping[str, float]) -> dict[str, float]:
    """Return Birnbaum's importance of each event: how much more probable the top event is if the
    event happens than if it does not. Raises: as `probability`."""
    return {
        event: probability(tree, {**events, event: 1.0}) - probability(tree, {**events, event: 0.0})
        for event in events
    }


def _cuts(tree: Tree) -> set[frozenset[str]]:
    if isinstance(tree, str):
        return {frozenset({tree})}
    inputs = [_cuts(one) for one in tree.inputs]
    joined: set[frozenset[str]] = set()
    for chosen in itertools.combinations(inputs, tree.needed):
        joined |= _products(chosen)
    return _minimal(joined)


def _products(factors: Sequence[set[frozenset[str]]]) -> set[frozenset[str]]:
    out = {frozenset[str]()}
    for factor in factors:
        out = _minimal({one | other for one in out for other in factor})
    return out


def _minimal(sets: set[frozenset[str]]) -> set[frozenset[str]]:
    out: list[frozenset[str]] = []
    for one in sorted(sets, key=len):
        if not any(smaller <= one for smaller in out):
            out.append(one)
    return set(out)


_Cuts = frozenset[frozenset[str]]


def _of_cuts(
    cuts: _Cuts, order: Sequence[str], events: Mapping[str, float], known: dict[_Cuts, float]
) -> float:
    """Return the probability that one of the cut sets happens: decide the first event that is in
    any, and then the others; what remains of the sets names the node of the diagram."""
    if frozenset() in cuts:
        return 1.0
    if not cuts:
        return 0.0
    if cuts not in known:
        event = next(name for name in order if any(name in cut for cut in cuts))
        happened = frozenset(_minimal({cut - {event} for cut in cuts}))
        absent = frozenset(cut for cut in cuts if event not in cut)
        share = events[event]
        known[cuts] = math.fsum(
            (
                share * _of_cuts(happened, order, events, known),
                (1.0 - share) * _of_cuts(absent, order, events, known),
            )
        )
    return known[cuts]
