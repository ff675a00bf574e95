"""Rainflow counts: the example of the standard, another implementation, and pieces of any size."""

from __future__ import annotations

import random
from itertools import pairwise

import numpy as np
import pytest

from hil.board_types.catalogue import load_board_profile
from hil.plant.survey import fly
from hil.plant.thermal_cycles import Cycles, Rainflow
from hil.scenario import Scenario


def counted(values: list[float], cuts: list[int] | None = None) -> Cycles:
    flow = Rainflow()
    for piece in np.split(np.array(values), cuts or []):
        flow.add(piece)
    return flow.cycles()


def test_the_example_of_astm_e1049() -> None:
    """Figure 6 of the standard, section 5.4.4.4."""
    found = counted([-2, 1, -3, 5, -1, 3, -4, 4, -2])
    assert dict(zip(found.swings, found.counts, strict=True)) == {
        3.0: 0.5,
        4.0: 1.5,
        6.0: 0.5,
        8.0: 1.0,
        9.0: 0.5,
    }
    assert (found.number, found.largest) == (4.0, 9.0)


def by_four_points(values: list[float]) -> dict[float, float]:
    """Rainflow by the four-point rule, whose rest is counted as half cycles."""
    points = [v for i, v in enumerate(values) if i == 0 or v != values[i - 1]]
    turns = [
        v
        for i, v in enumerate(points)
        if i in (0, len(points) - 1) or (v - points[i - 1]) * (points[i + 1] - v) < 0
    ]
    stack: list[float] = []
    counts: dict[float, float] = {}
    for point in turns:
        stack.append(point)
        while len(stack) >= 4:
            outer, inner, last = (abs(stack[-k] - stack[-k - 1]) for k in (3, 2, 1))
            if inner > outer or inner > last:
                break
            counts[inner] = counts.get(inner, 0.0) + 1.0
            del stack[-3:-1]
    for a, b in pairwise(stack):
        counts[abs(b - a)] = counts.get(abs(b - a), 0.0) + 0.5
    return counts


@pytest.mark.parametrize("seed", range(20))
def test_counts_are_those_of_the_four_point_rule_however_values_are_cut(seed: int) -> None:
    r = random.Random(seed)
    values = [float(r.randrange(40)) for _ in range(200)]
    cuts = sorted(r.randrange(1, 200) for _ in range(r.randrange(12)))
    found = counted(values, cuts)
    assert dict(zip(found.swings, found.counts, strict=True)) == by_four_points(values)


def test_a_steady_temperature_has_no_cycle_and_a_sine_one_each_turn() -> None:
    assert counted([20.0] * 50).number == 0.0
    t = np.linspace(0.0, 15.0 * 2.0 * np.pi, 15 * 1000 + 1)
    found = counted(list(20.0 + 10.0 * np.cos(t)))
    assert found.number == pytest.approx(15.0)
    assert found.swings == pytest.approx([20.0] * len(found.swings), abs=1e-3)
    assert found.life_used(1000.0, 20.0, 2.65) == pytest.approx(0.015, rel=1e-3)
    assert found.life_used(1000.0, 100.0, 2.0) == pytest.approx(15e-3 / 25.0, rel=1e-3)


@pytest.mark.parametrize("step_s", [5.0, 20.0])
def test_a_flight_has_a_cycle_in_each_of_its_eclipses(step_s: float) -> None:
    """Half a day at noon has 15.06 revolutions a day; whatever the step, and after the warm-up."""
    scenario = Scenario.model_validate(
        {
            "workload": "infer",
            "duration": "24h",
            "frame_ms": 60_000.0,
            "rig": {"board": "inproc", "profile": "raspberry-pi-4b"},
            "plant": {
                "orbit": {
                    "epoch_utc": "2026-03-20T00:00:00Z",
                    "altitude_km": 550.0,
                    "inclination_deg": "sun-synchronous",
                    "ltan": 12.0,
                },
                "step_s": step_s,
            },
        }
    )
    found = fly(scenario, 60.0).figures.cycles["a"]
    assert found.per_day == pytest.approx(15.06, abs=1.2)
    assert found.years is not None and found.years[0] < found.years[1] < found.years[2]
    solder = load_board_profile("raspberry-pi-4b").thermal.solder
    assert solder is not None
    one = (found.largest_k / solder.swing_k.value) ** solder.exponent.value / solder.cycles.value
    assert found.years[1] > 1.0 / (one * found.per_day * 365.25), "no cycle is larger"
