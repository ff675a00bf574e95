"""Voting again by value: from the recorded outputs of all nodes, frame by frame, in order.

A frame without rows of its own follows from its digests: all nodes had the same output, and the
right one. Any other frame must have its outputs in the record."""

from __future__ import annotations

from collections.abc import Sequence

from hil.kernel import Golden, digest64
from hil.record.reader import Reader
from hil.record.row_counts import longest_output
from hil.record.row_values import RecordedReply
from hil.redundancy.electorate import Scheme
from hil.redundancy.value_vote import OutputBallots, OutputBytes, ValueVoter, voter_of_record
from hil.redundancy.voting import (
    CORRECT,
    DELIVERED,
    FAIL_SILENT,
    HELD,
    HELD_WRONG,
    RE_EXECUTED,
    Ballot,
    NodeStatus,
    Verdict,
)
from hil.scenario import Scenario

__all__ = ["ValueBallots", "value_ballots"]


class ValueBallots:
    """Votes the frames of a record again with `voter`; `golden` is None if the golden run is not
    known, and what was recorded as correct is then taken as that."""

    def __init__(self, voter: ValueVoter, scenario: Scenario, golden: Golden | None) -> None:
        self._voter = voter
        self._golden = golden
        self._scheme = Scheme(scenario.rig.size, scenario.rig.unvoted, values=voter)
        self._outputs = OutputBytes(())

    def again(self, recorded: Verdict, replies: Sequence[RecordedReply]) -> Verdict:
        """Return the verdict on a frame; `replies` are its rows, of all executions."""
        self.read(recorded, replies)
        return self.settle(recorded, self._vote(recorded, self._outputs))

    def read(self, recorded: Verdict, replies: Sequence[RecordedReply]) -> None:
        """Take the outputs of the nodes in a frame from its rows `replies`."""
        outputs = [b""] * len(recorded.ballots)
        for reply in replies:  # in the order of executions: the last one counts
            if 0 <= reply.node < len(outputs):
                outputs[reply.node] = reply.output
        golden = None if self._golden is None else self._golden.output
        self._outputs = OutputBytes(outputs, golden)

    def settle(self, recorded: Verdict, verdict: Verdict) -> Verdict:
        """Return the final verdict on a frame, after which the voter remembers it."""
        self._voter.settle(verdict)
        return self._as_known(recorded, verdict)

    def of_replica(
        self, stored: Verdict, recorded: Verdict, packed: bytes
    ) -> tuple[Verdict, bytes]:
        """Return the verdict of a replica of the voter on its recorded view of the frame that was
        read, and the outputs that it alone received: those behind its verdict in `packed`."""
        rest, outputs, evidence = packed[len(stored.record) :], [], b""
        sent = zip(stored.ballots, recorded.ballots, self._outputs.nodes, strict=True)
        for copy, ballot, output in sent:
            if copy == ballot:
                outputs.append(output)
                continue
            length = self._voter.output_len if copy.status == NodeStatus.DONE else 0
            own, rest = rest[:length], rest[length:]
            if length and digest64(own) != copy.output_digest:
                own = b""
            outputs.append(own)
            evidence += own
        verdict = self._vote(stored, OutputBytes(outputs, self._outputs.golden))
        return self._as_known(stored, verdict), evidence

    def decide_alike(self, one: Verdict, other: Verdict) -> bool:
        """Return whether two verdicts on one frame are the same decision by value."""
        return self._voter.decide_alike(one, other)

    def _vote(self, recorded: Verdict, outputs: OutputBytes) -> Verdict:
        kept = recorded.flags & (RE_EXECUTED | FAIL_SILENT | HELD | HELD_WRONG)
        ballots, voters = recorded.ballots, recorded.voters
        return self._voter.vote(recorded.frame, ballots, voters, outputs, flags=kept)

    def _as_known(self, recorded: Verdict, verdict: Verdict) -> Verdict:
        """Return a verdict; where the golden run is not known, as right as it was recorded."""
        if self._golden is None and verdict.flags & DELIVERED:
            return verdict.with_flags(verdict.flags | recorded.flags & CORRECT)
        return verdict

    def are_alike(self, ballots: Sequence[Ballot], first: int, second: int) -> bool:
        """Return whether two nodes of the frame that was voted on last agree by value."""
        return self._voter.are_alike(OutputBallots(ballots, self._outputs), first, second)

    def needs_rows(self, recorded: Verdict) -> bool:
        """Return whether the outputs of a frame must be in the record."""
        state = recorded.state if self._golden is None else self._golden.state_digest
        return not self._scheme.is_plain(recorded, state)


def value_ballots(scenario: Scenario, reader: Reader, golden: Golden | None) -> ValueBallots | None:
    """Return what votes the frames of `reader` again; None for the exact majority. Raises:
    ConfigError if the recorded fields and outputs do not fit together."""
    if scenario.rig.voter.is_exact:
        return None
    length = longest_output(reader) if golden is None else golden.workload.output_len
    voter = voter_of_record(scenario, length)
    return None if voter is None else ValueBallots(voter, scenario, golden)
