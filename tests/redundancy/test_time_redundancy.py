"""Executions of one step, compared: every pattern of right, wrong and failed ones."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest

from hil.redundancy.time_redundancy import COUNTED, confirmed, wants_another
from hil.redundancy.voting import Ballot, NodeStatus

RIGHT = Ballot(NodeStatus.DONE, 0, 7, 70)
LATENT = Ballot(NodeStatus.DONE, 0, 7, 71)
WRONG = Ballot(NodeStatus.DONE, 0, 8, 80)
OTHER = Ballot(NodeStatus.DONE, 0, 9, 90)
CRASH = Ballot(NodeStatus.CRASHED, 11)
HANG = Ballot(NodeStatus.HUNG)
KINDS = (RIGHT, LATENT, WRONG, OTHER, CRASH, HANG)


def expected(executions: tuple[Ballot, ...]) -> Ballot | None:
    """The rule of the module, counted by hand: outputs first, then states of those that agree."""
    heard = [b for b in executions if b.status == NodeStatus.DONE]
    for output, count in Counter(b.output_digest for b in heard).items():
        if count < 2 or 2 * count <= len(heard):
            continue
        agreeing = [b for b in heard if b.output_digest == output]
        for ballot, same in Counter(agreeing).items():
            if 2 * same > count:
                return ballot
    return None


@pytest.mark.parametrize("count", range(1, COUNTED + 1))
def test_every_pattern_of_executions_is_confirmed_by_the_rule(count: int) -> None:
    for executions in itertools.product(KINDS, repeat=count):
        assert confirmed(executions) == expected(executions), executions


@pytest.mark.parametrize("planned", [2, 3])
def test_a_single_faulty_execution_never_changes_what_is_confirmed(planned: int) -> None:
    for at, fault in itertools.product(range(COUNTED), KINDS):
        made: list[Ballot] = []
        while wants_another(made, planned):
            made.append(fault if len(made) == at else RIGHT)
        assert confirmed(made) == RIGHT, (at, fault)
        assert planned <= len(made) <= COUNTED


def test_a_third_execution_is_made_only_if_two_differ() -> None:
    assert not wants_another([RIGHT, RIGHT], 2)
    assert wants_another([RIGHT, WRONG], 2)
    assert wants_another([RIGHT, CRASH], 2)
    assert wants_another([RIGHT, RIGHT], 3)
    assert not wants_another([RIGHT, WRONG, OTHER], 2), "nothing is executed without an end"


def test_executions_after_those_that_count_do_not_count() -> None:
    assert confirmed([RIGHT, RIGHT, WRONG, WRONG, WRONG]) == RIGHT
