"""The turns of nodes that rest, and how many are wanted meanwhile: every case."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest

from hil.redundancy.rotation import Rotation

NAMES = ("a", "b", "c", "d", "e")


@pytest.mark.parametrize("size", [3, 4, 5])
def test_each_node_rests_for_one_turn_of_as_many_as_there_are_nodes(size: int) -> None:
    names = NAMES[:size]
    rotation = Rotation(names, size - 1, 7)
    frames = [rotation.resting(k) for k in range(7 * size * 4)]
    assert frames[0] == names[-1], "the last one of the list rests first"
    assert Counter(frames) == dict.fromkeys(names, 28)
    turns = [list(turn) for _, turn in itertools.groupby(frames)]
    assert {len(turn) for turn in turns} == {7}
    for window in range(len(turns) - size + 1):
        assert {turn[0] for turn in turns[window : window + size]} == set(names)


def test_turns_begin_where_the_resting_node_changes() -> None:
    rotation = Rotation(NAMES[:3], 2, 5)
    changes = [k for k in range(1, 61) if rotation.resting(k) != rotation.resting(k - 1)]
    k, found = 0, []
    while (k := rotation.next_turn(k)) <= 60:
        found.append(k)
    assert found == changes


def test_third_node_is_wanted_if_the_others_do_not_agree_or_are_not_enough() -> None:
    rotation = Rotation(NAMES[:3], 2, 5)
    subsets = [s for n in range(4) for s in itertools.combinations(NAMES[:3], n)]
    for serving in subsets:
        for voting in (s for s in subsets if set(s) <= set(serving)):
            for resting in NAMES[:3]:
                assert rotation.wanted(resting, serving, voting, decided=False) == 3
                gap = resting in serving and len(set(voting) - {resting}) < 2
                wanted = rotation.wanted(resting, serving, voting, decided=True)
                assert wanted == (3 if gap else 2)
