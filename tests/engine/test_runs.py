"""Whole runs: shipped scenarios, boards against each other, repeats, schemes, pace.

`golden_digests.json` has the run digest of every portable shipped scenario. It is written by

    HIL_UPDATE_GOLDEN=1 pytest tests/engine/test_runs.py -k golden

and by nothing else; look at why a digest changed before you do that.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from hil import assets
from hil.engine.loop import Loop, RunSetup
from hil.engine.observers import ProgressObserver
from hil.engine.result import RunProgress
from hil.record.reader import Reader
from hil.record.run_result import RunResult
from hil.rig.backends.process import ProcessBoard
from hil.scenario import (
    PORTABLE_TARGETS,
    WORKLOADS,
    BoardKind,
    Scenario,
    UpsetTarget,
    load_scenario,
)
from tests.amount import mostly_slow, without_variants
from tests.between_frames import BetweenFrames, between_frames
from tests.virtual_clock import VirtualClock

GOLDEN = Path(__file__).parent / "golden_digests.json"
QUICK = {"lost_after_ms": 5000, "retry_ms": 50, "cpu_floor_ms": 10}


def scenario(**data: Any) -> Scenario:
    board = data.pop("board", "inproc")
    scheme = data.pop("scheme", "tmr")
    base = {
        "workload": "infer",
        "frames": 300,
        "timeouts": QUICK,
        "rig": {"scheme": scheme, "board": board},
    }
    return Scenario.model_validate({**base, **data})


def on(s: Scenario, board: str, **changes: Any) -> Scenario:
    """The same scenario on another kind of board."""
    data = s.model_dump(by_alias=True)
    names = [node.name for node in s.rig.nodes]
    rig = {"scheme": s.rig.scheme, "board": board, "profile": s.rig.profile, "nodes": names}
    data["rig"] = {**rig, **{key: data["rig"][key] for key in ("voter", "checkers")}}
    return Scenario.model_validate({**data, **changes})


def run(s: Scenario, out: Path, *, batch: bool = True) -> RunResult:
    out.mkdir(exist_ok=True)
    return Loop(s, out, batch=batch).run()


def rows(out: Path, sql: str) -> list[dict[str, Any]]:
    reader = Reader(out)
    try:
        return [dict(row) for row in reader.rows(sql)]
    finally:
        reader.close()


@cache
def shipped_scenario(name: str) -> Scenario:
    path = assets.scenario_path(name)
    assert path is not None
    return load_scenario(path)


# --- shipped scenarios --------------------------------------------------------------------------

MEANT_TO_FAIL = {"two-faults"}
ON_EMULATED_BOARDS = [
    name
    for name in assets.list_scenarios()
    if any(node.board is BoardKind.EMULATED for node in shipped_scenario(name).rig.nodes)
]
"""They take seconds to boot: test_emulated_runs.py."""


def ends_as_it_says(name: str, s: Scenario, result: RunResult) -> None:
    failed = [e.metric for e in result.failed]
    if name in MEANT_TO_FAIL:
        assert result.outcome == "fail" and "sdc_frames" in failed
    else:
        assert (result.outcome, failed) == ("pass", [])
    assert result.expectations
    assert result.frames + result.skipped == s.frame_count and result.unexplained == 0


PORTABLE = [
    name
    for name in assets.list_scenarios()
    if {
        *(e.target for e in shipped_scenario(name).upsets.events),
        *(t for r in shipped_scenario(name).upsets.rates for t in r.targets),
    }
    <= PORTABLE_TARGETS | {UpsetTarget.CHECKPOINT, UpsetTarget.CPU, UpsetTarget.BOARD}
]


def test_most_shipped_scenarios_are_portable() -> None:
    expected = {"nominal", "memory-storm", "hang", "one-node-dies", "one-node-lies", "two-faults"}
    assert expected <= set(PORTABLE)
    assert not {"seu-storm", "quickstart"} & set(PORTABLE)


@pytest.mark.parametrize(
    "name",
    mostly_slow(sorted({*assets.list_scenarios()} - {*PORTABLE, *ON_EMULATED_BOARDS}), keep=1),
)
def test_a_shipped_scenario_ends_as_it_says(tmp_path: Path, name: str) -> None:
    """Its digest depends on the machine code of the workload, so none is stored: a run that says
    that it is reproducible is repeated instead."""
    s = shipped_scenario(name)
    result = run(s, tmp_path / "first")
    ends_as_it_says(name, s, result)
    assert (result.not_reproducible == "") is (name == "quickstart")
    if not result.not_reproducible:
        assert run(s, tmp_path / "again").run_digest == result.run_digest


@pytest.mark.parametrize("name", mostly_slow(PORTABLE[::-1], keep=2))
def test_golden_digests_are_kept_on_every_software_board(tmp_path: Path, name: str) -> None:
    kept: dict[str, str] = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
    got = {}
    for board in ("inproc", "process"):
        s = on(shipped_scenario(name), board)
        result = run(s, tmp_path / board)
        ends_as_it_says(name, s, result)
        got[board] = result.run_digest
    assert got["inproc"] == got["process"]
    if os.environ.get("HIL_UPDATE_GOLDEN"):
        kept[name] = got["inproc"]
        GOLDEN.write_text(json.dumps(dict(sorted(kept.items())), indent=2) + "\n")
    assert got["inproc"] == kept[name]


def test_every_golden_digest_belongs_to_a_scenario() -> None:
    assert set(json.loads(GOLDEN.read_text())) == set(PORTABLE)


# --- the same again -----------------------------------------------------------------------------


def weather(name: str, seed: int, board: str = "inproc", **changes: Any) -> Scenario:
    """All that is portable, often enough to need every repair."""
    patterns = {"bit": 0.8, "adjacent": 0.1, "zero_word": 0.05, "random_word": 0.05}
    return scenario(
        workload=name,
        seed=seed,
        board=board,
        **{
            "frames": 200,
            "recovery": {"resyncs": 100, "restarts": 50, "resets": 50, "window_frames": 100},
            "upsets": {
                "rates": [
                    {"targets": ["state", "input", "output"], "per_s": 8, "patterns": patterns},
                    {"targets": "checkpoint", "per_s": 1},
                    {
                        "targets": "link",
                        "per_s": 1,
                        "noises": {"corrupt": 4, "drop": 1, "duplicate": 2, "truncate": 2},
                    },
                    {"targets": "cpu", "per_s": 0.7},
                ]
            },
            **changes,
        },
    )


OFTEN = ("attitude", "archive", "train", "lm", "matmul+abft", "dense-bf16+parity")
"""Small and large, with a state that grows or learns, and protected. The contract of each board has
every frame of the others."""
KINDS = sorted(without_variants(WORKLOADS), key=lambda name: name not in OFTEN)


@pytest.mark.parametrize("seed", mostly_slow([2**62 + 3, 1], keep=1))
@pytest.mark.parametrize("name", mostly_slow(KINDS, keep=len(OFTEN)))
def test_inproc_and_process_boards_have_the_same_digest(
    tmp_path: Path, name: str, seed: int
) -> None:
    one = run(weather(name, seed), tmp_path / "inproc")
    two = run(weather(name, seed, "process"), tmp_path / "process")
    assert one.upsets.by_activation["unknown"] == one.upsets.injected  # in this process
    by_activation = one.upsets.by_activation  # which a process board knows
    assert one.upsets == replace(two.upsets, by_activation=by_activation)
    assert one.verdicts == two.verdicts and one.upsets.injected > 30
    assert one.recoveries >= (3 if "+" in name else 10)  # a protected workload needs fewer
    assert one.run_digest == two.run_digest
    assert one.reproducible and two.reproducible


# All columns but real times; noise may hit those in a reply on the line, or its CRC.
TABLES = {
    "upsets": "id, frame, node, target, kind, source, state, detail, verified, changed, persisted, "
    "planned_tick, planned_steps, planned_us, tick, steps, pc_offset, bit, space, "
    "CASE target WHEN 'link' THEN '' ELSE before END AS before, "
    "CASE target WHEN 'link' THEN '' ELSE after END AS after, "
    "effect, signal, outcome, shared, dormant, detected_frame, resolved_frame",
    "transitions": "frame, node, before, after, cause",
    "repairs": "frame, node, action, cause, ok, detail, chunks, bytes_moved",
    "damage": "*",
    "anomalies": "*",
    "frames": "*",
    "replies": "frame, node, execution, status, signal, output_digest, state_digest, output, ticks",
}


def records_differ(one: Path, other: Path) -> list[str]:
    queries = {table: f"SELECT {columns} FROM {table}" for table, columns in TABLES.items()}
    return [table for table, sql in queries.items() if rows(one, sql) != rows(other, sql)]


@pytest.mark.parametrize("name", mostly_slow(KINDS, keep=3))
def test_batches_give_the_record_that_single_frames_give(tmp_path: Path, name: str) -> None:
    quick, slow = tmp_path / "batch", tmp_path / "single"
    s = weather(name, 5, frames=400)
    calmer = s.model_copy(update={"upsets": s.upsets.model_copy(update={"accel": 0.1})})
    one, two = run(calmer, quick), run(calmer, slow, batch=False)
    assert one.upsets.injected > 3
    assert one.run_digest == two.run_digest
    assert {**one.as_json(), "run_dir": ""} == {**two.as_json(), "run_dir": ""}
    assert records_differ(quick, slow) == []


@pytest.mark.parametrize("scheme", ["simplex", "dmr", "5mr"])
def test_batches_give_the_record_that_single_frames_give_for_every_scheme(
    tmp_path: Path, scheme: str
) -> None:
    quick, slow = tmp_path / "batch", tmp_path / "single"
    event = {"frame": 100, "node": "a", "target": "output", "tick": 14}
    s = scenario(scheme=scheme, upsets={"events": [event]})
    one, two = run(s, quick), run(s, slow, batch=False)
    assert one.run_digest == two.run_digest
    assert records_differ(quick, slow) == []


@pytest.mark.parametrize("hold", [0, pytest.param(1, marks=pytest.mark.slow), 5])
def test_a_stuck_bit_does_not_end_an_in_process_run(tmp_path: Path, hold: int) -> None:
    event = {
        "frame": 50,
        "node": "a",
        "target": "output",
        "bit": 5,
        "hold_frames": hold,
        "pattern": "stuck",
    }
    s = scenario(upsets={"events": [event]}, recovery={"resyncs": 1000})
    one = run(s, tmp_path / "inproc")
    two = run(on(s, "process"), tmp_path / "process")
    assert one.frames == 300 and one.run_digest == two.run_digest


def test_a_run_repeats_with_equal_records(tmp_path: Path) -> None:
    s = weather("infer", 9, "process")
    one, two = run(s, tmp_path / "one"), run(s, tmp_path / "two")
    assert one.run_digest == two.run_digest
    assert records_differ(tmp_path / "one", tmp_path / "two") == []


def test_another_seed_is_another_run(tmp_path: Path) -> None:
    one, two = (run(weather("infer", seed), tmp_path / str(seed)) for seed in (1, 2))
    assert one.run_digest != two.run_digest


@contextlib.contextmanager
def busy_computer(count: int) -> Iterator[None]:
    """As many programs that only burn CPU time."""
    code = "while True: pass"
    hogs = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(count)]
    try:
        yield
    finally:
        for hog in hogs:
            hog.kill()
            hog.wait()


@pytest.mark.slow
def test_a_busy_computer_changes_nothing(tmp_path: Path) -> None:
    targets = ["state", "stack", "heap", "text", "gpr", "vector"]
    s = scenario(
        board="process",
        recovery={"resyncs": 100, "restarts": 100, "window_frames": 50},
        upsets={
            "one_at_a_time": True,
            "rates": [
                {"targets": targets, "per_s": 4, "steps_max": 100},
                {"targets": "cpu", "per_s": 0.5},
            ],
        },
    )
    calm = run(s, tmp_path / "calm")
    with busy_computer(4):
        busy = run(s, tmp_path / "busy")
    assert calm.upsets.injected > 20
    assert records_differ(tmp_path / "calm", tmp_path / "busy") == []
    assert busy.run_digest == calm.run_digest


# --- redundancy ---------------------------------------------------------------------------------


@pytest.mark.parametrize("board", ["inproc", "process"])
def test_a_pair_that_differs_goes_back_and_recovers(tmp_path: Path, board: str) -> None:
    events = [
        {"frame": 53, "node": "a", "target": "output", "tick": 14},
        {"frame": 90, "node": "b", "target": "state", "tick": 0},
    ]
    result = run(scenario(scheme="dmr", board=board, upsets={"events": events}), tmp_path)
    assert result.availability == 1 and result.verdicts["unanimous"] == 300
    assert result.upsets.by_system_outcome["recovered"] == 2
    repairs = rows(tmp_path, "SELECT frame, node, action, ok, detail FROM repairs")
    assert [(r["frame"], r["node"], r["action"], r["ok"]) for r in repairs] == [
        (53, "a", "rollback", 1),
        (53, "b", "rollback", 1),
        (90, "a", "rollback", 1),
        (90, "b", "rollback", 1),
    ]
    assert repairs[0]["detail"] == "computed again from frame 48"
    assert rows(tmp_path, "SELECT max(execution) AS most FROM replies") == [{"most": 1}]


def test_a_pair_that_may_not_go_back_stays_split_and_the_upset_explains_it(tmp_path: Path) -> None:
    event = {"frame": 50, "node": "a", "target": "state", "tick": 0}
    s = scenario(scheme="dmr", recovery={"rollbacks": 0}, upsets={"events": [event]})
    result = run(s, tmp_path)
    assert result.metrics["unresolved"] > 0
    assert result.unexplained == 0
    (upset,) = rows(tmp_path, "SELECT * FROM upsets")
    assert (upset["effect"], upset["outcome"]) == ("sdc", "detected_unresolved")


def test_the_same_fault_in_both_of_a_pair_escapes_and_is_said_to(tmp_path: Path) -> None:
    """The cell holds the right value when it is damaged: both upsets seem harmless at first."""
    late = None
    for frame in range(50, 60):
        events = [
            {
                "frame": frame,
                "node": n,
                "target": "output",
                "bit": 5,
                "pattern": "stuck",
                "permanent": True,
            }
            for n in "ab"
        ]
        out = tmp_path / str(frame)
        result = run(scenario(workload="sha256", scheme="dmr", upsets={"events": events}), out)
        assert result.metrics["sdc_frames"] > 50
        first = rows(out, "SELECT min(frame) AS f FROM frames WHERE NOT flags & 2")[0]["f"]
        if first > frame:
            late = frame
            seen = {(u["effect"], u["outcome"]) for u in rows(out, "SELECT * FROM upsets")}
            assert seen == {("sdc", "sdc_escaped")}
    assert late is not None, "no frame began with the right value: the test tested nothing"


@pytest.mark.parametrize("board", ["inproc", "process"])
def test_upsets_in_two_of_three_nodes_in_one_frame_are_survived(tmp_path: Path, board: str) -> None:
    events = [{"frame": 70, "node": n, "target": "output", "tick": 14} for n in "ac"]
    result = run(scenario(board=board, upsets={"events": events}), tmp_path)
    assert result.availability == 1 and result.metrics["sdc_frames"] == 0
    assert result.upsets.by_system_outcome["recovered"] == 2
    replies = rows(tmp_path, "SELECT execution, output_digest FROM replies WHERE frame=70")
    assert len({r["output_digest"] for r in replies if r["execution"] == 0}) == 3
    assert len({r["output_digest"] for r in replies if r["execution"] == 1}) == 1


@pytest.mark.parametrize(("scheme", "hit"), [("5mr", "ab"), ("7mr", "aeg")])
@pytest.mark.parametrize("board", ["inproc", "process"])
def test_more_nodes_outvote_more_faults(tmp_path: Path, board: str, scheme: str, hit: str) -> None:
    events = [
        {"frame": f, "node": n, "target": t, "tick": 0 if t == "state" else 14, "bit": 203}
        for f, t in ((40, "output"), (80, "state"))
        for n in hit
    ]
    result = run(scenario(board=board, scheme=scheme, upsets={"events": events}), tmp_path)
    assert result.availability == 1 and result.metrics["sdc_frames"] == 0
    assert result.upsets.by_system_outcome["corrected"] == 2 * len(hit)


@pytest.mark.parametrize("board", ["inproc", "process"])
def test_a_node_that_dies_and_returns_votes_again(tmp_path: Path, board: str) -> None:
    event = {"frame": 60, "node": "b", "target": "board", "returns_after_frames": 40}
    result = run(scenario(board=board, upsets={"events": [event]}), tmp_path)
    assert result.availability == 1 and result.metrics["isolated"] == 0
    edges = rows(tmp_path, "SELECT frame, before, after FROM transitions")
    assert [e["after"] for e in edges] == [
        "suspect",
        "power_cycle",
        "isolated",
        "power_cycle",
        "reintegrating",
        "voting",
    ]
    frames = [e["frame"] for e in edges]
    assert frames == sorted(frames), "what happens later has no earlier frame"
    assert (frames[0], frames[-1]) == (60, 102)
    assert rows(tmp_path, "SELECT effect, outcome FROM upsets") == [
        {"effect": "crash", "outcome": "degraded"}
    ]
    assert result.verdicts == {
        "unanimous": 299,
        "majority": 1,
        "simplex": 0,
        "no_majority": 0,
        "no_quorum": 0,
    }


@pytest.mark.parametrize("scheme", ["simplex", "dmr", "tmr"])
@pytest.mark.parametrize("board", ["inproc", "process"])
def test_a_rig_of_which_all_nodes_lost_power_comes_back(
    tmp_path: Path, board: str, scheme: str
) -> None:
    names = "abc"[: {"simplex": 1, "dmr": 2, "tmr": 3}[scheme]]
    events = [
        {"frame": 60, "node": n, "target": "board", "returns_after_frames": 10} for n in names
    ]
    result = run(scenario(board=board, scheme=scheme, upsets={"events": events}), tmp_path)
    assert result.verdicts["no_quorum"] == 10
    assert result.availability == pytest.approx(290 / 300)
    last = "unanimous" if len(names) > 1 else "simplex"
    assert result.verdicts[last] >= 280
    assert result.metrics["isolated"] == 0 and result.metrics["sdc_frames"] == 0


def test_a_restarted_node_does_not_roll_the_others_back_to_the_beginning(
    tmp_path: Path,
) -> None:
    events = [
        {"frame": 225, "node": "c", "target": "cpu", "sefi": "reset"},
        *({"frame": 230, "node": n, "target": "output", "tick": 14} for n in "ab"),
    ]
    result = run(scenario(upsets={"events": events}), tmp_path)
    assert result.availability == 1
    details = rows(tmp_path, "SELECT detail FROM repairs WHERE action='rollback'")
    assert {int(d["detail"].split()[-1]) for d in details} <= set(range(224, 231))


def test_two_noises_in_one_frame_are_distinguished(tmp_path: Path) -> None:
    events = [
        {"frame": 50, "node": "a", "target": "link", "noise": kind, "direction": way}
        for kind, way in (("drop", "to_board"), ("duplicate", "to_board"))
    ]
    run(scenario(upsets={"events": events}), tmp_path)
    drop, duplicate = rows(tmp_path, "SELECT * FROM upsets ORDER BY id")
    if drop["state"] == "injected":
        assert (drop["effect"], drop["after"]) == ("detected", b"")
    if duplicate["state"] == "injected":
        assert duplicate["after"] == duplicate["before"] * 2
    assert "injected" in (drop["state"], duplicate["state"])


def test_two_flipped_bits_of_a_checkpoint_are_both_accounted_for(tmp_path: Path) -> None:
    events = [
        {"frame": 50, "node": "a", "target": "checkpoint", "bit": 64 * word} for word in (200, 300)
    ]
    run(scenario(upsets={"events": events}), tmp_path)
    for upset in rows(tmp_path, "SELECT * FROM upsets"):
        assert (upset["state"], upset["effect"], upset["outcome"]) == (
            "injected",
            "detected",
            "corrected",
        )


def test_damaged_cells_do_not_use_up_the_agents_memory_for_them(tmp_path: Path) -> None:
    """A permanent fault is armed again where it was lost, and only there."""
    crashes = [
        {"frame": 20 + 10 * n, "node": "a", "target": "cpu", "sefi": "crash"} for n in range(20)
    ]
    cell = {
        "frame": 5,
        "node": "a",
        "target": "input",
        "bit": 3,
        "pattern": "stuck",
        "permanent": True,
    }
    late = {"frame": 280, "node": "a", "target": "output", "bit": 3, "pattern": "stuck"}
    s = scenario(
        upsets={"events": [cell, *crashes, late]},
        recovery={"resyncs": 1000, "restarts": 1000, "window_frames": 1000},
    )
    result = run(s, tmp_path)
    assert result.upsets.injected == 22, "a stuck bit more than there is room for was refused"


# --- real time ----------------------------------------------------------------------------------


def test_a_wall_clock_trigger_on_a_real_process_is_not_reproducible(tmp_path: Path) -> None:
    event = {"frame": 50, "node": "a", "target": "state", "us": 3}
    s = scenario(frames=100, upsets={"events": [event]})
    assert run(s, tmp_path / "virtual").reproducible
    on_processes = run(on(s, "process"), tmp_path / "process")
    assert not on_processes.reproducible
    (upset,) = rows(tmp_path / "process", "SELECT * FROM upsets")
    assert upset["planned_us"] == 3 and upset["state"] in ("injected", "missed")
    if upset["state"] == "injected":  # its time is CPU time of the worker, the trigger's is not
        assert upset["at_us"] < 1_000_000


@pytest.mark.parametrize(("frame_ms", "pace"), [(5, "realtime"), (100, "20x")])
def test_frames_of_a_paced_run_begin_at_their_times(
    tmp_path: Path, frame_ms: int, pace: str
) -> None:
    clock = VirtualClock()
    begins: list[int] = []

    def begin() -> bool:
        begins.append(clock.elapsed_us)
        return False

    s = scenario(frames=100, frame_ms=frame_ms, pace=pace)
    result = Loop(s, tmp_path, **between_frames(begin), setup=RunSetup(clock=clock)).run()
    assert result.frames == result.verdicts["unanimous"] == 100 and result.slips == 0
    assert clock.elapsed_us == 99 * 5000, "the first frame begins at once"
    assert set(begins) == set(range(0, 100 * 5000, 5000))


def test_a_paced_run_of_real_processes_is_not_reproducible(tmp_path: Path) -> None:
    result = run(scenario(frames=20, frame_ms=5, pace="realtime", board="process"), tmp_path)
    assert not result.reproducible
    assert result.frames == 20 == sum(result.verdicts.values())


class Stopper:
    """Stops the agent of one node at a frame, and lets it go on later, from the loop's own hook."""

    def __init__(self, at: int, until: int) -> None:
        self.signals = {at: signal.SIGSTOP, until: signal.SIGCONT}
        self.loop: Loop | None = None

    def __call__(self) -> bool:
        assert self.loop is not None
        frame = self.loop.next_frame
        board = self.loop.controls.rig.nodes[1].board
        assert isinstance(board, ProcessBoard) and board.pid
        if frame in self.signals:
            os.kill(board.pid, self.signals.pop(frame))
        return False


@pytest.mark.slow
def test_a_node_that_pauses_in_a_paced_run_is_a_slip_and_not_a_failure(tmp_path: Path) -> None:
    s = scenario(
        frames=120,
        frame_ms=20,
        pace="realtime",
        board="process",
        timeouts=QUICK,
        recovery={"resyncs": 20},
    )
    stopper = Stopper(40, 55)
    loop = stopper.loop = Loop(s, tmp_path, **between_frames(stopper))
    result = loop.run()
    slips = rows(tmp_path, "SELECT * FROM slips WHERE node='b' OR node IS NULL")
    # A slip in each of these frames, or one of a busy computer: the other nodes kept the pace, and
    # did not wait for its 5 s.
    assert {slip["frame"] for slip in slips} >= set(range(41, 54))
    # Two of three nodes make a result, should a busy computer delay one more for a moment.
    assert result.availability >= 0.95 and result.metrics["sdc_frames"] == 0
    actions = {r["action"] for r in rows(tmp_path, "SELECT action FROM repairs")}
    assert actions <= {"resync"}, "it was neither dead nor started anew"
    assert result.metrics["isolated"] == 0


def test_progress_is_reported_and_a_stop_is_handled_between_frames(tmp_path: Path) -> None:
    told: list[RunProgress] = []

    def stop() -> bool:
        return loop.next_frame == 100

    hook = BetweenFrames(stop)
    observers = [ProgressObserver(told.append), hook]
    loop = Loop(scenario(), tmp_path, batch=False, observers=observers, stop=lambda: hook.ended)
    result = loop.run()
    assert result.outcome == "aborted" and result.frames == 100
    assert [p.phase for p in told[:2]] == ["opening", "calibrating"]
    assert all(p.frames == 300 for p in told)
    assert rows(tmp_path, "SELECT text FROM notes") == [{"text": "aborted by the user"}]


def test_boards_that_cannot_be_hit_there_are_refused_before_the_run() -> None:
    with pytest.raises(ValueError, match="gpr"):
        scenario(upsets={"events": [{"frame": 1, "node": "a", "target": "gpr"}]})
    assert scenario().rig.nodes[0].board is BoardKind.INPROC
