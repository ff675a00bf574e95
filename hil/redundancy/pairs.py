"""Self-checking pairs: two nodes that compute the same, and speak only if they agree. Pure.

    triple_pairs     three pairs; the majority of the pairs that speak decides
    priority_pairs   four pairs; the first one in the list that speaks commands

A pair *speaks* in a frame if both of its nodes vote and have answered with the same output and the
same state. With a voter by value, outputs are the same if they agree in every field by its rule,
and states that are ignored are not compared. A pair that is silent does not count, and its nodes
cannot outvote anybody; where another pair decides, each of them is still compared with the result,
and the wrong one is repaired. A pair needs no other: if only one speaks, its output is delivered,
because it is compared within the pair. A fault that hits both nodes of the commanding pair in the
same way leaves the system.

The nodes of a pair follow each other in the list of the rig: the first and the second are the first
pair. They may be two boards, or two agents on one board, each with its own port."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from hil.redundancy.voting import Ballot, NodeStatus

__all__ = ["Alike", "deciding", "identical", "pairs_of", "speaking", "speaks"]

_DONE: Final = int(NodeStatus.DONE)

Alike = Callable[[Sequence[Ballot], int, int], bool]
"""Whether two nodes of a frame, which have both answered, have answered alike."""


def identical(ballots: Sequence[Ballot], first: int, second: int) -> bool:
    """Return whether two nodes have the same output and the same state, by their digests."""
    return ballots[first] == ballots[second]


def pairs_of(count: int) -> tuple[int, ...]:
    """Return the masks of `count` pairs, in the order of the rig."""
    return tuple(0b11 << 2 * number for number in range(count))


def speaks(pair: int, ballots: Sequence[Ballot], asked: int, alike: Alike = identical) -> bool:
    """Return whether the pair with the mask `pair` speaks; `asked` is the mask of the nodes whose
    ballots may count."""
    if pair & ~asked:
        return False
    first, second = (node for node in range(len(ballots)) if pair >> node & 1)
    if ballots[first].status != _DONE or ballots[second].status != _DONE:
        return False
    return alike(ballots, first, second)


def speaking(
    pairs: Iterable[int], ballots: Sequence[Ballot], asked: int, alike: Alike = identical
) -> tuple[int, ...]:
    """Return the pairs that speak, in their order."""
    return tuple(pair for pair in pairs if speaks(pair, ballots, asked, alike))


def deciding(
    pairs: Iterable[int],
    ballots: Sequence[Ballot],
    asked: int,
    *,
    by_priority: bool,
    alike: Alike = identical,
) -> int:
    """Return the mask of the nodes whose ballots decide: those of all pairs that speak, or
    `by_priority` of the first one; 0 if none speaks. `alike` compares the two nodes of a pair."""
    found = speaking(pairs, ballots, asked, alike)
    return sum(found[:1] if by_priority else found)
