"""Verifying deliveries: what left the system without a vote, against the rule of the scheme.

Frame by frame, in order: whether the output of a node that was alone was kept back, whether the
last voted output was held, and that the recorded bytes are those of that output."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from hil.kernel import digest64
from hil.record.digest import hex64
from hil.record.row_values import RecordedReply
from hil.redundancy.electorate import is_alone
from hil.redundancy.hold import OutputHold
from hil.redundancy.pairs import Alike, deciding, identical
from hil.redundancy.schemes import command_rule, scheme_of
from hil.redundancy.time_redundancy import confirmed
from hil.redundancy.voting import FAIL_SILENT, RE_EXECUTED, Ballot, NodeStatus, Verdict
from hil.scenario import Scenario
from hil.verification.findings import Verification

__all__ = ["DeliveryCheck", "executions_of"]


class DeliveryCheck:
    """The rule of `scenario`, applied to the frames of its record; differences go to `out`. `alike`
    compares the two nodes of a pair in the frame that is checked."""

    def __init__(self, out: Verification, scenario: Scenario, alike: Alike = identical) -> None:
        self._out = out
        self._alike = alike
        self._scheme = scheme_of(scenario)
        self._hold = OutputHold(self._scheme)
        self._frames_alone = 0
        self._command = command_rule(scenario, self._scheme)

    def frame(
        self, recorded: Verdict, value: bytes | None, executions: Sequence[Sequence[Ballot]]
    ) -> None:
        """Check one frame; `value` is the output that its row in `frames` has, None without one;
        `executions` are the recorded ballots of its executions, in order, none if all agreed."""
        self._alone(recorded, self._is_confirmed(recorded, executions))
        self._decided_by_pairs(recorded)
        self._held(recorded, value)
        self._hold.update(recorded, b"")
        self._command.update(recorded)

    def _is_confirmed(self, recorded: Verdict, executions: Sequence[Sequence[Ballot]]) -> bool:
        """Compare the executions of a node with what they have led to; return whether they confirm
        its output. Without time redundancy, nothing else does."""
        if self._scheme.executions == 1 or not executions:
            return True
        only = [ballots[0] for ballots in executions]
        agreed = confirmed(only)
        self._out.compare(
            recorded.frame,
            "its executions disagreed",
            bool(recorded.flags & RE_EXECUTED),
            len(set(only)) > 1,
        )
        return agreed is not None and agreed == only[-1]

    def _alone(self, recorded: Verdict, confirmed_: bool) -> None:
        alone = is_alone(recorded)
        self._frames_alone = self._frames_alone + 1 if alone else 0
        asked = recorded.voters.bit_count()
        delivers = confirmed_ and self._scheme.delivers_unvoted(self._frames_alone, asked)
        delivers = delivers and not self._command.withholds(self._frames_alone)
        kept_back = alone and not delivers
        self._out.compare(
            recorded.frame,
            "the output of a node that was alone was kept back",
            bool(recorded.flags & FAIL_SILENT),
            kept_back,
        )

    def _decided_by_pairs(self, recorded: Verdict) -> None:
        """Compare the voters of a scheme of pairs with the rule: whole pairs that agree with
        themselves, one of them where priority decides."""
        scheme = self._scheme
        if not scheme.pairs:
            return
        whole = [pair for pair in scheme.pairs if not pair & ~recorded.voters]
        by_rule = deciding(
            whole,
            recorded.ballots,
            recorded.voters,
            by_priority=scheme.by_priority,
            alike=self._alike,
        )
        self._out.compare(recorded.frame, "nodes of pairs that speak", recorded.voters, by_rule)

    def _held(self, recorded: Verdict, value: bytes | None) -> None:
        out, number = self._out, recorded.frame
        offer = None if recorded.delivered else self._hold.held_output
        out.compare(number, "the last voted output was held", recorded.held, offer is not None)
        if offer is None:
            return
        wrong = (recorded.held_wrong, offer.wrong)
        out.compare(number, "the held output was wrong in its own frame", *wrong)
        if value is None:
            out.differs(number, "the held output", "missing in `frames`", hex64(offer.digest))
        else:
            out.outputs += 1
            now = hex64(digest64(value))
            out.compare(number, "digest of the held output", hex64(offer.digest), now)


def executions_of(replies: Iterable[RecordedReply]) -> list[list[Ballot]]:
    """Return the ballots of each recorded execution of a frame, in the order of the nodes."""
    out: defaultdict[int, list[Ballot]] = defaultdict(list)
    for reply in replies:
        status = NodeStatus[reply.status.upper()]
        digests = int(reply.output_digest, 16), int(reply.state_digest, 16)
        out[reply.execution].append(Ballot(status, reply.signal, *digests))
    return [out[execution] for execution in sorted(out)]
