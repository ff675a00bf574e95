"""Whole runs of a primary with monitors."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hil.engine.loop import Loop
from hil.record.reader import Reader
from hil.redundancy.voting import unpack_all
from hil.scenario import Scenario
from hil.views.listing import moments
from hil.views.screen.model.playback import Player
from hil.views.screen.pages.style import Marks
from hil.views.screen.presenter import Presenter, View
from tests.between_frames import between_frames
from tests.engine.snapshots import snapshot_every_frame
from tests.engine.verified_runs import differences, run


def hit(frame: int, node: str, **more: Any) -> dict[str, Any]:
    return {"frame": frame, "node": node, "target": "state", "bit": 77, **more}


UPSETS = {
    "rates": [{"targets": ["state", "input", "output", "checkpoint"], "per_s": 6}],
    "events": [hit(12, "a"), hit(50, "b")],
}


def scenario(
    board: str = "inproc", monitors: dict[str, int] | None = None, **data: Any
) -> Scenario:
    rig: dict[str, Any] = {"scheme": "primary_monitors", "board": board}
    if monitors is not None:
        rig["monitors"] = monitors
    base = {"workload": "attitude", "frames": 60, "rig": rig, "expect": "none"}
    return Scenario.model_validate({**base, **data})


def commands(out: Path) -> str:
    """The name of the node that commands, frame by frame."""
    with closing(Reader(out)) as reader:
        names = reader.node_names
        verdicts = (v for *_, data in reader.blocks() for v in unpack_all(data, len(names)))
        return "".join("-" if v.primary is None else names[v.primary] for v in verdicts)


@pytest.mark.ptrace
def test_digest_is_the_same_on_boards_of_each_kind(tmp_path: Path) -> None:
    results = []
    for board in ("inproc", "process"):
        results.append(run(scenario(board, upsets=UPSETS), tmp_path / board))
        assert differences(tmp_path / board) == []
    first, second = results
    assert first.upsets.injected > 5 and first.metrics["sdc_frames"] == 0
    assert first.metrics["command_changes"] > 0
    assert first.run_digest == second.run_digest


def test_command_passes_when_the_primary_is_hit_and_only_then(tmp_path: Path) -> None:
    crash = {"frame": 40, "node": "c", "target": "cpu", "sefi": "crash"}
    hits = [hit(10, "a"), hit(20, "c"), hit(30, "b"), crash]
    result = run(scenario(upsets={"events": hits}), tmp_path / "run")
    assert result.availability == 1 and result.metrics["command_changes"] == 2
    assert commands(tmp_path / "run") == "a" * 10 + "b" * 20 + "a" * 30
    assert differences(tmp_path / "run") == []
    with closing(Reader(tmp_path / "run")) as reader:
        texts = {m.frame: m.repairs for m in moments(reader)}
    assert "b commands" in texts[10] and "a commands" in texts[30]
    assert not any("commands" in text for text in texts[20])


def test_wrong_outputs_leave_until_the_monitors_have_seen_enough(tmp_path: Path) -> None:
    """Each hit of the state makes every output wrong: as many leave as the rule waits for."""
    for frames in (1, 2, 4):
        s = scenario(monitors={"count": 2, "frames": frames}, upsets={"events": [hit(10, "a")]})
        out = tmp_path / str(frames)
        result = run(s, out)
        assert result.metrics["sdc_frames"] == frames - 1
        assert commands(out) == "a" * (9 + frames) + "b" * (51 - frames)
        assert differences(out) == []


def test_last_two_that_disagree_go_back_and_neither_is_taken_out(tmp_path: Path) -> None:
    crashes = {"resyncs": 0, "restarts": 0, "resets": 0, "power_cycles": 0, "window_frames": 1000}
    dead = {"frame": 5, "node": "c", "target": "cpu", "sefi": "crash"}
    events = [dead, hit(20, "a"), hit(30, "b")]
    result = run(scenario(upsets={"events": events}, recovery=crashes), tmp_path / "run")
    assert result.availability == 1 and result.metrics["sdc_frames"] == 0
    assert result.metrics["rollbacks"] == 2 and result.metrics["isolated"] == 1
    assert commands(tmp_path / "run") == "a" * 60
    assert differences(tmp_path / "run") == []


def test_resumed_run_ends_with_the_same_digest(tmp_path: Path) -> None:
    s = scenario(monitors={"count": 3, "frames": 2}, upsets=UPSETS)
    whole = run(s, tmp_path / "whole")
    out = tmp_path / "parts"
    out.mkdir()
    loop = Loop(s, out, **between_frames(lambda: loop.next_frame >= 40))
    snapshot_every_frame(loop)
    assert loop.run().outcome == "aborted"
    assert "b" in commands(out), "command has passed before the run is resumed"
    again = run(s, out, resume_run=True)
    assert again.run_digest == whole.run_digest
    assert again.metrics["command_changes"] == whole.metrics["command_changes"]
    assert differences(out) == []


def test_verification_finds_another_primary_and_another_count(tmp_path: Path) -> None:
    out = tmp_path / "run"
    run(scenario(frames=4), out)
    with closing(sqlite3.connect(out / "run.db")) as db, db:
        ((data,),) = db.execute("SELECT data FROM blocks").fetchall()
        primary_of_frame_0 = 15
        changed = bytearray(data)
        assert changed[primary_of_frame_0] == 1
        changed[primary_of_frame_0] = 2
        db.execute("UPDATE blocks SET data = ?", (bytes(changed),))
        ((text,),) = db.execute("SELECT value FROM meta WHERE key = 'result'").fetchall()
        result = json.loads(text)
        result["metrics"]["command_changes"] = 5
        db.execute("UPDATE meta SET value = ? WHERE key = 'result'", (json.dumps(result),))
    texts = differences(out)
    assert any("node that commands: recorded b, now a" in text for text in texts)
    assert any("`command_changes` of the result: recorded 5, now 0" in text for text in texts)


def test_screen_shows_who_commands_and_why(tmp_path: Path) -> None:
    s = scenario(monitors={"count": 2, "frames": 2}, upsets={"events": [hit(10, "a")]})
    run(s, tmp_path / "run")
    presenter = Presenter(tmp_path / "run", Marks(), Player(), lambda: 0.0)
    presenter.refresh(120, 40)
    texts = {}
    for view, frame in ((View.OVERVIEW, 10), (View.DECISION, 10), (View.DECISION, 11)):
        presenter.go(view)
        presenter.seek(frame)
        presenter.refresh(120, 40)
        texts[view, frame] = " ".join(" ".join(line.plain for line in presenter.page()).split())
    presenter.source.close()
    overview = texts[View.OVERVIEW, 10]
    assert "PRIMARY: 3 of 3 serve, a commands, 2 monitors" in overview
    assert "commands" in overview and "monitors" in overview
    contested = texts[View.DECISION, 10]
    assert "a commands; b and c contradict it, not yet for long enough" in contested
    assert (
        "until 2 monitors, or all that answer, contradict it in 2 consecutive frames" in contested
    )
    assert "b commands; a contradicts it" in texts[View.DECISION, 11]


def test_a_hit_that_was_settled_in_frame_0_is_not_behind_later_dissents(tmp_path: Path) -> None:
    masked = {"frame": 0, "node": "b", "target": "output", "bit": 3, "tick": 0}
    run(scenario(upsets={"events": [masked, hit(20, "b")]}), tmp_path / "run")
    with closing(Reader(tmp_path / "run")) as reader:
        texts = {m.frame: m.upsets for m in moments(reader)}
    assert "masked, no effect" in texts[0][0]
    assert [text.partition(" ")[0] for text in texts[20]] == ["#2"]
