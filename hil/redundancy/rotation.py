"""Rotation: nodes that take turns to be off, so that each job has its executions on different
boards, and no more of them than are needed. Pure.

    rotating_tmr   of three boards, two execute each step; the third has no power until its turn,
                   or until the two cannot agree

Three sources meet in it. Efficient modular redundancy (Wang et al., Radshield, ASPLOS 2025) has
the executions of a job share no line of a cache or memory, and rotates jobs over the executors;
here they are boards, which share neither, nor power. Two-phase N-modular redundancy (Salehi, Ejlali
and Al-Hashimi, IEEE TPDS 27(5), 2016) makes the last executions only if the first ones differ;
optimistic TMR (Elnozahy, Melhem and Mosse, RTSS 2002) is of the same kind.

In turn k, of `turn_frames` frames each, the node rests that is k places behind the last one of the
list, which rests first. So each rests for one turn of as many as there are nodes. A turn hands over
without a gap: the node that comes on boots, is given the state of the others and votes before the
other one is switched off.

Without faults and hand-overs the rig has the energy of `awake` boards. A permanent fault of one
costs the frames until the third board has booted; from then on two agree again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hil.scenario.words import SchemeName

__all__ = ["HAND_OVER", "UNDECIDED", "Rotation", "rotation_text"]

HAND_OVER = "by turn"
UNDECIDED = "no two nodes in service agree"
"""The reasons for which a node that rests is woken."""


@dataclass(frozen=True, slots=True)
class Rotation:
    """The turns of `nodes`, of which `awake` are to be in service; a turn has `turn_frames`."""

    nodes: Sequence[str]
    awake: int
    turn_frames: int

    def resting(self, nominal: int) -> str:
        """Return the node that rests in a nominal frame."""
        return self.nodes[(nominal // self.turn_frames - 1) % len(self.nodes)]

    def next_turn(self, nominal: int) -> int:
        """Return the first nominal frame after this one in which a turn begins."""
        return (nominal // self.turn_frames + 1) * self.turn_frames

    def wanted(
        self, resting: str, serving: Sequence[str], voting: Sequence[str], *, decided: bool
    ) -> int:
        """Return how many nodes are to be in service: all, if the last frame was not `decided` by
        nodes that agree, or if `resting` is in service and not enough others vote."""
        others = sum(name != resting for name in voting)
        if not decided or (resting in serving and others < self.awake):
            return len(self.nodes)
        return self.awake


def rotation_text(scheme: str) -> str:
    """Return in words how many nodes of a scheme are in service; empty if none rests."""
    resting = [s for s in SchemeName if s.value == scheme and s.awake < s.size]
    return f"{resting[0].awake} of {resting[0].size} nodes in turn" if resting else ""
