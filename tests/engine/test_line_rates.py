"""Line rates in a whole run: raised at its beginning, in the record, and given back at its end."""

from __future__ import annotations

import contextlib
import subprocess
import termios
from pathlib import Path

import pytest

from hil.engine.loop import Loop
from hil.record.reader import Reader
from hil.rig.backends.process import find_agent
from hil.scenario import Scenario
from tests.rig.cable import cables


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_run_raises_its_lines_and_records_that(tmp_path: Path) -> None:
    """One board has a good line, one is only good up to 460800, one is told of no faster rate."""
    with cables(tmp_path, "abc") as lines, contextlib.ExitStack() as stack:
        for cable, limit in zip(lines, (termios.B4000000, termios.B460800, None), strict=True):
            cable.limit = limit
            command = [str(find_agent()), "--port", str(cable.board.path), "--exit-with-parent"]
            agent = subprocess.Popen(command, stdin=subprocess.DEVNULL)
            stack.callback(agent.wait)
            stack.callback(agent.kill)
        nodes = [
            {"name": name, "board": "serial", "port": str(cable.host.path), **more}
            for name, cable, more in zip(
                "abc", lines, ({"fast_baud": 921600}, {"fast_baud": 921600}, {}), strict=True
            )
        ]
        scenario = Scenario.model_validate(
            {
                "name": "rates",
                "workload": "sha256",
                "frames": 300,
                "rig": {"scheme": "tmr", "nodes": nodes},
                "expect": {"availability": 1, "sdc_escaped": 0},
            }
        )
        result = Loop(scenario, tmp_path).run()
    assert result.outcome == "pass"
    with contextlib.closing(Reader(tmp_path / "run.db")) as record:
        events = record.rows("SELECT node, reason FROM link_events WHERE reason LIKE 'line rate%'")
    told = [(row["node"], row["reason"]) for row in events]
    assert told == [
        ("a", "line rate raised to 921600"),
        ("b", "line rate 921600 not available: nothing is heard at it"),
        ("b", "line rate raised to 460800"),
    ]
