"""What commands do to real runs, seen in their records."""

from __future__ import annotations

import getpass
import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from hil.control.answers import Answer, UpsetOrdered
from hil.control.commands import COMMANDS, OperatorCommand, ReportStatus
from hil.control.inbox import Inbox, Order, Peer
from hil.control.protocol import Request
from hil.engine.loop import Loop
from hil.engine.operator import Operator
from hil.record.reader import Reader
from hil.verification.replay import verify

from .conftest import Start, scenario

BOARDS = pytest.mark.parametrize("board", ["inproc", "process"])


def verified(folder: Path) -> bool:
    reader = Reader(folder)
    try:
        return verify(reader).ok
    finally:
        reader.close()


@BOARDS
@pytest.mark.parametrize("pace", ["realtime", "free"])
def test_an_upset_is_injected_read_back_and_judged(start: Start, board: str, pace: str) -> None:
    run = start(board=board, pace=pace)
    answer = run.done("inject", node="b", target="state", bit=7)
    assert answer.data == UpsetOrdered(1) and answer.number == 1
    row = run.wait_row("SELECT * FROM upsets")
    assert (row["id"], row["node"], row["target"], row["source"]) == (1, "b", "state", "operator 1")
    assert row["frame"] == answer.frame and row["verified"] == 1 and row["bit"] == 7
    assert row["before"] != row["after"] and row["outcome"] in ("corrected", "no_effect")
    result = run.end()
    assert result.upsets.injected == 1 and result.upsets.by_target == {"state": 1}
    assert result.unexplained == 0 and result.metrics["sdc_frames"] == 0
    assert verified(run.folder)


@BOARDS
def test_power_is_cut_and_comes_back_by_itself(start: Start, board: str) -> None:
    run = start(board=board)
    run.done("cut_power", node="b", returns_after_frames=60 if board == "inproc" else 1000)
    run.wait_state("b", "isolated")
    refused = run.send("cut_power", node="b")
    assert not refused.ok and refused.text == "node b has no power"
    run.wait_state("b", "voting")
    result = run.end()
    assert run.rows("SELECT target, kind, source, verified FROM upsets") == [
        {"target": "board", "kind": "power_loss", "source": "operator 1", "verified": 1}
    ]
    way = [t["after"] for t in run.rows("SELECT after FROM transitions WHERE node='b'")]
    assert way[-3:] == ["power_cycle", "reintegrating", "voting"] and "isolated" in way
    assert run.rows("SELECT status FROM replies WHERE node=1 AND status='silent'")
    assert result.unexplained == 0


@BOARDS
def test_power_that_was_cut_is_given_back_by_hand(start: Start, board: str) -> None:
    run = start(board=board)
    assert run.send("power_on", node="b").text == "node b has power"
    run.done("cut_power", node="b")
    run.wait_state("b", "isolated")
    assert "no power" in run.send("reintegrate", node="b").text
    assert run.done("power_on", node="b").text == "node b has power again, and is reintegrating"
    run.wait_state("b", "voting")
    assert run.end().availability == 1


@BOARDS
def test_a_node_is_isolated_and_brought_back(start: Start, board: str) -> None:
    run = start(board=board)
    out = run.done("isolate", node="b")
    assert run.states() == {"a": "voting", "b": "isolated", "c": "voting"}
    assert not run.send("isolate", node="b").ok
    assert not run.send("reset", node="b").ok
    assert "isolated" in run.send("inject", node="b", target="state").text
    run.wait_frames(20)
    back = run.done("reintegrate", node="b")
    assert back.text == "node b is reintegrating"
    run.wait_state("b", "voting")
    result = run.end()
    steps = run.rows("SELECT frame, before, after, cause FROM transitions ORDER BY id")
    assert [(s["before"], s["after"], s["cause"]) for s in steps] == [
        ("voting", "isolated", f"operator {out.number}"),
        ("isolated", "restart", f"operator {back.number}"),
        ("restart", "reintegrating", "restart done"),
        ("reintegrating", "voting", "agreed again"),
    ]
    assert [s["frame"] for s in steps[:3]] == [out.frame, back.frame, back.frame]
    assert result.availability == 1 and result.unexplained == 0
    assert verified(run.folder)


def test_the_last_node_in_service_is_not_isolated(start: Start) -> None:
    run = start(scheme="dmr")
    run.done("isolate", node="a")
    refused = run.send("isolate", node="b")
    assert not refused.ok and "last one in service" in refused.text


def test_an_isolated_node_that_gets_its_power_back_stays_isolated(start: Start) -> None:
    run = start(board="process")
    run.done("isolate", node="c")
    run.done("cut_power", node="c")
    run.wait_row("SELECT 1 FROM upsets")
    assert "isolated until" in run.done("power_on", node="c").text
    run.wait_frames(10)
    assert run.states()["c"] == "isolated"
    run.done("reintegrate", node="c")
    run.wait_state("c", "voting")


@BOARDS
@pytest.mark.parametrize("rung", ["restart", "reset"])
def test_a_rung_is_carried_out_on_order(start: Start, board: str, rung: str) -> None:
    run = start(board=board)
    assert run.done(rung, node="a").text == "node a is reintegrating"
    run.wait_state("a", "voting")
    (repair,) = run.rows("SELECT node, action, cause, ok FROM repairs")
    assert repair == {"node": "a", "action": rung, "cause": "operator 1", "ok": 1}
    result = run.end()
    assert result.availability == 1 and result.unexplained == 0


@BOARDS
def test_a_pause_freezes_frames_and_is_no_slip(start: Start, board: str) -> None:
    # Processes get time enough, also on a busy computer.
    run = start(board=board, pace="realtime", frame_ms=5 if board == "inproc" else 400)
    run.wait_frames(1)
    frame = run.done("pause").frame
    assert not run.send("pause").ok
    run.clock.jump(60_000_000)  # longer than boards may be silent
    assert run.status().paused and run.frame == frame
    run.done("resume")
    assert not run.send("resume").ok
    run.wait_frames(2)
    result = run.end()
    late_us = [s["late_wall_us"] for s in run.rows("SELECT late_wall_us FROM slips")]
    assert max(late_us, default=0) < 50_000_000, "nothing was late by it"
    assert not run.rows("SELECT 1 FROM replies WHERE status <> 'done'") and not result.unexplained
    assert result.recoveries == 0 and result.availability == 1
    texts = [n["text"] for n in run.rows("SELECT text FROM notes ORDER BY id")]
    assert texts[:2] == [f"paused by {getpass.getuser()}", f"pause ended by {getpass.getuser()}"]


def test_what_is_ordered_in_a_pause_happens_in_it_or_right_after(start: Start) -> None:
    run = start()
    frame = run.done("pause").frame
    run.done("inject", node="a", target="output", bit=1)
    run.done("isolate", node="c")
    run.done("resume")
    assert run.wait_row("SELECT frame FROM upsets")["frame"] == frame
    assert run.rows("SELECT frame FROM transitions WHERE node='c'")[0]["frame"] == frame


def test_the_pace_changes(start: Start) -> None:
    run = start(frame_ms=1000)
    assert run.status().pace_factor == 1
    run.done("pace", pace="free")
    run.wait_frames(1000)
    run.done("pace", pace="20x")
    assert run.loop.controls.pacer.period_us == 50_000, "tests/rig/test_pace.py has how it is kept"
    run.wait_frames(3)
    assert run.status().pace_factor == 20
    refused = run.send("pace", pace="fast")
    assert not refused.ok and refused.error == "refused" and "not a pace" in refused.text
    run.done("pace", pace="realtime")
    assert run.loop.controls.pacer.period_us == 1_000_000


@BOARDS
def test_a_commanded_end_is_an_abort_with_its_reason(start: Start, board: str) -> None:
    run = start(board=board)
    result = run.end()
    user = getpass.getuser()
    assert (result.outcome, result.aborted_by) == ("aborted", user)
    assert {"text": f"ended by {user}"} in run.rows("SELECT text FROM notes")
    manifest = json.loads((run.folder / "manifest.json").read_text())
    assert manifest["aborted_by"] == user and manifest["commands"] == 1
    assert not (run.folder / "control.sock").exists()
    assert verified(run.folder)


def test_every_command_is_recorded_with_who_and_what_was_said(start: Start) -> None:
    run = start()
    run.done("acknowledge", alarm="battery.low")
    run.done("note", text="fan replaced: 40 °C now")
    refused = run.send("reset", node="x")
    run.done("status")
    rows = run.rows("SELECT * FROM commands ORDER BY id")
    assert [(r["id"], r["command"], r["ok"]) for r in rows] == [
        (1, "acknowledge", 1),
        (2, "note", 1),
        (3, "reset", 0),
    ]
    assert {(r["who"], r["uid"], r["pid"]) for r in rows} == {
        (getpass.getuser(), os.getuid(), os.getpid())
    }
    assert json.loads(rows[1]["arguments"]) == {"text": "fan replaced: 40 °C now"}
    assert rows[2]["answer"] == refused.text == "there is no node x; the rig has a, b, c"
    assert [n["text"] for n in run.rows("SELECT text FROM notes")] == [
        f"{getpass.getuser()}: fan replaced: 40 °C now"
    ]
    run.done("pace", pace="free")
    result = run.end()
    assert result.commands == 4 and "2 commands" in result.not_reproducible


@pytest.mark.slow
def test_remarks_leave_a_run_reproducible_and_steering_does_not(start: Start) -> None:
    s = scenario(frames=3000, pace="free")
    plain = start(s).result().run_digest
    noted = start(s.model_copy(update={"frames": 60_000}))
    noted.done("note", text="x")
    assert noted.result().reproducible
    steered = start(s.model_copy(update={"frames": 60_000}))
    steered.done("inject", node="a", target="state")
    result = steered.result()
    assert result.run_digest != plain and not result.reproducible and result.outcome == "pass"
    manifest = json.loads((steered.folder / "manifest.json").read_text())
    assert manifest["reproducible"] is False
    assert manifest["not_reproducible"] == "an operator steered it (1 command)"


def test_what_the_plant_took_out_is_not_the_operators_to_bring_back(start: Start) -> None:
    run = start()
    run.done("isolate", node="b")
    run.done("pause")
    for name in "bc":  # between frames, as the plant does
        run.loop.controls.recovery.exclude(run.frame, name, "power is short")
    assert "the plant took node c out" in run.send("reintegrate", node="c").text
    assert "the plant took node c out" in run.send("reset", node="c").text
    assert "as soon as the plant lets it" in run.done("reintegrate", node="b").text
    told = next(node for node in run.status().nodes if node.name == "b")
    assert (told.state, told.held, told.shed) == ("isolated", False, True)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"node": "x", "target": "state"}, "there is no node `x`"),
        ({"node": "a", "target": "nowhere"}, "target"),
        ({"node": "a", "target": "state", "bti": 3}, "did you mean `bit`?"),
        ({"node": "a", "target": "state", "bit": -1}, "bit: the number -1; expected"),
        ({"node": "a", "target": "state", "bit": "7"}, "remove the quotes"),
        ({"node": "a", "target": "state", "frame": 3}, "next frame"),
        ({"node": "a", "target": "gpr"}, "needs a worker process"),
        ({"node": "a", "target": "cpu"}, "needs `sefi:`"),
        ({"node": "a", "target": "state", "pattern": {"kind": "adjacent", "width": 99}}, "99"),
        ({"node": "a", "target": "state", "pattern": None}, "pattern"),
    ],
)
def test_a_wrong_upset_is_refused_with_every_reason(
    start: Start, arguments: dict[str, object], says: str
) -> None:
    run = start()
    answer = run.send("inject", **arguments)
    assert not answer.ok and answer.error == "refused" and says in answer.text, answer
    assert run.rows("SELECT 1 FROM upsets") == []


def test_every_kind_of_upset_can_be_ordered_of_process_boards(start: Start) -> None:
    run = start(board="process", upsets={"one_at_a_time": True})
    ordered: list[dict[str, Any]] = [
        {"node": "a", "target": "gpr", "tick": 3, "steps": 20},
        {"node": "b", "target": "state", "pattern": {"kind": "adjacent", "width": 3}},
        {"node": "c", "target": "cpu", "sefi": "crash", "tick": 1},
        {"node": "a", "target": "link", "noise": "drop"},
        {"node": "b", "target": "cpu", "sefi": "hang"},
        {"node": "c", "target": "cpu", "sefi": "reset"},
    ]
    for arguments in ordered:
        run.done("inject", **arguments)
        run.wait_frames(3)
    run.wait_row(f"SELECT count(*) AS n FROM upsets HAVING n = {len(ordered)}")
    assert {r["state"] for r in run.rows("SELECT state FROM upsets")} == {"injected"}
    result = run.end()
    assert result.unexplained == 0


def test_two_upsets_at_once_are_no_queue(start: Start) -> None:
    run = start(upsets={"one_at_a_time": True})
    run.done("pause")
    ordered = [run.done("inject", node=n, target="output", bit=3).data for n in "ab"]
    run.done("resume")
    run.wait_row("SELECT count(*) AS n FROM upsets HAVING n = 2")
    rows = run.rows("SELECT id, frame FROM upsets ORDER BY id")
    assert [r["id"] for r in rows] == [1, 2] and ordered == [UpsetOrdered(1), UpsetOrdered(2)]
    assert rows[0]["frame"] == rows[1]["frame"]


@pytest.mark.slow
def test_a_resumed_run_keeps_commands_before_its_snapshot(start: Start) -> None:
    upsets = {"rates": [{"target": "state", "per_s": 1}]}
    s = scenario(upsets=upsets, frames=200_000, pace="free", frame_ms=1)
    run = start(s)
    run.done("isolate", node="b")
    run.done("inject", node="a", target="state", bit=5)
    run.wait_frames(5)
    run.loop._due.snapshot_us = 0  # now, not in five seconds
    first = run.wait_row("SELECT frame FROM snapshot")["frame"]
    run.wait_frames(5)
    run.done("pause")
    run.done("note", text="after it")
    run.stop()
    assert run.result().outcome == "aborted"
    assert first > 0
    again = start(s, resume=True)
    kept = again.rows("SELECT id, command FROM commands ORDER BY id")
    assert kept[:2] == [{"id": 1, "command": "isolate"}, {"id": 2, "command": "inject"}]
    assert len(kept) == 2
    assert again.states()["b"] == "isolated" and [n.held for n in again.status().nodes] == [
        False,
        True,
        False,
    ]
    again.done("reintegrate", node="b")
    assert again.rows("SELECT max(id) AS id FROM commands") == [{"id": 3}]
    again.wait_state("b", "voting")
    result = again.result()
    assert result.outcome == "pass" and "3 commands" in result.not_reproducible
    ids = [r["id"] for r in again.rows("SELECT id FROM upsets ORDER BY id")]
    assert ids == list(range(1, len(ids) + 1))
    assert verified(again.folder)


@pytest.mark.parametrize(
    "data",
    [
        {"pace": "free"},
        {"pace": "free", "workload": "archive"},
        {"frame_ms": 10_000},
        {"board": "process", "pace": "free"},
        {"board": "process", "frame_ms": 10_000},
    ],
    ids=str,
)
def test_an_order_is_obeyed_before_the_next_frame(tmp_path: Path, data: object) -> None:
    """However long a frame is, however many go at once: one that has come is carried out next."""
    assert isinstance(data, dict)
    inbox = Inbox()
    asked: list[int] = []
    answers: list[Answer] = []
    me = Peer("me", os.getuid(), os.getpid())

    def between_frames() -> bool:
        assert len(answers) == len(asked), "the one before was obeyed in its turn"
        asked.append(loop.next_frame)
        inbox.put(Order(Request(ReportStatus()), me, answers.append))
        return len(asked) == 15

    loop = Loop(scenario(**data), tmp_path, stop=between_frames, inbox=inbox)
    assert loop.run().outcome == "aborted"
    assert [answer.frame for answer in answers] == asked[:14]


def test_an_order_wakes_a_loop_that_waits_for_its_frame() -> None:
    inbox = Inbox()
    waiting = threading.Thread(target=inbox.wait, args=(1000,), daemon=True)
    waiting.start()
    inbox.put(Order(Request(ReportStatus()), Peer("me", os.getuid(), os.getpid()), lambda _: None))
    waiting.join(100)
    assert not waiting.is_alive()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_handler_of_its_own(name: str) -> None:
    handlers = vars(Operator)["_handle"].dispatcher
    assert handlers.dispatch(COMMANDS[name].kind) is not handlers.dispatch(OperatorCommand)
