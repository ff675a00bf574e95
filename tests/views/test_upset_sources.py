"""What injects upsets into a run, in the words of `hil check` and of the start of a run."""

from __future__ import annotations

import pytest

from hil.scenario import load_scenario, parse_scenario
from hil.views.upset_sources import upset_sources

BEGIN = "schema: 1\nworkload: sha256\nframes: 50\n"
EVENT = "events: [{frame: 3, node: a, target: state, bit: 1}]"
RATE = "rates: [{target: state, per_s: 1}]"


@pytest.mark.parametrize(
    ("upsets", "text"),
    [
        ("", "none"),
        (f"upsets: {{{EVENT}}}", "1 scheduled"),
        (f"upsets: {{{RATE}}}", "1 random source"),
        (f"upsets: {{{EVENT}, {RATE}}}", "1 scheduled, 1 random source"),
    ],
)
def test_sources_without_a_plant(upsets: str, text: str) -> None:
    assert upset_sources(parse_scenario(BEGIN + upsets)) == text


def test_an_orbit_is_a_source() -> None:
    assert upset_sources(load_scenario("lm-saa")) == "radiation along the orbit"
