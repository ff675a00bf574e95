"""Voting again on a doer and its checkers: from the recorded outputs of all nodes, frame by frame.

A frame without rows of its own follows from its digests: every node had the output and the state of
its golden run. Any other frame must have its outputs in the record."""

from __future__ import annotations

from collections.abc import Sequence

from hil.kernel import Golden
from hil.record.reader import Reader
from hil.record.row_values import RecordedReply
from hil.redundancy.checked_tally import CheckedTally
from hil.redundancy.checked_vote import CheckedVoter, all_golden, checked_voter, outputs_with
from hil.redundancy.voting import FAIL_SILENT, HELD, HELD_WRONG, RE_EXECUTED, Verdict
from hil.scenario import Scenario
from hil.verification.findings import Verification

__all__ = ["CheckedBallots", "checked_ballots"]


class CheckedBallots:
    """Votes the frames of a record again with `voter`, beside the `golden` run."""

    def __init__(self, voter: CheckedVoter, golden: Golden) -> None:
        self._voter = voter
        self._golden = golden
        self._tally = CheckedTally()

    def again(self, recorded: Verdict, replies: Sequence[RecordedReply]) -> Verdict:
        """Return the verdict on a frame; `replies` are its rows, of all executions."""
        golden = self._golden
        outputs = [
            own.output if ballot.output_digest == own.output_digest else b""
            for ballot, own in ((b, golden.of(i)) for i, b in enumerate(recorded.ballots))
        ]
        for reply in replies:  # in the order of executions: the last one counts
            if 0 <= reply.node < len(outputs) and reply.output:
                outputs[reply.node] = reply.output
        verdict = self._voter.vote(
            recorded.frame,
            recorded.ballots,
            recorded.voters,
            outputs_with(golden, outputs),
            flags=recorded.flags & (RE_EXECUTED | FAIL_SILENT | HELD | HELD_WRONG),
        )
        self._tally.count(verdict, golden.output_digest)
        return verdict

    def end(self, out: Verification, reader: Reader) -> None:
        """Compare what became of the doer's results with the result of a finished run."""
        result = reader.meta_object("result") or {}
        metrics = result.get("metrics")
        for name, count in self._tally.metrics().items():
            recorded = metrics.get(name) if isinstance(metrics, dict) else None
            out.compare(None, f"`{name}` of the result", recorded, count)
        out.covered.append(
            f"what the checkers made of the doer's results: {self._tally.refused} refused, "
            f"{self._tally.accepted_wrong} accepted although wrong"
        )

    def needs_rows(self, recorded: Verdict) -> bool:
        """Return whether the outputs of a frame must be in the record."""
        return not all_golden(recorded.ballots, self._golden)


def checked_ballots(scenario: Scenario, golden: Golden) -> CheckedBallots | None:
    """Return what votes again on the frames of a doer and its checkers; None for another scheme.
    Raises: ConfigError if the bounds do not fit the recorded workloads."""
    voter = checked_voter(scenario, golden.workload.output_len)
    return None if voter is None else CheckedBallots(voter, golden)
