"""The electorate: whose ballots decide a frame, and what is delivered without a comparison.

    answers in this frame                    decided by
    two or more voters, with a majority in   the voters
    output and state
    else, also answers of returning nodes    voters and returning nodes together
    else, one voter alone                    the scheme's rule for unvoted outputs

With self-checking pairs (`hil.redundancy.pairs`) only pairs that speak decide, and one is enough.

A returning node (REINTEGRATING) was given an agreed state, and its board confirmed the digest. So
returning nodes may break a tie, and outvote a single voter; one of them against one voter is a tie.
They cannot outvote two voters that agree.

What a scheme delivers when one node answers and no other can be compared with it:

    nothing    no output: the scheme is fail-silent (the default of dmr, pairs and rotation)
    last_node  the node's own output, marked as unvoted, if it is the only node that was asked; no
               output if others were asked as well (the default of all other schemes)
    deliver    the node's own output, marked as unvoted
    hold       the last voted output again, marked as held (`hil.redundancy.hold`)

A node counts as asked if its ballot would have counted in the frame. Recovery, the operator or the
plant takes a node out of service before it is not asked; until then a missing answer proves nothing
of the node that did answer. One late frame of two nodes must not let the output of a third pass
unvoted, which may be the one that was hit.

The state that a node computes alone is not given to the others: when they return, the node first
goes back to the last voted state and computes its own again, and it keeps no checkpoint until then.
The returning nodes are given that older state, too, and compute forward themselves. A node that has
delivered alone for more than `TRUSTED_AFTER` frames is trusted, because computing all of them again
would hold up the frames; a node that delivered nothing, or held outputs, is trusted after
`SILENT_TRUSTED_AFTER` frames: otherwise a pair would remain silent permanently.

Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from hil.redundancy.checked_vote import CheckedVoter
from hil.redundancy.pairs import deciding, identical
from hil.redundancy.primary import PrimaryVoter
from hil.redundancy.spares import first_of
from hil.redundancy.value_vote import OutputBallots, ValueVoter
from hil.redundancy.voting import (
    FAIL_SILENT,
    RE_EXECUTED,
    STATE_SPLIT,
    Ballot,
    NodeStatus,
    Verdict,
    VerdictKind,
    Voter,
    vote,
)
from hil.scenario.voter import StateVote
from hil.scenario.words import Unvoted

__all__ = ["SILENT_TRUSTED_AFTER", "TRUSTED_AFTER", "Electorate", "Scheme", "is_alone"]

TRUSTED_AFTER: Final = 3000
"""[frame] Up to this many frames, a node that delivers alone computes its state again from the last
voted one before that state is kept or given to others."""

SILENT_TRUSTED_AFTER: Final = 90_000
"""[frame] The same for a node that is alone and delivers no output of its own; less than
`hil.redundancy.rollback.RE_EXECUTION_MAX`."""


@dataclass(frozen=True, slots=True)
class Electorate:
    """The nodes whose ballots may decide a frame: masks with bit i for node i. `returning` nodes
    are asked only when the `voters` cannot decide."""

    voters: int
    returning: int


class VoterMemory(Protocol):
    """A voter that remembers something from frame to frame."""

    def settle(self, verdict: Verdict) -> None:
        """Take the final verdict of a frame."""


@dataclass(frozen=True, slots=True)
class Scheme:
    """The policy of a redundancy scheme: its members, how they decide a frame, and what is
    delivered without a majority.

    `members`: the number of nodes. `unvoted`: what is delivered in a frame in which no two nodes
    could be compared, for at most `unvoted_frames` consecutive frames (0: no limit), then nothing.
    `voter`: decides among the ballots of some nodes by their digests; `vote` is the exact majority
    of csrc/host/frame_verdict.c, the only one that frames in batches know. `values`: decides by the
    outputs themselves, in place of `voter`. `executions`: how often a node computes each step
    (`hil.redundancy.time_redundancy`); `pairs`: the masks of its self-checking pairs, and
    `by_priority` whether the first of them that speaks decides (`hil.redundancy.pairs`); with
    `hot_spares` the first `members` nodes that vote decide, and the others are only compared
    (`hil.redundancy.spares`); `awake`: how many of the members are in service, while the others
    rest in turn (`hil.redundancy.rotation`), 0: all; `primary`: the voter of a scheme in which one
    node commands, which is `voter` then."""

    members: int
    unvoted: Unvoted
    unvoted_frames: int = 0
    voter: Voter = vote
    executions: int = 1
    pairs: tuple[int, ...] = ()
    by_priority: bool = False
    values: ValueVoter | CheckedVoter | None = None
    hot_spares: int = 0
    awake: int = 0
    primary: PrimaryVoter | None = None

    @property
    def serving(self) -> int:
        """Return how many nodes are in service while nothing is wrong."""
        return (self.awake or self.members) + self.hot_spares

    def decide(
        self,
        frame: int,
        ballots: Sequence[Ballot],
        electorate: Electorate,
        golden_output: int | None,
        *,
        frames_alone: int,
        re_executed: bool = False,
        held: int = 0,
        confirmed: bool = True,
    ) -> Verdict:
        """Return the verdict of a frame by the module's table.

        `ballots` has one entry per node in rig order; `frames_alone`: in how many consecutive
        frames before this one a single node answered. `golden_output`, `re_executed` and `held` are
        those of `hil.redundancy.voting.vote`. Voters by value need `OutputBallots`.
        `confirmed`: whether the executions of the only node confirm its output; otherwise it
        delivers nothing, like a node that is alone in a cold start. Raises: KernelError for more
        than 8 nodes."""

        def count_votes(nodes: int) -> Verdict:
            delivers = self.delivers_unvoted(frames_alone + 1, nodes.bit_count())
            silent = not (confirmed and delivers)
            if self.values is not None and isinstance(ballots, OutputBallots):
                flags = (RE_EXECUTED if re_executed else 0) | (FAIL_SILENT if silent else 0) | held
                return self.values.vote(frame, ballots, nodes, ballots.outputs, flags=flags)
            return self.voter(
                frame,
                ballots,
                nodes,
                golden_output,
                re_executed=re_executed,
                fail_silent=silent,
                held=held,
            )

        if self.hot_spares:
            electorate = replace(electorate, voters=first_of(electorate.voters, self.members))
        if self.pairs:
            return self._elect_pairs(count_votes, electorate, ballots)
        return self._elect(count_votes, electorate)

    def _elect(self, count_votes: Callable[[int], Verdict], electorate: Electorate) -> Verdict:
        verdict = count_votes(electorate.voters)
        if self.is_compared(verdict) or not electorate.returning:
            return verdict
        wider = count_votes(electorate.voters | electorate.returning)
        nobody_to_compare = is_alone(verdict) or verdict.kind is VerdictKind.NO_QUORUM
        return wider if nobody_to_compare or self.is_compared(wider) else verdict

    def _elect_pairs(
        self,
        count_votes: Callable[[int], Verdict],
        electorate: Electorate,
        ballots: Sequence[Ballot],
    ) -> Verdict:
        """Return the verdict of the pairs that speak; without any, that of pairs with returning
        nodes. If none speaks, there is no output: the nodes of silent pairs do not vote."""
        asked = electorate.voters
        alike = identical if self.values is None else self.values.are_alike
        for mask in (asked, asked | electorate.returning):
            voters = deciding(self.pairs, ballots, mask, by_priority=self.by_priority, alike=alike)
            if voters:
                return count_votes(voters)
        return count_votes(0)

    @property
    def has_exact_majority(self) -> bool:
        """Return whether the C code, which also computes and decides whole batches of frames, does
        the same as this scheme."""
        digests = self.voter is vote and self.values is None
        return digests and self.executions == 1 and not (self.by_priority or self.hot_spares)

    @property
    def ignores_states(self) -> bool:
        """Return whether the states of the nodes are not compared."""
        return self.values is not None and self.values.state is StateVote.IGNORE

    def has_wrong_state(self, verdict: Verdict, golden_state: int) -> bool:
        """Return whether the state of a verdict is not the golden one; where states are ignored,
        whether its output is not."""
        if self.ignores_states:
            return not verdict.correct
        return verdict.state != golden_state

    def is_plain(self, verdict: Verdict, golden_state: int) -> bool:
        """Return whether a verdict by value follows from the digests of its frame: all nodes have
        the same output, the right state, and the voter remembers no values."""
        if self.values is None or self.has_wrong_state(verdict, golden_state):
            return False
        outputs = {b.output_digest for b in verdict.ballots if b.status == NodeStatus.DONE}
        return len(outputs) == 1 and not self.values.remembers_values

    @property
    def compares_others(self) -> bool:
        """Return whether nodes in service may not decide, and are compared all the same."""
        return bool(self.pairs) or self.hot_spares > 0

    def is_compared(self, verdict: Verdict) -> bool:
        """Return whether two nodes agree on the output and the state of this verdict, or the scheme
        has only one node, which delivers its own."""
        if not verdict.output or verdict.flags & STATE_SPLIT:
            return False
        if self.members == 1:
            return not verdict.flags & FAIL_SILENT
        return verdict.kind is VerdictKind.UNANIMOUS or verdict.kind is VerdictKind.MAJORITY

    def is_settled(self, verdict: Verdict) -> bool:
        """Return whether no rollback is due: nodes agree, or a primary that is contested commands
        for the time being."""
        return self.is_compared(verdict) or verdict.contested

    @property
    def memory(self) -> VoterMemory | None:
        """Return the voter that remembers something from frame to frame; None if none does."""
        return self.values or self.primary

    def voting_by(self, voter: Voter) -> Scheme:
        """Return this scheme with another voter among equals; a primary's rule stays."""
        if self.primary is None:
            return replace(self, voter=voter)
        return replace(self, voter=replace(self.primary, inner=voter))

    @property
    def holds(self) -> bool:
        """Return whether the last voted output is delivered again in a frame without one."""
        return self.unvoted is Unvoted.HOLD

    @property
    def needed(self) -> int:
        """Return the least number of nodes for an output in every frame."""
        one_delivers = self.unvoted in (Unvoted.LAST_NODE, Unvoted.DELIVER)
        return 1 if self.members == 1 or (one_delivers and not self.unvoted_frames) else 2

    def has_too_few(self, serving: int) -> bool:
        """Return whether the nodes in the mask `serving` are too few for an output in every
        frame."""
        if self.pairs:
            return all(pair & ~serving for pair in self.pairs)
        return serving.bit_count() < self.needed

    def delivers_unvoted(self, frames_alone: int, asked: int) -> bool:
        """Return whether a single node's own output is delivered in its `frames_alone`-th
        consecutive frame alone; `asked` nodes would have counted in it."""
        if self.members == 1:
            return True
        if self.unvoted_frames and frames_alone > self.unvoted_frames:
            return False
        return self.unvoted is Unvoted.DELIVER or (self.unvoted is Unvoted.LAST_NODE and asked == 1)

    def trusts_alone(self, frames_alone: int) -> bool:
        """Return whether a single node's state may be kept as a checkpoint and given to others, in
        its `frames_alone`-th consecutive frame alone."""
        if self.members == 1:
            return True
        delivers = self.delivers_unvoted(frames_alone, 1)
        return frames_alone > (TRUSTED_AFTER if delivers else SILENT_TRUSTED_AFTER)


def is_alone(verdict: Verdict) -> bool:
    """Return whether only one voter answered, so that there was nothing to compare it with."""
    return verdict.kind is VerdictKind.SIMPLEX
