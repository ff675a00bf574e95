"""The values of outputs as people read them: in the listing, and on the page of a decision."""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import Any

import pytest

from hil.engine.loop import Loop
from hil.kernel import workload
from hil.record.live import LiveRecord
from hil.record.recorded_scenario import RecordedScenario
from hil.redundancy.field_vote import FieldRule
from hil.scenario import Scenario
from hil.scenario.outputs import OutputField, OutputRole, output_fields
from hil.scenario.voter import FieldVoterConfig, VoterName
from hil.views.output_values import difference_text, fields_of, value_text
from hil.views.screen.model.decision import decision
from hil.views.screen.pages.decision import decision_page
from hil.views.screen.pages.style import Marks

MARKS = Marks()
FIELDS = output_fields("attitude")


def attitude(*numbers: float) -> bytes:
    return struct.pack("<7d", *numbers)


def test_a_value_has_its_numbers_and_its_unit() -> None:
    output = attitude(1, 0, 0, 0, 0.25, -1e-9, 1 / 3)
    quaternion, bias = FIELDS
    assert value_text(quaternion, output) == "1 0 0 0"
    assert value_text(bias, output) == "0.25 -1e-09 0.3333333 rad/s"
    assert value_text(bias, output[:40]) == ""
    logits = OutputField("logits", "i32", 0, 6, fraction_bits=1)
    assert value_text(logits, struct.pack("<6i", *range(6))) == "0 0.5 1 1.5 and 2 more"
    bits = OutputField("hash", "u8", 0, 9, role=OutputRole.BITS)
    assert value_text(bits, bytes(range(9))) == "0001020304050607.."


def test_the_number_that_differs_most_is_named() -> None:
    right = attitude(1, 0, 0, 0, 0.25, 0, 0)
    assert difference_text(FIELDS, right, right) == ""
    wrong = attitude(1, 0, 0, 0, 0.25, 0.5, -0.25)
    assert difference_text(FIELDS, wrong, right) == "gyro_bias[1] 0.5 for 0 rad/s"
    lost = attitude(1, 2, math.nan, 0, 9, 0, 0)
    assert difference_text(FIELDS, lost, right) == "quaternion[2] nan for 0"


def test_a_field_that_the_voter_accepts_is_not_named_before_one_that_it_does_not() -> None:
    right, wrong = attitude(1, 0, 0, 0, 0, 0, 0), attitude(0.875, 0, 0, 0, 0.25, 0, 0)
    assert difference_text(FIELDS, wrong, right) == "quaternion[0] 0.875 for 1"
    wide, narrow = (FieldVoterConfig(kind=VoterName.MID_VALUE, tolerance=t) for t in (0.5, 0.125))
    rules = [FieldRule(f, c) for f, c in zip(FIELDS, (wide, narrow), strict=True)]
    assert difference_text(FIELDS, wrong, right, rules) == "gyro_bias[0] 0.25 for 0 rad/s"
    accepted = [FieldRule(field, wide) for field in FIELDS]
    assert difference_text(FIELDS, wrong, right, accepted) == "quaternion[0] 0.875 for 1"


def test_fields_of_a_workload_of_your_own_are_those_that_it_declares() -> None:
    declared = [{"mode": "u32"}, {"name": "angle", "type": "f64", "unit": "deg", "period": 360}]
    scenario = Scenario.model_validate(
        {"workload": {"c": "mine.c", "fields": declared}, "frames": 1}
    )
    fields = fields_of(RecordedScenario.of(scenario))
    assert [(f.name, f.offset, f.unit, f.period) for f in fields] == [
        ("mode", 0, "", 0),
        ("angle", 4, "deg", 360),
    ]
    assert fields_of(RecordedScenario(workload="mine")) == ()


def page_of(tmp_path: Path, voter: object, events: list[dict[str, Any]]) -> str:
    rig = {"scheme": "tmr", "board": "inproc", "voter": voter}
    last = workload("attitude").ticks
    upsets = [{"frame": 20, "target": "output", "tick": last, **event} for event in events]
    data = {"workload": "attitude", "frames": 30, "rig": rig, "upsets": {"events": upsets}}
    Loop(Scenario.model_validate({**data, "expect": "none"}), tmp_path).run()
    source = LiveRecord(tmp_path)
    try:
        source.poll()
        return "\n".join(line.plain for line in decision_page(decision(source, 20), 100, MARKS))
    finally:
        source.close()


@pytest.mark.parametrize("voter", ["exact", {"kind": "mid_value", "tolerance": 1e-6}])
def test_the_page_of_a_decision_shows_who_was_left_out(tmp_path: Path, voter: object) -> None:
    text = page_of(tmp_path, voter, [{"node": "b", "bit": 63}])
    values = text.split(" VALUES ")[1].split(" DIFFERENCES ")[0]
    assert "a and c agree" in values and "left out" in values
    assert ("mid value, tolerance 1e-06 rad/s" in values) is (voter != "exact")
    (own,) = (line for line in values.splitlines() if line.strip().startswith("b "))
    (delivered,) = (line for line in values.splitlines() if line.strip().startswith("quaternion"))
    found, right = float(own.split()[1]), float(delivered.split()[1])
    assert found == -right != 0


def test_nodes_that_agree_within_the_tolerance_agree_on_the_page(tmp_path: Path) -> None:
    text = page_of(tmp_path, {"kind": "tolerance", "tolerance": 1e-9}, [{"node": "b", "bit": 1}])
    assert "unanimous: right output" in text
    assert text.count(" agrees") == 3 and "left out" not in text
