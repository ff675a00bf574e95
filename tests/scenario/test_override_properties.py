"""Properties of command-line overrides: they change what they name, and leave a valid scenario."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from hil.scenario import Overrides, Scenario, parse_scenario
from hil.scenario.overrides import apply
from hil.scenario.rig import default_names
from hil.scenario.words import SchemeName
from hil.scenario.yaml.reader import parse_yaml
from tests.properties import property_of

SCHEMES = st.sampled_from([s for s in SchemeName if not s.has_checkers])  # which need `checkers`
FRAMES = st.integers(1, 500)


@st.composite
def scenarios(draw: st.DrawFn) -> dict[str, Any]:
    """The values of a valid scenario with upsets, with or without named nodes."""
    scheme, frames = draw(SCHEMES), draw(FRAMES)
    names = default_names(scheme.size)
    rig: dict[str, Any] = {"scheme": scheme.value, "board": "process"}
    if draw(st.booleans()):
        names = [f"{name}{name}" for name in names]
        rig["nodes"] = names
    node, frame = st.sampled_from(names), st.integers(0, frames - 1)
    events = st.fixed_dictionaries(
        {"node": node, "frame": frame, "target": st.just("state"), "bit": st.integers(0, 7)}
    )
    rates = st.fixed_dictionaries(
        {"targets": st.just(["state"]), "per_s": st.just(1.0)},
        optional={"nodes": st.lists(node, min_size=1, unique=True)},
    )
    return {
        "schema": 1,
        "workload": "sha256",
        "frames": frames,
        "rig": rig,
        "upsets": {
            "events": draw(st.lists(events, max_size=4)),
            "rates": draw(st.lists(rates, max_size=3)),
        },
    }


OVERRIDES = st.builds(
    Overrides,
    scheme=st.none() | SCHEMES.map(lambda scheme: scheme.value),
    board=st.none() | st.sampled_from(["process", "inproc"]),
    seed=st.none() | st.integers(0, 1000),
    frames=st.none() | FRAMES,
    pace=st.none() | st.sampled_from(["free", "realtime", "60x"]),
)


def overridden(data: dict[str, Any], overrides: Overrides) -> Scenario:
    return parse_scenario(json.dumps(data), overrides=overrides)


@property_of(scenarios(), OVERRIDES)
def test_overrides_leave_the_document_that_they_are_applied_to_as_it_was(
    data: dict[str, Any], overrides: Overrides
) -> None:
    document = parse_yaml(json.dumps(data).encode(), "f.yaml")
    apply(document, overrides)
    assert document == parse_yaml(json.dumps(data).encode(), "f.yaml")


@property_of(scenarios())
def test_no_overrides_change_nothing(data: dict[str, Any]) -> None:
    document = parse_yaml(json.dumps(data).encode(), "f.yaml")
    changed, effects = apply(document, Overrides())
    assert changed == document
    assert effects.notices == effects.left_out == []


@property_of(scenarios(), OVERRIDES)
def test_a_valid_scenario_stays_valid_and_takes_the_values_of_its_overrides(
    data: dict[str, Any], overrides: Overrides
) -> None:
    own, scenario = overridden(data, Overrides()), overridden(data, overrides)
    assert scenario.rig.scheme == (overrides.scheme or own.rig.scheme)
    assert scenario.seed == (own.seed if overrides.seed is None else overrides.seed)
    assert scenario.frame_count == (overrides.frames or own.frame_count)
    assert scenario.pace == (overrides.pace or own.pace)
    if overrides.board is not None:
        assert {node.board for node in scenario.rig.nodes} == {overrides.board}


@property_of(scenarios(), OVERRIDES)
def test_upsets_that_still_have_their_node_and_frame_are_kept_and_the_others_reported(
    data: dict[str, Any], overrides: Overrides
) -> None:
    scenario = overridden(data, overrides)
    names = {node.name for node in scenario.rig.nodes}
    events = data["upsets"]["events"]
    kept = [
        (event["node"], event["frame"])
        for event in events
        if event["node"] in names and event["frame"] < scenario.frame_count
    ]
    assert [(event.node, event.frame) for event in scenario.upsets.events] == kept
    _, effects = apply(parse_yaml(json.dumps(data).encode(), "f.yaml"), overrides)
    rates = len(data["upsets"]["rates"]) - len(scenario.upsets.rates)
    assert bool(effects.left_out) == (len(kept) < len(events) or rates > 0)
    assert all(set(rate.nodes or ()) <= names for rate in scenario.upsets.rates)
