"""Whole runs of self-checking pairs."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hil.engine.loop import Loop
from hil.record.reader import Reader
from hil.record.span_rows import all_notes
from hil.redundancy.voting import unpack_all
from hil.rig.backends.process import ProcessBoard
from hil.rig.board_kinds import build_nodes
from hil.rig.pair_cores import core_of, cores_text, usable_cores
from hil.scenario import Scenario
from tests.between_frames import between_frames
from tests.engine.snapshots import snapshot_every_frame
from tests.engine.verified_runs import differences, run

SCHEMES = ("triple_pairs", "priority_pairs")
RATES = [{"targets": ["state", "input", "output", "checkpoint"], "per_s": 4}]


def scenario(scheme: str, board: str = "inproc", **data: Any) -> Scenario:
    rig = {"scheme": scheme, "board": board}
    base = {"workload": "attitude", "frames": 60, "rig": rig, "expect": "none"}
    return Scenario.model_validate({**base, **data})


def hit(frame: int, node: str, **more: Any) -> dict[str, Any]:
    return {"frame": frame, "node": node, "target": "state", "bit": 77, **more}


def voters(out: Path) -> list[int]:
    with closing(Reader(out)) as reader:
        nodes = len(reader.node_names)
        return [v.voters for *_, data in reader.blocks() for v in unpack_all(data, nodes)]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_digest_is_the_same_on_boards_of_each_kind(scheme: str, tmp_path: Path) -> None:
    results = []
    for board in ("inproc", "process"):
        out = tmp_path / board
        results.append(run(scenario(scheme, board, upsets={"rates": RATES}), out))
        assert differences(out) == []
    first, second = results
    assert first.upsets.injected > 5 and first.metrics["sdc_frames"] == 0
    assert first.run_digest == second.run_digest


def test_next_pair_commands_while_the_first_is_silent(tmp_path: Path) -> None:
    hits = [hit(10, "a"), hit(20, "b"), hit(20, "c"), hit(30, "h")]
    result = run(scenario("priority_pairs", upsets={"events": hits}), tmp_path / "run")
    assert result.availability == 1 and result.upsets.by_system_outcome["corrected"] == 4
    command = voters(tmp_path / "run")
    assert (command[10], command[20]) == (0b1100, 0b110000)
    assert {mask for k, mask in enumerate(command) if k not in (10, 20)} == {0b11}
    assert differences(tmp_path / "run") == []


def test_pairs_that_are_all_silent_deliver_nothing_and_go_back(tmp_path: Path) -> None:
    hits = [hit(20, node, bit=70 + i) for i, node in enumerate("ace")]
    s = scenario("triple_pairs", upsets={"events": hits}, recovery={"rollbacks": 0})
    result = run(s, tmp_path / "without")
    assert result.metrics["sdc_frames"] == 0 and result.metrics["unresolved"] > 0
    s = scenario("triple_pairs", upsets={"events": hits})
    result = run(s, tmp_path / "with")
    assert result.availability == 1 and result.metrics["rollbacks"] == 1
    assert differences(tmp_path / "without") == differences(tmp_path / "with") == []


def test_batches_of_frames_give_the_record_of_single_frames(tmp_path: Path) -> None:
    s = scenario("triple_pairs", frames=2000, upsets={"events": [hit(700, "d")]})
    in_batches, one_by_one = run(s, tmp_path / "a"), run(s, tmp_path / "b", batch=False)
    assert in_batches.run_digest == one_by_one.run_digest


@pytest.mark.parametrize("scheme", SCHEMES)
def test_resumed_run_ends_with_the_same_digest(scheme: str, tmp_path: Path) -> None:
    s = scenario(scheme, upsets={"rates": RATES})
    whole = run(s, tmp_path / "whole")
    out = tmp_path / "parts"
    out.mkdir()
    loop = Loop(s, out, **between_frames(lambda: loop.next_frame >= 40))
    snapshot_every_frame(loop)
    assert loop.run().outcome == "aborted"
    assert run(s, out, resume_run=True).run_digest == whole.run_digest
    assert differences(out) == []


def test_verification_finds_a_pair_that_voted_although_it_was_silent(tmp_path: Path) -> None:
    out = tmp_path / "run"
    run(scenario("priority_pairs", frames=4), out)
    with closing(sqlite3.connect(out / "run.db")) as db, db:
        ((data,),) = db.execute("SELECT data FROM blocks").fetchall()
        voters_of_frame_0 = 10
        changed = bytearray(data)
        changed[voters_of_frame_0] = 0b111
        db.execute("UPDATE blocks SET data = ?", (bytes(changed),))
    assert any("nodes of pairs that speak" in text for text in differences(out))


def test_nodes_of_a_pair_compute_on_different_cores_where_there_are_two(tmp_path: Path) -> None:
    cores = usable_cores()
    nodes = build_nodes(scenario("triple_pairs", "process"))
    board = nodes[0].board
    assert isinstance(board, ProcessBoard)
    transport = board.connect()
    try:
        assert board.pid is not None
        wanted = {core_of(0, cores)} if len(cores) > 1 else set(cores)
        assert os.sched_getaffinity(board.pid) == wanted
    finally:
        transport.close()
        board.shut_down()
    run(scenario("triple_pairs", "process", frames=4), tmp_path / "run")
    with closing(Reader(tmp_path / "run")) as reader:
        assert any(note.text == cores_text(3, cores) for note in all_notes(reader))


@pytest.mark.parametrize(
    ("cores", "shared"), [((), True), ((5,), True), ((0, 1), False), (range(12), False)]
)
def test_cores_of_a_pair_differ_unless_there_is_one_only(cores: Any, shared: bool) -> None:
    for pair in range(4):
        first, second = core_of(2 * pair, cores), core_of(2 * pair + 1, cores)
        assert (first == second) is shared
    assert ("share one core" in cores_text(4, cores)) is shared
