"""Fault trees: enumeration of all patterns of events, and the example of the handbook's kind."""

from __future__ import annotations

import random
from itertools import product

import pytest

from hil.analysis.reliability.fault_tree import (
    Gate,
    Tree,
    all_of,
    any_of,
    at_least,
    cut_sets,
    importance,
    probability,
)
from hil.analysis.reliability.majority import tmr


def happens(tree: Tree, events: dict[str, bool]) -> bool:
    if isinstance(tree, str):
        return events[tree]
    return sum(happens(one, events) for one in tree.inputs) >= tree.needed


def enumerated(tree: Tree, shares: dict[str, float]) -> float:
    total = 0.0
    for pattern in product([True, False], repeat=len(shares)):
        events = dict(zip(shares, pattern, strict=True))
        if happens(tree, events):
            weight = 1.0
            for name, happened in events.items():
                weight *= shares[name] if happened else 1.0 - shares[name]
            total += weight
    return total


def grown(chance: random.Random, names: list[str], depth: int) -> Tree:
    if not depth or chance.random() < 0.2:
        return chance.choice(names)
    inputs = tuple(grown(chance, names, depth - 1) for _ in range(chance.randint(1, 3)))
    return Gate(chance.randint(1, len(inputs)), inputs)


def test_probability_is_the_sum_over_all_patterns_also_with_shared_events() -> None:
    chance = random.Random(2)
    names = list("abcdefg")
    for _ in range(60):
        tree = grown(chance, names, 4)
        shares = {name: chance.random() for name in names}
        assert probability(tree, shares) == pytest.approx(enumerated(tree, shares), abs=1e-12)


def test_cut_sets_cause_the_top_event_and_no_part_of_one_does() -> None:
    chance = random.Random(4)
    names = list("abcdef")
    for _ in range(40):
        tree = grown(chance, names, 4)
        cuts = cut_sets(tree)
        for pattern in product([True, False], repeat=len(names)):
            events = dict(zip(names, pattern, strict=True))
            true = {name for name, happened in events.items() if happened}
            assert happens(tree, events) == any(cut <= true for cut in cuts)
        assert not any(a < b for a in cuts for b in cuts)


def test_tmr_with_a_voter_and_a_common_supply() -> None:
    tree = any_of("voter", "supply", at_least(2, "a", "b", "c"))
    cuts = [sorted(cut) for cut in cut_sets(tree)]
    assert cuts == [["supply"], ["voter"], ["a", "b"], ["a", "c"], ["b", "c"]]
    shares = {"voter": 0.01, "supply": 0.02, "a": 0.1, "b": 0.1, "c": 0.1}
    assert probability(tree, shares) == pytest.approx(1 - 0.99 * 0.98 * tmr(0.9))
    most = importance(tree, shares)
    assert most["voter"] == pytest.approx(0.98 * tmr(0.9))
    assert most["a"] < most["supply"] < 1.0


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="2 of 1"):
        at_least(2, "a")
    with pytest.raises(ValueError, match="probability"):
        probability(all_of("a", "b"), {"a": 0.5, "b": 1.5})
    with pytest.raises(KeyError):
        probability(all_of("a", "b"), {"a": 0.5})
