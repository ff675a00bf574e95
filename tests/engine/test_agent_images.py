"""Agents behind a line say what they run from; what they do not say is unknown."""

from __future__ import annotations

import contextlib
import hashlib
import json
from pathlib import Path

from hil.engine.loop import Loop
from hil.report.evidence.evidence_file import evidence_of
from hil.rig.agent_image import agent_image
from hil.rig.backends.inproc import InprocBoard
from hil.rig.backends.process import find_agent
from hil.rig.calls import Timing
from hil.rig.node import Node
from hil.rig.rig import Rig
from tests.engine.cabled_boards import bench, scenario


def image_of_node(out: Path) -> dict[str, object]:
    with bench(out) as boards:
        Loop(scenario(boards, boot_s=5).model_copy(update={"frames": 5}), out / "r").run()
    images = json.loads(json.dumps(evidence_of(out / "r")))["images"]
    return next(image for image in images if image["node"] == "a")


def test_an_agent_behind_a_serial_line_measures_its_own_executable(tmp_path: Path) -> None:
    (tmp_path / "r").mkdir()
    image = image_of_node(tmp_path)
    assert image["sha256"] == hashlib.sha256(find_agent().read_bytes()).hexdigest()
    assert image["known"] == "reported by the agent, which has read its own executable"


def test_of_an_agent_that_does_not_know_its_image_nothing_is_said() -> None:
    """The one in this process refuses the request, as agents of before do."""
    rig = Rig([Node("a", 0, InprocBoard("a", 0))], "infer", 1, Timing())
    with contextlib.closing(rig):
        rig.open()
        assert agent_image(rig.requests, rig.nodes[0]) is None
