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
node that differs in output or state is repaired.

The decision is made in C (csrc/host/primary.c), which runs and the pages of reports share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from hil._kernel import ffi, lib
from hil.kernel import check
from hil.redundancy.voting import (
    CORRECT,
    DELIVERED,
    FAIL_SILENT,
    HELD,
    HELD_WRONG,
    RE_EXECUTED,
    Ballot,
    Verdict,
    Voter,
    decided_in_c,
    from_c,
    in_c,
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
    frames vote it out. `inner` decides among equals; with another one than `vote`, the rest of the
    rule is the same C. A vote changes nothing; `settle` takes the
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
        f = in_c(ballots)
        f.frame, f.voters = frame, voters
        f.flags = (RE_EXECUTED if re_executed else 0) | (FAIL_SILENT if fail_silent else 0) | held
        if self.inner is vote:
            commands = check(lib.primary_decide(self._in_c(), f), "primary_decide")
            if f.flags & DELIVERED and golden_output is not None and f.output == golden_output:
                f.flags |= CORRECT
            return from_c(f, ballots, commands - 1 if commands else None)
        choice = ffi.new("hil_primary_choice_t *")
        check(lib.primary_choose(self._in_c(), f, choice), "primary_choose")
        verdict = self.inner(
            frame,
            ballots,
            choice.asked,
            golden_output,
            re_executed=re_executed,
            fail_silent=fail_silent and choice.alone,
            held=held,
        )
        f = decided_in_c(verdict)
        commands = check(lib.primary_release(choice, f), "primary_release")
        return from_c(f, ballots, commands - 1 if commands else None)

    def _in_c(self) -> Any:
        """Return the rule and the memory as a new hil_primary_t."""
        return ffi.new("hil_primary_t *", [self.votes, self.frames, *self.memory])

    def settle(self, verdict: Verdict) -> None:
        """Take the final verdict of a frame."""
        primary = verdict.primary
        if primary is None:
            return
        memory = self._in_c()
        check(lib.primary_settle(memory, decided_in_c(verdict), 1 + primary), "primary_settle")
        self.memory = PrimarySnapshot(memory.node, memory.contradicted, memory.changes)

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
