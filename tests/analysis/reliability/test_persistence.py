"""The persistence model: against a simulation that keeps every node apart, and limits."""

from __future__ import annotations

import random

import pytest

from hil.analysis.reliability.majority import nmr
from hil.analysis.reliability.persistence import PersistenceModel


def simulated(model: PersistenceModel, persistence: int, runs: int) -> float:
    chance, survived = random.Random(11), 0
    for _ in range(runs):
        charges: dict[int, int] = dict.fromkeys(range(model.nodes), 0)
        broken: set[int] = set()
        for frame in range(model.frames):
            if frame == model.broken_from:
                broken = set(range(model.broken))
            wrong = {n for n in charges if n in broken or chance.random() < model.hit}
            if 2 * (len(charges) - len(wrong)) <= len(charges):
                break
            for node in wrong:
                charges[node] += 1
                if charges[node] > persistence:
                    del charges[node]
        else:
            survived += 1
    return survived / runs


@pytest.mark.parametrize("persistence", [0, 1, 3, 8])
def test_model_is_what_a_simulation_of_the_rules_gives(persistence: int) -> None:
    model = PersistenceModel(4, 40, 0.03, broken=1, broken_from=12)
    runs = 4000
    found = simulated(model, persistence, runs)
    expected = model.reliability(persistence)
    assert abs(found - expected) < 3.5 * (expected * (1 - expected) / runs) ** 0.5


def test_without_exclusion_each_frame_is_a_vote_of_all() -> None:
    model = PersistenceModel(5, 10, 0.1)
    assert model.reliability(10) == pytest.approx(nmr(5, 0.9) ** 10, rel=1e-12)


def test_there_is_an_optimum_between_wasting_good_nodes_and_keeping_bad_ones() -> None:
    model = PersistenceModel(4, 200, 0.01, broken=1, broken_from=20)
    counts = [0, 1, 2, 4, 8, 16, 32, 64]
    values = [model.reliability(count) for count in counts]
    best = counts.index(model.best(counts))
    assert 0 < best < len(counts) - 1
    assert values[: best + 1] == sorted(values[: best + 1])
    assert values[best:] == sorted(values[best:], reverse=True)
