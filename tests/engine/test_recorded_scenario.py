"""A record holds the scenario of its run: `--verify` and `--resume` read the same one from it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hil import assets
from hil.engine.run_identity import config_hash, scenario_json
from hil.scenario import Scenario, load_scenario

NAMES = [path.stem for path in sorted(assets.scenarios_dir().glob("*.yaml"))]

SUPPLIES: list[dict[str, Any]] = [
    {"kind": "scpi", "resource": "ASRL/dev/ttyUSB9::INSTR", "channel": 2, "voltage_v": 5.1},
    {"kind": "usbhub", "hub": "1-1.4", "port": 3},
    {"kind": "relay", "line": 4, "active_low": True},
    {"kind": "command", "on": "plug on", "off": "plug off", "read": "plug read"},
    {"kind": "manual"},
    {"kind": "mock", "current_limit_a": 2.0},
]


@pytest.mark.parametrize("supply", SUPPLIES, ids=lambda s: str(s["kind"]))
def test_a_record_of_a_rig_with_a_supply_holds_that_rig(supply: dict[str, Any]) -> None:
    node = {"name": "a", "port": "/dev/ttyUSB0", "power": supply}
    rig = {"scheme": "simplex", "board": "serial", "nodes": [node]}
    scenario = Scenario.model_validate({"workload": "attitude", "frames": 9, "rig": rig})
    again = Scenario.model_validate(json.loads(json.dumps(scenario_json(scenario))))
    assert again == scenario and config_hash(again) == config_hash(scenario)


@pytest.mark.parametrize("name", NAMES)
def test_a_record_of_a_shipped_scenario_holds_that_scenario(name: str) -> None:
    scenario = load_scenario(name)
    again = Scenario.model_validate(json.loads(json.dumps(scenario_json(scenario))))
    assert again == scenario and config_hash(again) == config_hash(scenario)
