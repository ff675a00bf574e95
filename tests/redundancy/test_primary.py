"""A primary with monitors: every pattern of faults against the rule, written a second time."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from hil.redundancy.electorate import Electorate, Scheme
from hil.redundancy.primary import PrimarySnapshot
from hil.redundancy.schemes import scheme_of
from hil.redundancy.voting import (
    FAIL_SILENT,
    STATE_SPLIT,
    Ballot,
    NodeStatus,
    Verdict,
    VerdictKind,
    unpack,
)
from hil.scenario import RigConfig, Scenario

RIGHT = Ballot(NodeStatus.DONE, 0, 7, 70)
LATENT = Ballot(NodeStatus.DONE, 0, 7, 71)
WRONG = Ballot(NodeStatus.DONE, 0, 8, 80)
OTHER = Ballot(NodeStatus.DONE, 0, 9, 90)
CRASH = Ballot(NodeStatus.CRASHED, 11)
FAULTS = (LATENT, WRONG, OTHER, CRASH)
NOTHING = "nothing"


def scheme(count: int = 2, **monitors: int) -> Scheme:
    rig = {
        "scheme": "primary_monitors",
        "board": "inproc",
        "monitors": {"count": count, **monitors},
    }
    return scheme_of(Scenario.model_validate({"workload": "attitude", "frames": 1, "rig": rig}))


def decide(policy: Scheme, ballots: tuple[Ballot, ...], voters: int | None = None) -> Verdict:
    everybody = (1 << len(ballots)) - 1 if voters is None else voters
    return policy.decide(3, ballots, Electorate(everybody, 0), 7, frames_alone=0)


def patterns(nodes: int, faulty: int) -> Iterator[tuple[Ballot, ...]]:
    """All patterns of up to `faulty` faulty nodes."""
    for count in range(faulty + 1):
        for where in itertools.combinations(range(nodes), count):
            for faults in itertools.product(FAULTS, repeat=count):
                ballots = [RIGHT] * nodes
                for node, fault in zip(where, faults, strict=True):
                    ballots[node] = fault
                yield tuple(ballots)


def rule(
    ballots: tuple[Ballot, ...], primary: int, before: int, votes: int, frames: int
) -> tuple[int | None, int | str, bool]:
    """The rule with lists and names: who commands, what is delivered, and whether the monitors
    contradict it. `before`: in how many frames they did so."""
    said = {i: b.output_digest for i, b in enumerate(ballots) if b.status == NodeStatus.DONE}
    if len(said) == 1:  # the other ones were asked: nothing is delivered without a comparison
        return None, NOTHING, False

    def confirmed(node: int, among: dict[int, int]) -> bool:
        return any(value == among[node] for other, value in among.items() if other != node)

    if primary not in said:
        able = [node for node in said if confirmed(node, said)]
        return (able[0], said[able[0]], False) if able else (None, NOTHING, False)
    against = [node for node in said if said[node] != said[primary]]
    contradicted = len(against) >= votes or (bool(against) and not confirmed(primary, said))
    if not contradicted or before + 1 < frames:
        return primary, said[primary], contradicted
    rest = {node: value for node, value in said.items() if node != primary}
    able = [node for node in rest if confirmed(node, rest)]
    if able:
        return able[0], said[able[0]], False
    return primary, said[primary] if confirmed(primary, said) else NOTHING, False


@pytest.mark.parametrize("count", [2, 3, 4])
def test_every_pattern_of_two_faulty_nodes_is_decided_by_the_rule(count: int) -> None:
    patience = (1, 3) if count < 4 else (1,)
    for votes, frames in itertools.product(range(1, count + 1), patience):
        policy = scheme(count, votes=votes, frames=frames)
        assert policy.primary is not None
        for ballots in patterns(1 + count, 2):
            for node, before in itertools.product(range(1 + count), range(frames)):
                policy.primary.memory = PrimarySnapshot(node, before)
                verdict = decide(policy, ballots)
                primary, said, contested = rule(ballots, node, before, votes, frames)
                where = (ballots, node, before, votes, frames)
                assert verdict.primary == primary, where
                assert verdict.contested == contested, where
                assert (verdict.output if verdict.delivered else NOTHING) == said, where
                assert unpack(verdict.record).record == verdict.record


def test_one_fault_of_any_node_never_lets_a_wrong_output_out() -> None:
    for count in range(2, 8):
        policy = scheme(count)
        for ballots in patterns(1 + count, 1):
            for node in range(1 + count):
                assert policy.primary is not None
                policy.primary.memory = PrimarySnapshot(node)
                verdict = decide(policy, ballots)
                assert verdict.delivered and verdict.correct
                assert policy.is_compared(verdict)


def test_command_passes_to_the_next_node_that_another_confirms_and_does_not_return() -> None:
    policy = scheme(3)
    assert policy.primary is not None
    for ballots, primary in (
        ((RIGHT,) * 4, 0),
        ((WRONG, RIGHT, RIGHT, RIGHT), 1),
        ((RIGHT,) * 4, 1),  # a is repaired: it monitors
        ((RIGHT, WRONG, RIGHT, RIGHT), 0),
        ((CRASH, WRONG, RIGHT, RIGHT), 2),  # b answers, and nobody confirms it
    ):
        verdict = decide(policy, ballots)
        policy.primary.settle(verdict)
        assert verdict.primary == primary and verdict.correct
    assert policy.primary.memory.changes == 3


def test_primary_is_voted_out_in_the_last_of_the_frames_and_its_output_leaves_until_then() -> None:
    policy = scheme(2, frames=3)
    assert policy.primary is not None
    seen = []
    for ballots in (
        *[(WRONG, RIGHT, RIGHT)] * 2,
        (RIGHT, RIGHT, RIGHT),  # the count begins again
        *[(WRONG, RIGHT, RIGHT)] * 3,
    ):
        verdict = decide(policy, ballots)
        policy.primary.settle(verdict)
        seen.append((verdict.primary, verdict.correct, verdict.contested))
    in_doubt, right = (0, False, True), (0, True, False)
    assert seen == [in_doubt, in_doubt, right, in_doubt, in_doubt, (1, True, False)]


def test_of_two_nodes_that_disagree_neither_takes_the_other_out() -> None:
    """The last healthy node is one of them, and nobody can say which."""
    policy = scheme(2, votes=1)
    assert policy.primary is not None
    for ballots in ((WRONG, RIGHT, CRASH), (RIGHT, WRONG, CRASH), (WRONG, RIGHT, OTHER)):
        for _ in range(5):
            verdict = decide(policy, ballots)
            policy.primary.settle(verdict)
            assert not verdict.delivered and verdict.kind is VerdictKind.NO_MAJORITY
            assert policy.primary.memory.node == 0 and not policy.is_settled(verdict)
    assert policy.primary.memory.changes == 0


def test_last_node_commands_alone_by_the_rule_for_unvoted_outputs() -> None:
    policy = scheme()
    alone = decide(policy, (RIGHT, CRASH, RIGHT), voters=0b001)
    assert alone.delivered and alone.primary == 0 and alone.kind is VerdictKind.SIMPLEX
    asked = decide(policy, (RIGHT, CRASH, CRASH))
    assert not asked.delivered and asked.flags & FAIL_SILENT and asked.primary is None


def test_wrong_state_of_the_primary_is_found_before_it_reaches_an_output() -> None:
    policy = scheme()
    verdict = decide(policy, (LATENT, RIGHT, RIGHT))
    assert (verdict.primary, verdict.latent, verdict.state) == (0, 0b001, RIGHT.state_digest)
    split = decide(policy, (LATENT, RIGHT, CRASH))
    assert split.flags & STATE_SPLIT and not policy.is_settled(split)


@pytest.mark.parametrize(
    ("rig", "message"),
    [
        ({"monitors": {"count": 2, "votes": 3}}, "3 monitors are to disagree, and there are 2"),
        ({"monitors": {"count": 1}}, "greater than or equal to 2"),
        ({"voter": "mid_value"}, "monitors compare digests"),
        ({"hot_spares": 1}, "has no spares"),
        ({"voter_per_node": True}, "has no replicas of the voter"),
        ({"nodes": ["a", "b"]}, "needs exactly 3"),
    ],
)
def test_rig_that_a_primary_cannot_have_is_refused(rig: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RigConfig.model_validate({"scheme": "primary_monitors", **rig})
