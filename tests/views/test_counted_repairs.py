"""Repairs are counted in one way: in metrics, summary, screen and its list of events."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hil.engine.loop import Loop
from hil.record.live import LiveRecord
from hil.record.reader import Reader
from hil.record.row_counts import repair_costs
from hil.record.run_result import RunResult
from hil.scenario import Scenario
from hil.verification.tally import tally
from hil.views.screen.model.scene import SceneReader

SAME_BIT = [
    {
        "frame": frame,
        "node": node,
        "target": "output",
        "bit": 3,
        "pattern": "stuck",
        "hold_frames": 40,
    }
    for frame, node in ((100, "a"), (110, "b"))
]
"""Two nodes differ, are rolled back in vain, agree on a wrong output, and differ again."""

ALONE = [
    {
        "frame": 20,
        "node": "b",
        "target": "board",
        "action": "power_loss",
        "returns_after_frames": 20,
    },
    {"frame": 30, "node": "a", "target": "state", "bit": 77, "tick": 0},
]
"""The one that was alone goes back to what both agreed on, before the other is healed from it."""


def run(events: list[dict[str, Any]], out: Path) -> RunResult:
    return Loop(
        Scenario.model_validate(
            {
                "workload": "attitude",
                "seed": 3,
                "frames": 200,
                "expect": "none",
                "rig": {"scheme": "dmr", "board": "inproc"},
                "upsets": {"events": events},
            }
        ),
        out,
    ).run()


@pytest.mark.parametrize("events", [SAME_BIT, ALONE])
def test_repairs_are_counted_the_same_everywhere(
    events: list[dict[str, Any]], tmp_path: Path
) -> None:
    result = run(events, tmp_path)
    with closing(Reader(tmp_path)) as reader:
        attempts = repair_costs(reader)
        assert tally(reader).recoveries == result.recoveries
    assert sum(a.ok for a in attempts) == result.recoveries > 0
    rollbacks = [a for a in attempts if a.action == "rollback"]
    assert len(rollbacks) == result.metrics["rollbacks"]
    with closing(LiveRecord(tmp_path)) as source:
        source.poll()
        assert SceneReader(source).scene(source.last).recoveries == result.recoveries


def test_a_rollback_that_is_tried_twice_in_a_frame_names_each_node_once(tmp_path: Path) -> None:
    run(SAME_BIT, tmp_path)
    with closing(LiveRecord(tmp_path)) as source:
        source.poll()
        events = SceneReader(source).scene(source.last, events=50).events
    found = [(e.node, e.count) for e in events if "rollback FAILED" in e.text]
    assert found and set(found) == {("a,b", 2)}
