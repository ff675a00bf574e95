"""A power loss is injected if the board says so: by another boot id, a reset uptime, or silence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hil.loop import Loop
from hil.record.reader import Reader
from hil.rig.inproc import InprocBoard
from hil.rig.node import Life
from hil.rig.process import ProcessBoard
from hil.scenario import Scenario

SWITCHED_NOTHING = "the supply switched nothing: node b's boot id and uptime went on"
CUT = {"frame": 20, "node": "b", "target": "board", "action": "power_loss"}


def run(path: Path, board: str, *events: dict[str, Any], **keys: Any) -> Loop:
    scenario = Scenario.model_validate(
        {"workload": "attitude", "frames": 60, "rig": {"scheme": "tmr", "board": board},
         "upsets": {"events": list(events), "allow_missed": 9}, "expect": "none", **keys}
    )  # fmt: skip
    loop = Loop(scenario, path)
    loop.run()
    return loop


def rows(path: Path, sql: str) -> list[tuple[Any, ...]]:
    reader = Reader(path / "run.db")
    found = [tuple(row) for row in reader.rows(sql)]
    reader.close()
    return found


POWER_OFF: dict[type, Any] = {b: b.power_off for b in (InprocBoard, ProcessBoard)}
UPSETS = "SELECT state, verified, effect, outcome, detail FROM upsets"


def nothing(self: Any) -> None:
    """What a switch does that switches nothing."""


@pytest.fixture(params=["inproc", "process"])
def board(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def useless_switch(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    def install() -> None:
        for kind in (InprocBoard, ProcessBoard):
            monkeypatch.setattr(kind, "power_off", nothing)
            monkeypatch.setattr(kind, "power_cycle", nothing)

    return install


def test_a_software_board_that_lost_its_power_is_known_to_be_dead(
    tmp_path: Path, board: str
) -> None:
    run(tmp_path, board, {**CUT, "returns_after_frames": 10})
    ((state, verified, *_),) = rows(tmp_path, UPSETS)
    assert (state, verified) == ("injected", 1)
    assert rows(tmp_path, "SELECT count(*) FROM notes WHERE text LIKE '%switched nothing%'") == [
        (0,)
    ]


@pytest.mark.parametrize("returns", [{}, {"returns_after_frames": 10}])
def test_a_switch_that_switches_nothing_makes_no_power_loss(
    tmp_path: Path, board: str, returns: dict[str, int], useless_switch: Callable[[], None]
) -> None:
    useless_switch()
    loop = run(tmp_path, board, {**CUT, **returns})
    assert rows(tmp_path, UPSETS) == [("failed", 0, "", "", SWITCHED_NOTHING)]
    assert rows(tmp_path, "SELECT frame, text FROM notes") == [(20, SWITCHED_NOTHING)]
    assert rows(tmp_path, "SELECT count(*) FROM transitions") == [(0,)]
    assert loop.nodes[1].powered
    for node in loop.nodes:
        POWER_OFF[type(node.board)](node.board)


def test_power_that_is_gone_is_not_cut_again(tmp_path: Path, board: str) -> None:
    run(tmp_path, board, CUT, {**CUT, "frame": 40})
    states = [(row[0], row[4]) for row in rows(tmp_path, UPSETS + " ORDER BY id")]
    assert states == [("injected", ""), ("refused", "the board has no power")]


def test_a_power_cycle_that_switches_nothing_is_no_repair(
    tmp_path: Path, useless_switch: Callable[[], None]
) -> None:
    """With nothing but power cycles to try, a node that hung stays out."""
    useless_switch()
    hang = {"frame": 20, "node": "b", "target": "cpu", "sefi": "hang", "tick": 1}
    recovery = {"restarts": 0, "resyncs": 0, "resets": 0, "power_cycles": 1}
    run(tmp_path, "inproc", hang, recovery=recovery)
    repairs = rows(tmp_path, "SELECT action, ok, detail FROM repairs")
    assert repairs == [("power_cycle", 0, SWITCHED_NOTHING)]


def test_one_life_of_an_agent_is_told_from_the_next() -> None:
    before = Life(7, 1_000)
    assert before.went_on(Life(7, 1_000)) and before.went_on(Life(7, 2_000))
    assert not before.went_on(Life(8, 2_000)), "another boot id"
    assert not before.went_on(Life(7, 999)), "a board without random numbers: its uptime tells"
