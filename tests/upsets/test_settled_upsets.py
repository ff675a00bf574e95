"""What happened to upsets before an agent is killed is not changed by that."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from hil.engine.loop import Loop
from hil.record.reader import Reader
from hil.rig.backends.process import ProcessBoard
from hil.scenario import Scenario
from tests.between_frames import between_frames

HIT = 20
KILLED = 91
TARGETS = ("state", "input", "output", "checkpoint", "stack", "heap", "gpr", "vector", "text")


def events() -> list[dict[str, Any]]:
    """Upsets of every target on every node, one after the other, at the end of a step or before
    it: most of them are masked."""
    found = []
    for number, target in enumerate(TARGETS * 2):
        frame = HIT + 3 * number
        tick = 6 if number % 2 else 0
        found.append({"frame": frame, "node": "abc"[number % 3], "target": target, "tick": tick})
    return found


def run(path: Path, kill: str) -> tuple[list[Any], list[Any]]:
    """The upsets and anomalies of a run in which the agent of node `kill` is killed."""
    path.mkdir()
    scenario = Scenario.model_validate(
        {
            "workload": "attitude",
            "frames": 130,
            "rig": {"scheme": "tmr", "board": "process"},
            "upsets": {"events": events()},
        }
    )
    killed: list[str] = []

    def stop() -> bool:
        if loop.next_frame == KILLED and not killed and kill:
            killed.append(kill)
            board = next(n for n in loop.controls.rig.nodes if n.name == kill).board
            assert isinstance(board, ProcessBoard) and board.pid
            os.kill(board.pid, signal.SIGKILL)
        return False

    loop = Loop(scenario, path, **between_frames(stop))
    loop.run()
    reader = Reader(path / "run.db")
    columns = "id, state, effect, signal, outcome, dormant, detected_frame, resolved_frame"
    upsets = [tuple(row) for row in reader.rows(f"SELECT {columns} FROM upsets ORDER BY id")]
    anomalies = [tuple(r) for r in reader.rows("SELECT frame, node, effect FROM anomalies")]
    reader.close()
    return upsets, anomalies


@pytest.mark.slow
def test_a_killed_agent_is_an_anomaly_and_no_upset_before_it_changes(tmp_path: Path) -> None:
    undisturbed, nothing = run(tmp_path / "undisturbed", "")
    assert nothing == []
    assert {row[1] for row in undisturbed} == {"injected"}
    assert sum(row[2] == "masked" for row in undisturbed) > 5
    for node in "abc":
        upsets, anomalies = run(tmp_path / node, node)
        assert upsets == undisturbed
        assert anomalies == [(KILLED, node, "crash")]
