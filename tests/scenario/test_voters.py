"""The keys `rig.voter` and `fields:` of a workload: what they mean, and what is refused where."""

from __future__ import annotations

import re

import pytest

from hil.errors import ConfigError
from hil.scenario import Scenario, parse_scenario
from hil.scenario.voter import StateVote, VoterName

BEGIN = "workload: attitude\nframes: 10\n"
OWN = "frames: 10\nworkload:\n  c: mine.c\n  fields:\n"


def voter(text: str, begin: str = BEGIN) -> Scenario:
    return parse_scenario(f"{begin}rig:\n  voter: {text}\n", file="f.yaml")


def test_the_exact_majority_is_the_default() -> None:
    scenario = parse_scenario(BEGIN, file="f.yaml")
    assert scenario.rig.voter.is_exact and scenario.rig.voter.state is StateVote.EXACT


@pytest.mark.parametrize(
    "text", ["exact", "{state: exact}", "{fields: {quaternion: exact}}", "{kind: exact}"]
)
def test_exact_in_all_parts_is_exact(text: str) -> None:
    assert voter(text).rig.voter.is_exact


@pytest.mark.parametrize(
    "text", ["bitwise", "{state: ignore}", "{fields: {quaternion: mid_value}}", "mid_value"]
)
def test_a_name_alone_and_each_key_choose_a_voter_by_value(text: str) -> None:
    scenario = voter(text)
    assert not scenario.rig.voter.is_exact
    assert Scenario.model_validate(scenario.model_dump(mode="json", by_alias=True)) == scenario


def test_a_field_has_its_own_rule_or_that_of_the_rig() -> None:
    config = voter("{kind: mid_value, fields: {quaternion: {kind: tolerance, tolerance: 1}}}")
    rules = config.rig.voter
    assert rules.of_field("quaternion").kind is VoterName.TOLERANCE
    assert rules.of_field("gyro_bias").kind is VoterName.MID_VALUE


def test_fields_of_a_workload_of_your_own_follow_each_other() -> None:
    fields = "  - {mode: u16}\n  - {name: angle, type: f64, count: 2, unit: deg, period: 360}\n"
    scenario = voter("mid_value", f"{OWN}{fields}  - {{name: late, type: u8, offset: 20}}\n")
    assert [(f.name, f.offset, f.length) for f in scenario.output_fields] == [
        ("mode", 0, 2),
        ("angle", 2, 16),
        ("late", 20, 1),
    ]


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ("{kind: mid_valu}", "$.rig.voter.kind", "is not a valid voter; expected one of exact,"),
        ("{kind: smoothing}", "$.rig.voter.reach", "the voter `smoothing` needs it"),
        ("{reach: 1.0}", "$.rig.voter.reach", "the voter `exact` does not use it"),
        ("{tolerance: 1.0}", "$.rig.voter.tolerance", "the voter `exact` compares bytes"),
        ("{kind: history, hold_frames: 3}", "$.rig.voter.hold_frames", "holds no value"),
        ("{kind: mid_value, quorum: 3}", "$.rig.voter.quorum", "has no quorum to choose"),
        (
            "{kind: mid_value, ignore_bits: 3}",
            "$.rig.voter.ignore_bits",
            "only integers have bits to ignore; quaternion is f64",
        ),
        (
            "{fields: {gyro_bias: {kind: plurality, ignore_bits: 1}}}",
            "$.rig.voter.fields.gyro_bias.ignore_bits",
            "only integers have bits to ignore; gyro_bias is f64",
        ),
        ("{kind: mid_value, tolerance: -1}", "$.rig.voter.tolerance", "a number from 0"),
        (
            "{fields: {quaternio: exact}}",
            "$.rig.voter.fields.quaternio",
            "the output has no field `quaternio`; it has quaternion, gyro_bias",
        ),
        (
            "mid_value\n  scheme: dual_execution",
            "$.rig.voter",
            "scheme dual_execution compares the executions of a step exactly",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_at_its_place(text: str, where: str, what: str) -> None:
    with pytest.raises(ConfigError) as caught:
        voter(text)
    (problem,) = caught.value.problems
    assert (problem.path, what in problem.message) == (where, True), problem


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ("  - {mode: u33}\n", "is not a type; expected one of u8, i8,"),
        ("  - {name: a, type: f32, fraction_bits: 2}\n", "floating-point numbers have none"),
        ("  - {a: u8}\n  - {a: u8}\n", "there is a field `a` already"),
        ("    []\n", "needs the fields of the output, and none are known"),
    ],
)
def test_fields_that_make_no_sense_are_refused(fields: str, what: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(what)):
        voter("mid_value", f"{OWN}{fields}")
