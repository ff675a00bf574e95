"""What a library user sees of a run through `logging`."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import pytest

from hil.engine import run_log
from hil.engine.loop import Loop
from hil.engine.observers import NodeRepair, RunEvent, TimeSlip
from hil.record.recorder_protocol import RepairAttempt
from hil.redundancy.recovery import NodeState, Transition
from hil.scenario import Scenario
from hil.upsets.outcome import Anomaly
from hil.upsets.words import NodeEffect

LOGGER = "hil.engine.run_log"


def run(out: Path) -> None:
    hit = {"frame": 5, "node": "b", "target": "cpu", "sefi": "crash"}
    Loop(
        Scenario.model_validate(
            {
                "workload": "attitude",
                "frames": 20,
                "rig": {"scheme": "tmr", "board": "inproc"},
                "upsets": {"events": [hit]},
                "expect": "none",
            }
        ),
        out,
    ).run()


def test_events_of_a_run_are_logged_with_their_frame_and_node(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, "hil"):
        run(tmp_path)
    texts = [f"{r.levelname} {r.getMessage()}" for r in caplog.records if r.name == LOGGER]
    assert texts[:4] == [
        "INFO frame 5: node b: voting -> suspect: crashed",
        "INFO frame 5: node b: suspect -> restart: crashed",
        "INFO frame 5: node b: restart (crashed) done",
        "INFO frame 5: node b: restart -> reintegrating: restart done",
    ]
    assert "DEBUG frame 5: node b: upset 1, cpu crash: recovered" in texts


def test_upsets_and_successful_repairs_are_not_warnings(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "hil"):
        run(tmp_path)
    assert not [r for r in caplog.records if r.name == LOGGER]


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (
            Transition(7, "b", NodeState.RESET, NodeState.ISOLATED, "no way left"),
            "frame 7: node b: reset -> isolated: no way left",
        ),
        (
            NodeRepair(7, "b", RepairAttempt("reset", "crash", ok=False, detail="no answer")),
            "frame 7: node b: reset (crash) failed: no answer",
        ),
        (
            Anomaly(7, "b", NodeEffect.CRASH, "signal 11"),
            "frame 7: node b: crash, explained by no upset: signal 11",
        ),
        (TimeSlip(7, None, 2500, "the frame began late"), "frame 7: the frame began late (2.5 ms)"),
        (TimeSlip(7, None, 0, "node b: not heard"), "frame 7: node b: not heard"),
        (TimeSlip(7, "b", 0, "no answer"), "frame 7: node b: no answer"),
    ],
)
def test_what_needs_a_look_is_a_warning(
    event: RunEvent, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    run_log.RunLog().on_event(event)
    assert [(r.levelno, r.getMessage()) for r in caplog.records] == [(logging.WARNING, text)]


def test_without_a_handler_nothing_is_logged_and_nothing_is_written() -> None:
    code = (
        "import logging; from hil.engine.run_log import RunLog, logs_wanted\n"
        "assert logs_wanted() == ()\n"
        "logging.basicConfig()\n"
        "assert len(logs_wanted()) == 1\n"
        "logging.getLogger('hil').setLevel(logging.CRITICAL)\n"
        "assert logs_wanted() == ()\n"
    )
    done = subprocess.run(  # pytest sets up handlers of its own in this process
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
