"""Upsets that name a region of a program: which bits of its state they hit."""

from __future__ import annotations

from typing import Any

import pytest

from hil.cli.announce import what_will_run
from hil.errors import ConfigError
from hil.kernel import NamedRegion, Workload
from hil.scenario import Scenario
from hil.upsets.limits import check_upsets
from hil.upsets.planner import UpsetPlanner

WEIGHTS = NamedRegion("conv.weight", "fp32", "weights", False, (2, 3), 8, 24)
BIAS = NamedRegion("bias", "int8", "weights", True, (4,), 32, 4)
WORKLOAD = Workload("exec:net", 36, 8, 8, 0, 1, 0, (WEIGHTS, BIAS))


def scenario(rig: Any = None, **upsets: Any) -> Scenario:
    return Scenario.model_validate(
        {
            "workload": "exec",
            "exec": {"program": "net"},
            "frames": 400,
            "rig": rig or {"scheme": "tmr", "board": "process"},
            "upsets": upsets,
        }
    )


def event(**how: Any) -> dict[str, Any]:
    return {"frame": 3, "node": "b", "target": "state", **how}


def test_a_bit_counts_from_the_beginning_of_its_region() -> None:
    planned = UpsetPlanner(
        scenario(events=[event(region="bias", bit=9), event(bit=9)]), WORKLOAD
    ).due(3, settled=True)
    assert [(plan.bit, plan.exact) for plan in planned] == [(8 * 32 + 9, True), (9, True)]


def test_drawn_bits_stay_in_their_region_and_reach_all_of_it() -> None:
    rate = {"target": "state", "region": "bias", "per_s": 200}
    planner = UpsetPlanner(scenario(rates=[rate]), WORKLOAD)
    bits = {plan.bit for frame in range(400) for plan in planner.due(frame, settled=True)}
    assert bits == set(range(8 * 32, 8 * 36))


@pytest.mark.parametrize(
    ("upsets", "said"),
    [
        ({"events": [event(region="biaz")]}, "has no region `biaz`; it has conv.weight, bias"),
        ({"rates": [{"target": "state", "region": "x", "per_s": 1}]}, "has no region `x`"),
        ({"events": [event(region="bias", bit=32)]}, "region bias of exec:net has 32 bits"),
    ],
)
def test_what_a_program_has_not_is_refused(upsets: Any, said: str) -> None:
    with pytest.raises(ConfigError) as error:
        check_upsets(scenario(**upsets), WORKLOAD)
    assert said in error.value.problems[0].message


@pytest.mark.parametrize(
    "wrong", [{"target": "input", "region": "bias"}, {"region": "bias", "us": 5}, {"region": "ä"}]
)
def test_a_region_is_for_the_state_between_two_steps(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"region|us"):
        scenario(events=[event(**wrong)])


def test_a_place_in_a_region_is_its_element_and_bit() -> None:
    assert WEIGHTS.place_of(8 * 8 + 32 * 4 + 30) == "conv.weight[1, 1] bit 30"
    assert BIAS.place_of(8 * 35 + 7) == "bias[3] bit 7"
    scalar = NamedRegion("step", "uint64", "other", False, (), 0, 8)
    assert scalar.place_of(63) == "step bit 63"


@pytest.mark.parametrize(
    ("boards", "golden", "said"),
    [
        (["process", "process"], "host", ""),
        (["process", "serial"], "host", "votes are bit-exact"),
        (["process", "serial"], "recorded", "votes are bit-exact"),
        (["serial", "serial"], "host", "golden: recorded"),
        (["serial", "serial"], "recorded", ""),
    ],
)
def test_a_rig_of_unlike_boards_says_what_floats_mean(
    tmp_path: Any, boards: list[str], golden: str, said: str
) -> None:
    nodes = [
        {"name": f"n{i}", "board": kind, **({"port": f"/dev/tty{i}"} if kind == "serial" else {})}
        for i, kind in enumerate(boards)
    ]
    made = Scenario.model_validate(
        {
            "workload": "exec",
            "exec": {"program": "net", "golden": golden},
            "frames": 4,
            "rig": {"scheme": "dmr", "nodes": nodes},
        }
    )
    text = " ".join(what_will_run(made, tmp_path, resume=False).split())
    assert said in text and bool(said) == ("floats" in text)
