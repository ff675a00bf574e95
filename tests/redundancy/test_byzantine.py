"""Replicas of the voter: every fault of one two-faced node, and the theorem of oral messages."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from hil.redundancy.byzantine import NOTHING, View, combine, decision_of, exchanged, splits_outputs
from hil.redundancy.voting import Ballot, NodeStatus, Verdict, VerdictKind, vote

RIGHT = Ballot(NodeStatus.DONE, 0, 7, 70)
WRONG = Ballot(NodeStatus.DONE, 0, 8, 70)
VALUES = (RIGHT, WRONG, NOTHING)


def sent_by(nodes: int, traitor: int, values: tuple[Ballot, ...]) -> Iterator[dict[int, View]]:
    """What all voters but that of the two-faced node may have received of it: every combination."""
    loyal = [node for node in range(nodes) if node != traitor]
    for given in itertools.product(values, repeat=len(loyal)):
        views = {receiver: [RIGHT] * nodes for receiver in range(nodes)}
        for receiver, value in zip(loyal, given, strict=True):
            views[receiver][traitor] = value
        yield {receiver: tuple(view) for receiver, view in views.items()}


def passed_on_by(
    nodes: int, traitor: int, values: tuple[Ballot, ...]
) -> Iterator[dict[tuple[int, int], Ballot]]:
    """What the voter of the two-faced node may pass on, by sender and receiver."""
    loyal = [node for node in range(nodes) if node != traitor]
    messages = list(itertools.permutations(loyal, 2))
    for given in itertools.product(values, repeat=len(messages)):
        yield dict(zip(messages, given, strict=True))


def outcomes(
    nodes: int, values: tuple[Ballot, ...], *, exchange: bool
) -> tuple[int, int, int, int]:
    """Return how many faults there are; in how many loyal voters disagree, in how many one of them
    accuses a loyal node, and in how many a loyal voter lets out anything but the right output."""
    cases = split = accused = wrong = 0
    everybody = (1 << nodes) - 1
    decided: dict[View, Verdict] = {}
    for traitor in range(nodes):
        lies = list(passed_on_by(nodes, traitor, values)) if exchange else [{}]
        for views in sent_by(nodes, traitor, values):
            for lie in lies:
                seen = views
                if exchange:
                    seen = exchanged(
                        views,
                        lambda sender, relay, to, ballot, lie=lie, traitor=traitor: (  # type: ignore[misc]
                            lie[sender, to] if relay == traitor else ballot
                        ),
                    )
                cases += 1
                loyal = [seen[node] for node in range(nodes) if node != traitor]
                for view in loyal:
                    if view not in decided:
                        decided[view] = vote(0, view, everybody, 7)
                decisions = {decision_of(decided[view]) for view in loyal}
                split += len(decisions) > 1
                accused += any(
                    view[node] != RIGHT
                    for view in loyal
                    for node in range(nodes)
                    if node != traitor
                )
                wrong += any(not decided[view].correct for view in loyal)
    return cases, split, accused, wrong


TWO = (RIGHT, WRONG)


@pytest.mark.parametrize(
    ("nodes", "exchange", "values", "expected"),
    [
        # Each of 3 nodes sends 3 values to each of 2 voters; the two differ in 6 of 9 cases.
        (3, False, VALUES, (27, 18, 0, 0)),
        (4, False, VALUES, (108, 96, 0, 0)),
        (4, True, TWO, (4 * 2**3 * 2**6, 0, 0, 0)),
    ],
)
def test_every_fault_of_one_two_faced_node(
    nodes: int,
    exchange: bool,
    values: tuple[Ballot, ...],
    expected: tuple[int, int, int, int],
) -> None:
    assert outcomes(nodes, values, exchange=exchange) == expected


def test_three_nodes_cannot_hold_with_an_exchange() -> None:
    """A voter that has a right copy and is passed on another one cannot know which of them lies:
    the theorem says that no rule can. Counted by hand: of two messages passed on, with 3 values
    each, only 1 of 9 pairs accuses nobody."""
    cases, split, accused, wrong = outcomes(3, VALUES, exchange=True)
    assert cases == 3 * 9 * 9
    assert accused == 3 * 9 * 8
    assert split > 0
    assert wrong > 0


@pytest.mark.stress
def test_four_nodes_hold_with_an_exchange_of_three_values() -> None:
    cases, *failures = outcomes(4, VALUES, exchange=True)
    assert (cases, failures) == (4 * 3**3 * 3**6, [0, 0, 0])


# --- what replicas decide together ----------------------------------------------------------------


def replicas(views: list[list[Ballot]]) -> dict[int, Verdict]:
    everybody = (1 << len(views)) - 1
    return {receiver: vote(5, view, everybody, 7) for receiver, view in enumerate(views)}


def test_two_against_two_is_no_majority() -> None:
    views = [[RIGHT] * 4, [RIGHT] * 4, [*[RIGHT] * 3, WRONG], [*[RIGHT] * 3, WRONG]]
    verdict = combine(vote(5, [RIGHT] * 4, 0b1111, 7), replicas(views))
    assert verdict.kind is VerdictKind.NO_MAJORITY
    assert not verdict.delivered
    assert (verdict.agree, verdict.dissent, verdict.output) == (0, 0, 0)


def test_one_against_three_counts_as_dissent() -> None:
    views = [[RIGHT] * 4, [RIGHT] * 4, [RIGHT] * 4, [WRONG, *[RIGHT] * 3]]
    verdict = combine(vote(5, [RIGHT] * 4, 0b1111, 7), replicas(views))
    assert verdict.kind is VerdictKind.MAJORITY
    assert verdict.correct
    assert (verdict.agree, verdict.dissent) == (0b0111, 0b1000)
    assert verdict.dissents(3, RIGHT.output_digest)
    assert not verdict.dissents(0, RIGHT.output_digest)


def test_a_reply_that_most_voters_lack_counts_as_dissent_of_its_node() -> None:
    views = [[RIGHT] * 4, *[[NOTHING, *[RIGHT] * 3]] * 3]
    verdict = combine(vote(5, [RIGHT] * 4, 0b1111, 7), replicas(views))
    assert verdict.delivered
    assert verdict.dissent == 0b0001


def test_outputs_are_split_if_one_voter_lets_none_out() -> None:
    views = [[RIGHT, RIGHT], [RIGHT, WRONG]]
    assert splits_outputs(list(replicas(views).values()))
    assert not splits_outputs(list(replicas([[RIGHT, RIGHT]] * 2).values()))
