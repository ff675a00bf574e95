"""The values of output fields, and what each voter received, wherever a run is shown: in the list,
the summary, the page and the evidence. The values are computed here, with
`struct`, from the bytes in the database."""

from __future__ import annotations

import json
import sqlite3
import struct
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from hil.engine.loop import Loop
from hil.kernel import workload
from hil.report.evidence.evidence_check import check_evidence
from hil.report.evidence.evidence_file import evidence_of, evidence_schema
from hil.report.run_report import runs_page
from hil.scenario import Scenario
from tests.command_line import Hil

FRAME, SPLIT = 10, 15
LAST = workload("attitude").ticks


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Node a has another bias in one frame, and the voter of d another reply of a in a later
    one."""
    path = tmp_path_factory.mktemp("values") / "run"
    path.mkdir()
    events = [
        {"frame": FRAME, "node": "a", "target": "output", "tick": LAST, "bit": 256 + 60},
        {"frame": SPLIT, "node": "a", "target": "link", "noise": "alter", "bit": 62, "to": ["d"]},
    ]
    scenario = {
        "workload": "attitude",
        "frames": 20,
        "rig": {"scheme": "4mr", "board": "inproc", "voter_per_node": True},
        "recovery": {"rollbacks": 0},
        "upsets": {"events": events},
        "expect": "none",
    }
    Loop(Scenario.model_validate(scenario), path).run()
    return path


@pytest.fixture(scope="module")
def stored(run: Path) -> dict[str, tuple[float, ...]]:
    """The seven numbers of each node in the frame, and of the voted output."""
    with closing(sqlite3.connect(run / "run.db")) as db:
        rows = db.execute(
            "SELECT name, output FROM replies, nodes WHERE node = idx AND frame = ?", (FRAME,)
        ).fetchall()
        rows += db.execute("SELECT 'voted', value FROM frames WHERE frame = ?", (FRAME,)).fetchall()
    return {name: struct.unpack("<7d", output) for name, output in rows}


def field(frame: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(f for f in frame["fields"] if f["field"] == name)
    return found


def test_a_frame_lists_each_nodes_value_beside_the_voted_one(
    hil: Hil, run: Path, stored: dict[str, tuple[float, ...]]
) -> None:
    done = hil("replay", run, "--frames", FRAME, "--json")
    (frame,) = done.json["frames"]
    bias = field(frame, "gyro_bias")
    assert (bias["unit"], bias["type"], bias["rule"]) == ("rad/s", "f64", "exact")
    assert tuple(bias["voted"]) == stored["voted"][4:]
    assert {n["node"]: tuple(n["value"]) for n in bias["nodes"]} == {
        name: numbers[4:] for name, numbers in stored.items() if name != "voted"
    }
    apart = [abs(x - y) for x, y in zip(stored["a"][4:], stored["voted"][4:], strict=True)]
    assert [n["difference"] for n in bias["nodes"]] == [max(apart), 0.0, 0.0, 0.0]
    assert [n["cluster"] for n in bias["nodes"]] == [2, 1, 1, 1]
    text = hil("replay", run, "--frames", FRAME).out
    numbers = " ".join(f"{x:.7g}" for x in stored["a"][4:])
    assert f"{numbers} rad/s" in text
    assert f"off by {max(apart):.3g} rad/s in [0]" in text


def test_a_frame_lists_what_each_voter_received_and_decided(hil: Hil, run: Path) -> None:
    (frame,) = hil("replay", run, "--frames", SPLIT, "--json").json["frames"]
    voters = {view["voter"]: view for view in frame["voters"]}
    assert [name for name, view in voters.items() if view["split"]] == ["d"]
    altered = {
        (name, reply["from"])
        for name, view in voters.items()
        for reply in view["received"]
        if not reply["as_sent"]
    }
    assert altered == {("d", "a")}
    assert "a dissents" in voters["d"]["decision"]
    text = hil("replay", run, "--no-tui").out
    assert "the voter of d: majority of b, c and d; a dissents" in text


def test_the_summary_has_the_voted_value_and_the_node_farthest_from_it(
    hil: Hil, run: Path, stored: dict[str, tuple[float, ...]]
) -> None:
    text = " ".join(hil("replay", run, "--summary").out.split())
    assert f"Output, voted in frame {SPLIT}" in text
    apart = abs(stored["a"][4] - stored["voted"][4])
    assert f"1 frame a {apart:.3g} rad/s in [0]" in text.replace("rad/s 1 frame", "1 frame")


def test_the_page_of_a_run_has_values_and_voters_below_a_dissent(
    run: Path, stored: dict[str, tuple[float, ...]]
) -> None:
    text = runs_page([run])
    for name in ("a", "b"):
        numbers = " ".join(f"{x:.7g}" for x in stored[name][4:])
        assert f"<td>{name}</td><td>{numbers} rad/s</td>" in text
    assert "<td>2 of 2</td>" in text
    assert "from a</th>" in text and "<b>other</b>" in text


def test_the_evidence_has_fields_values_and_voters_and_follows_its_schema(
    run: Path, stored: dict[str, tuple[float, ...]]
) -> None:
    content: Any = json.loads(json.dumps(evidence_of(run / "run.db")))
    Draft202012Validator(evidence_schema()).validate(content)
    outputs = content["outputs"]
    assert [(f["name"], f["unit"]) for f in outputs["fields"]] == [
        ("quaternion", ""),
        ("gyro_bias", "rad/s"),
    ]
    first, second = outputs["frames"]
    assert (first["frame"], second["frame"], outputs["differing"]) == (FRAME, SPLIT, 2)
    assert [f["field"] for f in first["fields"]] == ["gyro_bias"]
    assert tuple(field(first, "gyro_bias")["nodes"][0]["value"]) == stored["a"][4:]
    assert [view["voter"] for view in second["voters"]] == ["a", "b", "c", "d"]
    assert check_evidence(content, run / "run.db").ok
    field(first, "gyro_bias")["nodes"][0]["value"][0] = 0.0
    assert "outputs.frames[0]" in " ".join(check_evidence(content, run / "run.db").differences)
