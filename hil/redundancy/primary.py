"""A primary with monitors: one node commands, the others compute along and monitor it. Pure.

The output of the primary is delivered. A monitor disagrees with it if it has another output. The
primary is *contradicted* in a frame in which as many monitors as the rule asks for disagree with
it, or all that answered.

    in the frame                          the primary    delivered
    not contradicted                      commands       its output
    contradicted, in fewer than `frames`  commands       its output: nobody is repaired for it
      consecutive frames
    contradicted in `frames` consecutive  is voted out   the output of the first other one in the
      frames, and two others agree                         list that another node confirms: it
                                                           commands now
    contradicted in `frames` consecutive  commands       its output if a monitor has the same one,
      frames, and no two others agree                      else nothing: the nodes go back to a
                                                           checkpoint, and compute the frame again
    no answer, and two others agree       commands no    the output of the first one that another
                                            longer         node confirms: it commands now
    no answer, and no two others agree    -              nothing: they go back to a checkpoint
    one node alone answers                it commands    by the rule for unvoted outputs

So monitors never take the last healthy node out: command passes only to a node that another one
confirms, and of two nodes that disagree neither removes the other. A node that was voted out is
repaired like any that dissents, and monitors from then on: command does not return by itself.

Where the primary is not contradicted, it and the monitors with its output vote on the state, and a
node that differs in output or state is repaired."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from hil.redundancy.voting import (
    FAIL_SILENT,
    HELD,
    HELD_WRONG,
    RE_EXECUTED,
    STATE_SPLIT,
    Ballot,
    NodeStatus,
    Verdict,
    VerdictKind,
    Voter,
    packed,
    vote,
)

__all__ = ["FIRST_COMMANDS", "PrimarySnapshot", "PrimaryVoter"]


class PrimarySnapshot(NamedTuple):
    """The state between two frames. `node`: the index of the node that commands; `contradicted`: in
    how many consecutive frames its monitors contradicted it; `changes`: how often command has
    passed so far."""

    node: int = 0
    contradicted: int = 0
    changes: int = 0


FIRST_COMMANDS: Final = PrimarySnapshot()
"""At the beginning of a run, the first node of the list commands."""


@dataclass(slots=True, eq=False)
class PrimaryVoter:
    """The voter of one rig with a primary: `votes` monitors that disagree in `frames` consecutive
    frames vote it out. `inner` decides among equals. A vote changes nothing; `settle` takes the
    final verdict of a frame. Not thread-safe."""

    votes: int
    frames: int
    inner: Voter = vote
    memory: PrimarySnapshot = FIRST_COMMANDS

    def __call__(
        self,
        frame: int,
        ballots: Sequence[Ballot],
        voters: int,
        golden_output: int | None = None,
        *,
        re_executed: bool = False,
        fail_silent: bool = False,
        held: int = 0,
    ) -> Verdict:
        """Return the verdict of a frame by the table of the module. The arguments are those of
        `hil.redundancy.voting.vote`. Raises: KernelError for more than 8 nodes."""
        heard = _heard(ballots, voters)
        primary = self._primary_of(ballots, heard)
        alike = 0 if primary is None else _alike(ballots, heard, primary)
        alone = heard.bit_count() < 2
        verdict = self.inner(
            frame,
            ballots,
            voters if alone else alike,
            golden_output,
            re_executed=re_executed,
            fail_silent=fail_silent and alone,
            held=held,
        )
        if alone:
            return packed(verdict, primary if verdict.delivered else None)
        in_doubt = (
            primary == self.memory.node
            and self._is_contradicted(heard, alike)
            and self._is_patient()
        )
        confirmed = alike & (alike - 1)
        if not verdict.delivered or not (confirmed or in_doubt):
            return _undecided(verdict, voters, held, primary)
        return _delivered(verdict, voters, heard, primary, contested=in_doubt)

    def _primary_of(self, ballots: Sequence[Ballot], heard: int) -> int | None:
        """Return who commands in a frame; None if nobody does."""
        primary = self.memory.node
        if not heard & (heard - 1):
            return heard.bit_length() - 1 if heard else None
        if not heard >> primary & 1:
            return _first_confirmed(ballots, heard)
        contradicted = self._is_contradicted(heard, _alike(ballots, heard, primary))
        if not contradicted or self._is_patient():
            return primary
        successor = _first_confirmed(ballots, heard & ~(1 << primary))
        return primary if successor is None else successor

    def _is_patient(self) -> bool:
        """Return whether a primary that is contradicted in this frame still commands."""
        return self.memory.contradicted + 1 < self.frames

    def _is_contradicted(self, heard: int, alike: int) -> bool:
        """Return whether the nodes `alike`, which have the primary's output, are contradicted by
        the others of `heard`."""
        against = (heard & ~alike).bit_count()
        return against >= self.votes or (against > 0 and alike.bit_count() == 1)

    def settle(self, verdict: Verdict) -> None:
        """Take the final verdict of a frame."""
        primary = verdict.primary
        if primary is None:
            return
        if primary != self.memory.node:
            self.memory = PrimarySnapshot(primary, 0, self.memory.changes + 1)
            return
        heard = _heard(verdict.ballots, verdict.voters)
        contradicted = 0
        if heard >> primary & 1 and self._is_contradicted(
            heard, _alike(verdict.ballots, heard, primary)
        ):
            contradicted = min(self.memory.contradicted + 1, self.frames)
        self.memory = self.memory._replace(contradicted=contradicted)

    def again(self, recorded: Verdict) -> Verdict:
        """Return the verdict on a recorded frame. What a vote cannot determine is copied from it:
        whether the output is right, and whether one was held."""
        return self(
            recorded.frame,
            recorded.ballots,
            recorded.voters,
            recorded.output if recorded.correct else None,
            re_executed=bool(recorded.flags & RE_EXECUTED),
            fail_silent=bool(recorded.flags & FAIL_SILENT),
            held=recorded.flags & (HELD | HELD_WRONG),
        )


def _heard(ballots: Sequence[Ballot], voters: int) -> int:
    done = NodeStatus.DONE
    return sum(1 << i for i, b in enumerate(ballots) if voters >> i & 1 and b.status == done)


def _alike(ballots: Sequence[Ballot], heard: int, node: int) -> int:
    """Return the mask of the heard nodes that have the output of `node`."""
    output = ballots[node].output_digest
    return sum(
        1 << i for i, b in enumerate(ballots) if heard >> i & 1 and b.output_digest == output
    )


def _first_confirmed(ballots: Sequence[Ballot], heard: int) -> int | None:
    """Return the first node of `heard` whose output another one has."""
    for node in range(len(ballots)):
        if heard >> node & 1 and _alike(ballots, heard, node).bit_count() > 1:
            return node
    return None


def _undecided(verdict: Verdict, voters: int, held: int, primary: int | None) -> Verdict:
    """Return the verdict without an output; `verdict` is any one of the frame."""
    flags = verdict.flags & RE_EXECUTED | held
    undecided = verdict._replace(
        kind=VerdictKind.NO_MAJORITY,
        voters=voters,
        flags=flags,
        agree=0,
        dissent=0,
        latent=0,
        output=0,
        state=0,
    )
    return packed(undecided, primary)


def _delivered(
    verdict: Verdict, voters: int, heard: int, primary: int | None, *, contested: bool
) -> Verdict:
    """Return the verdict that delivers the output of the primary, from that of the nodes which
    have the same one."""
    apart = (verdict.dissent | verdict.latent) & voters or verdict.flags & STATE_SPLIT
    whole = heard == voters and not apart
    kind = VerdictKind.UNANIMOUS if whole else VerdictKind.MAJORITY
    if contested:
        kind = VerdictKind.NO_MAJORITY
    return packed(verdict._replace(kind=kind, voters=voters), primary)
