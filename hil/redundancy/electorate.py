"""The electorate: whose ballots decide a frame, and what leaves the system without a comparison.

    heard in this frame                      who decides
    two voters or more, with a majority in   the voters
    output and state
    else, nodes that return are heard too    voters and returning nodes together
    else, one voter alone                    nobody: the rule of the scheme says what is delivered

A node that returns was given an agreed state, and its board confirmed the digest. So returning
nodes may break a tie, and outweigh a voter that is alone; one of them against one voter is a tie.
They cannot outvote two voters that agree.

What a scheme delivers when one node answers and no other can be compared with it:

    nothing   no output: the scheme is fail-silent (the default of dmr)
    hold      the output that was voted on last, once more, marked as held (`hil.redundancy.hold`)
    deliver   the node's own output, marked as not voted on (the default of all other schemes)

What a node that is alone comes to is not given to the others: when they return, it first goes back
to the last state that was voted on and computes its own again, and it keeps no checkpoint
meanwhile. Those that return are given that older state, too, and compute it forward themselves. A
node that has delivered alone for more than `BELIEVED_AFTER` frames is believed, as computing so
many again would hold up the frames; one that was silent or held, after `SILENT_BELIEVED_AFTER`:
otherwise a pair would be silent for ever.

Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from hil.redundancy.voting import STATE_SPLIT, Verdict, VerdictKind
from hil.scenario.words import Unvoted

__all__ = ["BELIEVED_AFTER", "SILENT_BELIEVED_AFTER", "Rules", "elect"]

BELIEVED_AFTER: Final = 3000
"""[frame] For so long a node that delivers alone has to compute its state again from the last one
that was voted on, before that state is kept or given to others."""

SILENT_BELIEVED_AFTER: Final = 90_000
"""[frame] The same for a node that is alone and delivers nothing of its own: less than
`hil.redundancy.rollback.RE_EXECUTION_MAX`."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The written rules of a scheme of `size` nodes. `unvoted`: what is delivered without a
    comparison, for `unvoted_frames` frames in a row at most (0: without a limit), then nothing."""

    size: int
    unvoted: Unvoted
    unvoted_frames: int = 0

    def is_compared(self, verdict: Verdict) -> bool:
        """Whether the output and the state of this verdict were found alike on two nodes, or there
        is only one node in the scheme."""
        if not verdict.output or verdict.flags & STATE_SPLIT:
            return False
        return self.size == 1 or not is_alone(verdict)

    @property
    def holds(self) -> bool:
        """Whether the last voted output is delivered again where there is no other."""
        return self.unvoted is Unvoted.HOLD

    @property
    def needed(self) -> int:
        """How many nodes it takes at least for an output in every frame."""
        alone = self.size == 1 or (self.unvoted is Unvoted.DELIVER and not self.unvoted_frames)
        return 1 if alone else 2

    def delivers_unvoted(self, frames_alone: int) -> bool:
        """Whether the output of a node that is alone leaves the system, in its `frames_alone`-th
        frame in a row."""
        if self.size == 1:
            return True
        within = not self.unvoted_frames or frames_alone <= self.unvoted_frames
        return self.unvoted is Unvoted.DELIVER and within

    def believes_alone(self, frames_alone: int) -> bool:
        """Whether the state of a node that is alone, in its `frames_alone`-th frame in a row, is
        one to go back to, and to heal others from."""
        if self.size == 1:
            return True
        delivers = self.delivers_unvoted(frames_alone)
        return frames_alone > (BELIEVED_AFTER if delivers else SILENT_BELIEVED_AFTER)


def is_alone(verdict: Verdict) -> bool:
    """One voter was heard, and nothing to compare it with."""
    return verdict.kind is VerdictKind.SIMPLEX


def elect(
    rules: Rules, count_votes: Callable[[int], Verdict], voters: int, returning: int
) -> Verdict:
    """The verdict of a frame, by the table above. `count_votes` decides it by the nodes of a mask;
    `voters` and `returning` are masks, bit i for node i."""
    verdict = count_votes(voters)
    if rules.is_compared(verdict) or not returning:
        return verdict
    wider = count_votes(voters | returning)
    nobody_to_compare = is_alone(verdict) or verdict.kind is VerdictKind.NO_QUORUM
    return wider if nobody_to_compare or rules.is_compared(wider) else verdict
