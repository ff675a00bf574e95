"""A scheme decides a frame: who is asked, and what is delivered without a majority."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from hil.redundancy.electorate import Electorate, Scheme
from hil.redundancy.voting import FAIL_SILENT, Ballot, NodeStatus, Verdict, VerdictKind, vote
from hil.scenario.words import Unvoted

RIGHT, WRONG = Ballot(NodeStatus.DONE, 0, 7, 7), Ballot(NodeStatus.DONE, 0, 8, 8)
SILENT = Ballot(NodeStatus.SILENT)
DMR = Scheme(2, Unvoted.NOTHING)
TMR = Scheme(3, Unvoted.DELIVER)


class AskedVoter:
    """The exact majority, which remembers whom it was asked about."""

    def __init__(self) -> None:
        self.asked: list[int] = []

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
        self.asked.append(voters)
        return vote(
            frame,
            ballots,
            voters,
            golden_output,
            re_executed=re_executed,
            fail_silent=fail_silent,
            held=held,
        )


@pytest.mark.parametrize(
    ("ballots", "electorate", "asked", "kind"),
    [
        ((RIGHT, RIGHT, WRONG), Electorate(0b111, 0), [0b111], VerdictKind.MAJORITY),
        ((RIGHT, RIGHT, WRONG), Electorate(0b011, 0b100), [0b011], VerdictKind.UNANIMOUS),
        ((RIGHT, WRONG, RIGHT), Electorate(0b011, 0b100), [0b011, 0b111], VerdictKind.MAJORITY),
        ((RIGHT, SILENT, RIGHT), Electorate(0b011, 0b100), [0b011, 0b111], VerdictKind.MAJORITY),
        ((RIGHT, WRONG, SILENT), Electorate(0b011, 0), [0b011], VerdictKind.NO_MAJORITY),
    ],
)
def test_returning_nodes_are_asked_only_where_the_voters_cannot_decide(
    ballots: tuple[Ballot, ...], electorate: Electorate, asked: list[int], kind: VerdictKind
) -> None:
    voter = AskedVoter()
    verdict = replace(TMR, voter=voter).decide(3, ballots, electorate, 7, frames_alone=0)
    assert voter.asked == asked and verdict.kind is kind


@pytest.mark.parametrize(
    ("scheme", "frames_alone", "delivered"),
    [
        (DMR, 0, False),
        (replace(DMR, unvoted=Unvoted.LAST_NODE), 0, False),
        (replace(DMR, unvoted=Unvoted.DELIVER), 10**6, True),
        (replace(DMR, unvoted=Unvoted.DELIVER, unvoted_frames=2), 1, True),
        (replace(DMR, unvoted=Unvoted.DELIVER, unvoted_frames=2), 2, False),
        (Scheme(1, Unvoted.NOTHING), 10**6, True),
    ],
)
def test_a_node_alone_is_delivered_as_the_scheme_says(
    scheme: Scheme, frames_alone: int, delivered: bool
) -> None:
    verdict = scheme.decide(3, (RIGHT, SILENT), Electorate(0b11, 0), 7, frames_alone=frames_alone)
    assert verdict.delivered is delivered
    assert bool(verdict.flags & FAIL_SILENT) is not delivered


@pytest.mark.parametrize(
    ("ballots", "electorate", "delivered"),
    [
        ((RIGHT, SILENT, SILENT), Electorate(0b111, 0), False),
        ((RIGHT, SILENT, SILENT), Electorate(0b011, 0), False),
        ((RIGHT, SILENT, SILENT), Electorate(0b001, 0b010), False),
        ((RIGHT, SILENT, SILENT), Electorate(0b001, 0), True),
        ((RIGHT, RIGHT, SILENT), Electorate(0b001, 0b010), True),
    ],
)
def test_a_rig_delivers_the_output_of_its_only_node_in_service(
    ballots: tuple[Ballot, ...], electorate: Electorate, delivered: bool
) -> None:
    last_node = replace(TMR, unvoted=Unvoted.LAST_NODE)
    verdict = last_node.decide(3, ballots, electorate, 7, frames_alone=10**6)
    assert verdict.delivered is delivered


def test_another_voter_than_that_of_the_c_code_decides_no_batches() -> None:
    assert TMR.has_exact_majority
    assert not replace(TMR, voter=AskedVoter()).has_exact_majority
