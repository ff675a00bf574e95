"""A power loss is injected if the board says so: by another boot id, a reset uptime, or silence."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hil.engine.loop import Loop
from hil.record.reader import Reader
from hil.rig.backends.inproc import InprocBoard
from hil.rig.backends.process import ProcessBoard
from hil.rig.node import AgentStart
from hil.scenario import Scenario
from hil.verification.replay import verify
from tests.between_frames import between_frames

from .snapshots import snapshot_every_frame

SWITCHED_NOTHING = "the supply switched nothing: node b's boot id and uptime went on"
CUT = {"frame": 20, "node": "b", "target": "board", "action": "power_loss"}


def run(path: Path, board: str, *events: dict[str, Any], **keys: Any) -> Loop:
    scenario = Scenario.model_validate(
        {
            "workload": "attitude",
            "frames": 60,
            "rig": {"scheme": "tmr", "board": board},
            "upsets": {"events": list(events), "allow_missed": 9},
            "expect": "none",
            **keys,
        }
    )
    path.mkdir(exist_ok=True)
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
    assert loop.controls.rig.nodes[1].powered
    for node in loop.controls.rig.nodes:
        POWER_OFF[type(node.board)](node.board)


def test_power_that_is_gone_is_not_cut_again(tmp_path: Path, board: str) -> None:
    run(tmp_path, board, CUT, {**CUT, "frame": 40})
    states = [(row[0], row[4]) for row in rows(tmp_path, UPSETS + " ORDER BY id")]
    assert states == [("injected", ""), ("refused", "the board has no power")]


def test_a_power_cycle_that_switches_nothing_is_a_failed_repair(
    tmp_path: Path, useless_switch: Callable[[], None]
) -> None:
    """With nothing but power cycles to try, a node that hung stays out."""
    useless_switch()
    hang = {"frame": 20, "node": "b", "target": "cpu", "sefi": "hang", "tick": 1}
    recovery = {"restarts": 0, "resyncs": 0, "resets": 0, "power_cycles": 1}
    run(tmp_path, "inproc", hang, recovery=recovery)
    repairs = rows(tmp_path, "SELECT action, ok, detail FROM repairs")
    assert repairs == [("power_cycle", 0, SWITCHED_NOTHING)]


def test_two_starts_of_an_agent_are_distinguished() -> None:
    before = AgentStart(7, 1_000)
    assert before.is_same_start(AgentStart(7, 1_000)) and before.is_same_start(AgentStart(7, 2_000))
    assert not before.is_same_start(AgentStart(8, 2_000)), "another boot id"
    assert not before.is_same_start(AgentStart(7, 999)), (
        "a board without random numbers: its uptime tells"
    )


# --- beside a plant, which has power of its own to give and to take -----------------------------


ISS = {"epoch_utc": "2026-03-20T00:00:00Z", "altitude_km": 420.0, "inclination_deg": 51.64}
EDGES = "SELECT frame, after FROM transitions WHERE node='b' ORDER BY id"


@pytest.mark.parametrize("plant", [{"orbit": ISS}, {"orbit": ISS, "spacecraft": {}}])
def test_the_plant_does_not_give_back_the_power_that_an_upset_took(
    tmp_path: Path, board: str, plant: dict[str, Any]
) -> None:
    loop = run(tmp_path, board, CUT, frame_ms=1000.0, plant=plant)
    assert rows(tmp_path, UPSETS) == [("injected", 1, "crash", "degraded", "")]
    assert rows(tmp_path, EDGES) == [(20, "suspect"), (20, "power_cycle"), (20, "isolated")]
    assert not loop.controls.rig.nodes[1].powered
    levels = rows(tmp_path, "SELECT level FROM plant_nodes WHERE node='b' AND t_us > 22000000")
    assert set(levels) == {("off",)}
    (result,) = rows(tmp_path, "SELECT value FROM meta WHERE key='result'")
    assert json.loads(result[0])["plant"]["sheds"] == 0


def test_the_power_that_an_upset_took_is_back_at_its_frame_beside_a_plant(
    tmp_path: Path, board: str
) -> None:
    loop = run(
        tmp_path,
        board,
        {**CUT, "returns_after_frames": 10},
        frame_ms=1000.0,
        plant={"orbit": ISS, "spacecraft": {}},
    )
    edges = rows(tmp_path, EDGES)
    assert edges[3:] == [(29, "power_cycle"), (29, "reintegrating"), (32, "voting")]
    assert loop.controls.rig.nodes[1].powered


@pytest.mark.parametrize(("level", "since"), [(0, 11), (1, 11), (1, 4)])
def test_the_end_of_a_shedding_does_not_end_the_power_loss_of_an_upset(
    tmp_path: Path, level: int, since: int
) -> None:
    """A profile has b switched off, or suspended, until second 30; an upset takes its power in
    frame 8 and keeps it until frame 45."""
    levels = tmp_path / "levels.csv"
    text = [f"{t},{level if since <= t < 30 else 3}" for t in range(61)]
    levels.write_text("\n".join(["t_s,level.b", *text, ""]), encoding="ascii")
    run(
        tmp_path / "run",
        "inproc",
        {**CUT, "frame": 8, "returns_after_frames": 37},
        frame_ms=1000.0,
        plant={"profile": str(levels)},
    )
    edges = rows(tmp_path / "run", EDGES)
    assert edges[-3:] == [(44, "power_cycle"), (44, "reintegrating"), (47, "voting")]
    assert (30, "reintegrating") not in edges


def test_a_latch_up_ends_with_the_power_of_its_board(tmp_path: Path) -> None:
    """And does not come back with the power."""
    latch_up = {**CUT, "frame": 10, "action": "latch_up"}
    run(
        tmp_path,
        "inproc",
        latch_up,
        {**CUT, "frame": 90, "returns_after_frames": 10},
        frames=200,
        frame_ms=1000.0,
        plant={"orbit": ISS, "spacecraft": {}, "latch_up": {"trip_factor": None}},
    )
    assert [r[:2] for r in rows(tmp_path, UPSETS)] == [("injected", 1), ("injected", 1)]
    assert rows(tmp_path, EDGES)[-1] == (102, "voting")
    sql = "SELECT b.power_w / a.power_w FROM plant_nodes a JOIN plant_nodes b USING (t_us) WHERE "
    sql += "a.node='a' AND b.node='b' AND t_us >= ? AND t_us < ?"
    latched = [r for (r,) in rows(tmp_path, sql.replace("?", "15e6", 1).replace("?", "90e6", 1))]
    later = [r for (r,) in rows(tmp_path, sql.replace("?", "105e6", 1).replace("?", "2e8", 1))]
    assert latched and min(latched) > 1.5
    assert later and later == pytest.approx([1.0] * len(later), rel=0.05)


def test_a_resumed_run_knows_what_cut_the_power(tmp_path: Path) -> None:
    """The plant does not take a cut of an upset for its own."""
    plant = {"orbit": ISS, "spacecraft": {}}
    keys: dict[str, Any] = {"frame_ms": 1000.0, "plant": plant}
    straight = run(tmp_path / "straight", "inproc", CUT, **keys)
    (tmp_path / "again").mkdir()
    scenario = straight.scenario
    asked = iter(range(1000))
    first = Loop(
        scenario, tmp_path / "again", batch=False, **between_frames(lambda: next(asked) >= 40)
    )
    snapshot_every_frame(first)
    assert first.run().outcome == "aborted"
    again = Loop(scenario, tmp_path / "again", resume_run=True)
    again.run()
    assert rows(tmp_path / "again", EDGES) == rows(tmp_path / "straight", EDGES)
    assert not again.controls.rig.nodes[1].powered


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["tmr", "simplex", "dmr"])
def test_what_was_done_for_a_board_after_the_snapshot_is_in_the_record_once(
    scheme: str, tmp_path: Path
) -> None:
    """The power returns at the beginning of the frame from which the run is taken up again."""
    event = {**CUT, "node": "a", "returns_after_frames": 10}
    straight = run(tmp_path / "straight", "inproc", event, rig={"scheme": scheme})
    for frames in range(29, 35):
        path = tmp_path / f"{frames}"
        path.mkdir()
        asked = iter([False] * frames + [True])
        first = Loop(straight.scenario, path, batch=False, **between_frames(asked.__next__))
        snapshot_every_frame(first)
        assert first.run().outcome == "aborted"
        Loop(straight.scenario, path, resume_run=True).run()
        for columns in ("frame, node, after FROM transitions", "frame, node, action FROM repairs"):
            found = rows(path, f"SELECT id, {columns}")
            assert found == rows(tmp_path / "straight", f"SELECT id, {columns}"), frames
        reader = Reader(path)
        assert not verify(reader).differences, frames
        reader.close()


def test_a_board_that_comes_back_on_another_port_leaves_a_record_that_verifies(
    tmp_path: Path,
) -> None:
    """Somebody takes the number of its terminal while it has no power."""
    scenario = Scenario.model_validate(
        {
            "workload": "attitude",
            "frames": 60,
            "rig": {"scheme": "tmr", "board": "process"},
            "upsets": {"events": [{**CUT, "returns_after_frames": 10}]},
            "expect": "none",
        }
    )
    taken: list[int] = []

    def take_terminals() -> bool:
        if loop.next_frame == 25 and not taken:
            taken.extend(fd for _ in range(4) for fd in os.openpty())
        return False

    loop = Loop(scenario, tmp_path, **between_frames(take_terminals))
    loop.run()
    for fd in taken:
        os.close(fd)
    assert taken
    reader = Reader(tmp_path)
    assert verify(reader).differences == []
    reader.close()
