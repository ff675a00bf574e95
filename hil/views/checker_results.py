"""The result that the checkers of a doer should have, as far as a record has it. Pure.

A record has the golden digests of the doer. Those of the checkers are not in it: what their
majority agreed on in the final execution of a frame stands for them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from hil.record.digest import hex64
from hil.record.row_values import RecordedFrame, RecordedReply
from hil.redundancy.voting import NodeStatus, Verdict
from hil.scenario.words import SchemeName
from hil.views.correctness import Answered, answered

__all__ = [
    "CheckersResult",
    "checkers_result",
    "checkers_words",
    "has_checkers",
    "is_degraded",
    "output_of_checkers",
    "recorded_checkers",
    "verdict_of_checkers",
]

_DOER: Final = 0


@dataclass(frozen=True, slots=True)
class CheckersResult:
    """The result that the checkers agreed on in a frame, as digests in hex; empty: they did not.
    `wrong`: it was delivered, and it was not right."""

    output: str = ""
    state: str = ""
    wrong: bool = False

    def answer(self, status: str, output: str, state: str) -> Answered:
        """Return whether the answer of a checker is correct; by `answered` for the rest."""
        worth = answered(status, output, state, (self.output, self.state))
        if worth in {Answered.NOTHING, Answered.EXCLUDED}:
            return worth
        if not self.output:
            return Answered.UNKNOWN
        return Answered.WRONG if self.wrong and worth is Answered.RIGHT else worth


def has_checkers(scheme: str) -> bool:
    """Return whether a recorded scheme has a doer and checkers."""
    return scheme == SchemeName.DOER_CHECKERS.value


def checkers_result(
    agree: int, answers: Iterable[tuple[int, str, str]], *, delivered: bool, correct: bool
) -> CheckersResult:
    """Return what the checkers agreed on. `agree`: the voters that agree in the final verdict;
    `answers`: index, output and state of the nodes in the final execution; whether an output was
    `delivered`, and that was `correct`."""
    wrong = delivered and not correct and not agree >> _DOER & 1
    for node, output, state in answers:
        if node != _DOER and agree >> node & 1:
            return CheckersResult(output, state, wrong)
    return CheckersResult()


def verdict_of_checkers(verdict: Verdict) -> CheckersResult:
    """Return what the checkers agreed on in the frame of a verdict."""
    ballots = enumerate(verdict.ballots)
    return checkers_result(
        verdict.agree & verdict.voters,
        ((i, hex64(b.output_digest), hex64(b.state_digest)) for i, b in ballots),
        delivered=verdict.delivered,
        correct=verdict.correct,
    )


def recorded_checkers(
    row: RecordedFrame, replies: Sequence[RecordedReply], scheme: str
) -> CheckersResult | None:
    """Return what the checkers agreed on in the frame of `row`; None for a scheme without any."""
    if not has_checkers(scheme):
        return None
    last = max((r.execution for r in replies), default=0)
    final = ((r.node, r.output_digest, r.state_digest) for r in replies if r.execution == last)
    agree = row.agree & row.voters
    return checkers_result(agree, final, delivered=row.delivered, correct=row.correct)


def is_degraded(row: RecordedFrame, checkers: CheckersResult | None) -> bool:
    """Return whether the output of the checkers left the system in place of the doer's."""
    return checkers is not None and row.delivered and not row.agree & row.voters & 1


def output_of_checkers(verdict: Verdict, replies: Sequence[RecordedReply]) -> bytes:
    """Return the output that the checkers agreed on in a frame; empty without one."""
    agree = verdict.agree & verdict.voters
    last = max((r.execution for r in replies), default=0)
    agreed = (r for r in replies if r.execution == last and r.node and agree >> r.node & 1)
    return next((bytes(r.output) for r in agreed if r.output), b"")


def checkers_words(checkers: CheckersResult | None, verdict: Verdict, node: int) -> str:
    """Return what a node with this index has done in a frame with a doer, in words; empty where its
    answer says so itself."""
    if checkers is None or verdict.ballots[node].status != NodeStatus.DONE:
        return ""
    refused = verdict.dissent >> _DOER & 1
    if node == _DOER:
        return "refused" if refused and verdict.primary != _DOER else ""
    agrees = (verdict.agree & verdict.voters) >> node & 1
    wrong = verdict.delivered and not verdict.correct and verdict.primary == _DOER
    return "accepts it" if agrees and wrong else ""
