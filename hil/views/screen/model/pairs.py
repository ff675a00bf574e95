"""The self-checking pairs of a rig as the screen shows them: who commands, who is silent. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hil.redundancy.recovery import NodeState
from hil.redundancy.voting import NodeStatus
from hil.views.screen.model.facts import NodeFacts, Scene

__all__ = ["PairFacts", "pair_of", "pairs_of"]


@dataclass(frozen=True, slots=True)
class PairFacts:
    """One pair: its number from 1, its names as `a+b`, and what it does: `decides` in the newest
    frame, alone as the `commands` of a scheme with priorities; `speaks` without deciding; or
    neither."""

    number: int
    names: str
    decides: bool
    speaks: bool
    by_priority: bool

    @property
    def word(self) -> str:
        """Return what the pair does, in a word."""
        if self.decides:
            return "commands" if self.by_priority else "votes"
        return "ready" if self.speaks else "silent"


def pairs_of(scene: Scene) -> tuple[PairFacts, ...]:
    """Return the pairs of the rig, in their order; none without a scheme of pairs."""
    return tuple(_pairs(scene))


def _pairs(scene: Scene) -> Iterator[PairFacts]:
    rule, vote = scene.run.rule, scene.vote
    for number in range(rule.pairs):
        nodes = [node for node in scene.nodes if node.index // 2 == number]
        mask = 0b11 << 2 * number
        # Where nothing was decided, no pair has spoken.
        decided = vote if vote is not None and vote.delivered else None
        decides = decided is not None and decided.voters & mask == mask
        agrees = decided is not None and not (decided.dissent | decided.latent) & mask
        speaks = len(nodes) == 2 and all(_answers(node) for node in nodes) and agrees
        names = "+".join(node.name for node in nodes)
        yield PairFacts(number + 1, names, decides, speaks, rule.by_priority)


def _answers(node: NodeFacts) -> bool:
    return node.state == NodeState.VOTING and node.status == NodeStatus.DONE.word


def pair_of(node: NodeFacts, scene: Scene) -> PairFacts | None:
    """Return the pair of a node; None without a scheme of pairs."""
    pairs = pairs_of(scene)
    return pairs[node.index // 2] if node.index // 2 < len(pairs) else None
