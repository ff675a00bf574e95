"""`one_at_a_time` is a campaign's mode: what it does, and that every output says so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from hil.cli.announce import what_will_run
from hil.doctor.files import check
from hil.engine.loop import Loop
from hil.record.reader import Reader
from hil.record.run_result import RunResult
from hil.scenario import Scenario
from hil.verification.recorded_run import campaign_mode, result_of
from hil.verification.replay import verify

STATE_BIT = {"frame": 10, "node": "a", "target": "state", "bit": 7, "tick": 0}
WAITS = "one upset at a time: each waits until the rig has recovered from the one before"
HEALED = f"{WAITS}; the bench heals the only node from the fault-free run after each"


def scenario(scheme: str, one_at_a_time: bool | None) -> Scenario:
    upsets: dict[str, Any] = {"events": [STATE_BIT]}
    if one_at_a_time is not None:
        upsets["one_at_a_time"] = one_at_a_time
    rig = {"scheme": scheme, "board": "inproc"}
    return Scenario.model_validate(
        {
            "workload": "sha256",
            "frames": 40,
            "rig": rig,
            "upsets": upsets,
            "expect": {"sdc_frames": ">= 0"},
        }
    )


def run(out: Path, s: Scenario) -> RunResult:
    out.mkdir()
    return Loop(s, out).run()


def test_a_single_computer_keeps_its_wrong_state_unless_a_campaign_is_asked_for(
    tmp_path: Path,
) -> None:
    """The same upset: wrong outputs to the end, or those of one experiment."""
    flight = run(tmp_path / "flight", scenario("simplex", None))
    assert flight.metrics["by_system_outcome.sdc_escaped"] == 1
    assert flight.metrics["sdc_frames"] == 30
    campaign = run(tmp_path / "campaign", scenario("simplex", True))
    assert campaign.metrics["sdc_frames"] <= 1


@pytest.mark.parametrize(
    ("scheme", "asked", "said"),
    [("simplex", True, HEALED), ("tmr", True, WAITS), ("tmr", False, ""), ("simplex", None, "")],
)
def test_every_output_names_the_mode_of_a_campaign_and_no_other(
    tmp_path: Path, scheme: str, asked: bool | None, said: str
) -> None:
    s = scenario(scheme, asked)
    result = run(tmp_path / "run", s)
    assert s.campaign_mode == result.campaign_mode == result.as_json()["campaign_mode"] == said
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert manifest["campaign_mode"] == said
    suite = ElementTree.parse(tmp_path / "run" / "junit.xml").getroot()  # noqa: S314  (our own file)
    properties = {p.attrib["name"]: p.attrib["value"] for p in suite.iter("property")}
    assert properties.get("campaign_mode", "") == said
    reader = Reader(tmp_path / "run")
    assert campaign_mode(reader) == result_of(reader).campaign_mode == said
    assert verify(reader).differences == []
    reader.close()
    told = " ".join(what_will_run(s, tmp_path / "run", resume=False).split())
    assert (said in told) if said else ("one upset at a time" not in told)


def test_check_names_the_mode(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    text = "schema: 1\nworkload: sha256\nframes: 9\nrig: {scheme: simplex}\n"
    path.write_text(text, encoding="ascii")
    assert check(str(path)).campaign_mode == ""
    path.write_text(text + "upsets: {one_at_a_time: true}\n", encoding="ascii")
    assert check(str(path)).as_json()["campaign_mode"] == HEALED
