"""Self-checking pairs: two nodes that compute the same, and speak only if they agree. Pure.

    triple_pairs     three pairs; the majority of the pairs that speak decides
    priority_pairs   four pairs; the first one in the list that speaks commands

A pair *speaks* in a frame if both of its nodes vote and have answered with the same output and the
same state. A pair that is silent does not count, and its nodes cannot outvote anybody; where
another pair decides, each of them is still compared with the result, and the wrong one is repaired.
A pair needs no other: if only one speaks, its output is delivered, because it is compared within
the pair. A fault that hits both nodes of the commanding pair in the same way leaves the system.

The nodes of a pair follow each other in the list of the rig: the first and the second are the first
pair. They may be two boards, or two agents on one board, each with its own port."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from hil.redundancy.voting import Ballot, NodeStatus

__all__ = ["deciding", "pairs_of", "speaking", "speaks"]

_DONE: Final = int(NodeStatus.DONE)


def pairs_of(count: int) -> tuple[int, ...]:
    """Return the masks of `count` pairs, in the order of the rig."""
    return tuple(0b11 << 2 * number for number in range(count))


def speaks(pair: int, ballots: Sequence[Ballot], asked: int) -> bool:
    """Return whether the pair with the mask `pair` speaks; `asked` is the mask of the nodes whose
    ballots may count."""
    if pair & ~asked:
        return False
    first, second = (ballot for node, ballot in enumerate(ballots) if pair >> node & 1)
    return first.status == _DONE and first == second


def speaking(pairs: Iterable[int], ballots: Sequence[Ballot], asked: int) -> tuple[int, ...]:
    """Return the pairs that speak, in their order."""
    return tuple(pair for pair in pairs if speaks(pair, ballots, asked))


def deciding(
    pairs: Iterable[int], ballots: Sequence[Ballot], asked: int, *, by_priority: bool
) -> int:
    """Return the mask of the nodes whose ballots decide: those of all pairs that speak, or
    `by_priority` of the first one; 0 if none speaks."""
    found = speaking(pairs, ballots, asked)
    return sum(found[:1] if by_priority else found)
