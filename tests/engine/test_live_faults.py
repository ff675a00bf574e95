"""Faults that nobody planned: real processes are killed, stopped and cut off while a run goes on.

They are made from the loop's own `stop` hook, between two frames, so that each run meets them at
the same frames.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from hil.engine.loop import Loop
from hil.record.reader import Reader
from hil.record.run_result import RunResult
from hil.rig.backends.process import ProcessBoard, find_agent
from hil.rig.transport import SerialTransport
from hil.scenario import Scenario
from tests.amount import mostly_slow
from tests.between_frames import between_frames
from tests.descriptors import open_descriptors
from tests.engine.snapshots import snapshot_every_frame
from tests.waiting import wait_until

TIOCVHANGUP = 0x5437
DEADLINE_S = 20


def scenario(**data: Any) -> Scenario:
    scheme = data.pop("scheme", "tmr")
    return Scenario.model_validate(
        {
            "workload": "infer",
            "frames": 200,
            "timeouts": {"lost_after_ms": 200, "retry_ms": 50, "cpu_floor_ms": 10},
            "recovery": {"restarts": 50, "resets": 50, "power_cycles": 50},
            "rig": {"scheme": scheme, "board": "process"},
            **data,
        }
    )


def rows(out: Path, sql: str) -> list[dict[str, Any]]:
    reader = Reader(out)
    try:
        return [dict(row) for row in reader.rows(sql)]
    finally:
        reader.close()


def undelivered(out: Path) -> set[int]:
    reader = Reader(out)
    try:
        return {v.frame for v in reader.verdicts() if not v.delivered}
    finally:
        reader.close()


def alive(pid: int) -> bool:
    """It exists, and is no zombie."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def children(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        return [int(c) for c in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


class Saboteur:
    """Calls each of `acts` before its frame; remembers processes and open descriptors."""

    def __init__(self, acts: Mapping[int, tuple[Callable[[Saboteur, int], None], int]]) -> None:
        self.acts = dict(acts)
        self.seen: set[int] = set()
        self.descriptors: dict[int, int] = {}
        self.loop: Loop | None = None

    def __call__(self) -> bool:
        frame = self.loop.next_frame if self.loop else 0
        if frame in self.acts:
            act, node = self.acts.pop(frame)
            self.descriptors[frame] = open_descriptors()
            for index in range(len(self.loop.controls.rig.nodes) if self.loop else 0):
                self.seen |= {self.agent(index), *children(self.agent(index))}
            act(self, node)
        return False

    def board(self, node: int) -> ProcessBoard:
        assert self.loop is not None
        board = self.loop.controls.rig.nodes[node].board
        assert isinstance(board, ProcessBoard)
        return board

    def agent(self, node: int) -> int:
        pid = self.board(node).pid
        assert pid is not None
        return pid

    def worker(self, node: int) -> int:
        (pid,) = children(self.agent(node))
        return pid


def kill_agent(s: Saboteur, node: int) -> None:
    pid = s.agent(node)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not alive(pid))


def stop_agent(s: Saboteur, node: int) -> None:
    os.kill(s.agent(node), signal.SIGSTOP)


def kill_worker(s: Saboteur, node: int) -> None:
    os.kill(s.worker(node), signal.SIGKILL)


def stop_worker(s: Saboteur, node: int) -> None:
    os.kill(s.worker(node), signal.SIGSTOP)


def hang_up(s: Saboteur, node: int) -> None:
    fd = os.open(s.board(node).port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        fcntl.ioctl(fd, TIOCVHANGUP)
    except PermissionError:
        pytest.skip("hanging up a terminal needs CAP_SYS_TTY_CONFIG")
    finally:
        os.close(fd)


def run(s: Scenario, out: Path, saboteur: Saboteur) -> RunResult:
    saboteur.loop = Loop(s, out, **between_frames(saboteur))
    return saboteur.loop.run()


# fault, effect of the anomaly, what its reason says, first repair
FAULTS: list[tuple[Callable[[Saboteur, int], None], str, str, str]] = [
    (kill_agent, "crash", "SIGKILL", "power_cycle"),
    (hang_up, "hang", "", "power_cycle"),
    (stop_agent, "hang", "no answer for 0.", "power_cycle"),
    (kill_worker, "crash", "", "restart"),
]


@pytest.mark.parametrize(
    ("act", "effect", "reason", "action"), FAULTS, ids=[act.__name__ for act, *_ in FAULTS]
)
def test_a_fault_is_found_healed_and_recorded_as_what_it_was(
    tmp_path: Path, act: Callable[[Saboteur, int], None], effect: str, reason: str, action: str
) -> None:
    saboteur = Saboteur({50: (act, 1), 120: (act, 2)})
    result = run(scenario(), tmp_path, saboteur)
    assert result.availability == 1 and result.metrics["sdc_frames"] == 0
    assert result.frames == 200 and result.metrics["isolated"] == 0
    anomalies = rows(tmp_path, "SELECT frame, node, effect, reason FROM anomalies")
    assert [(a["frame"], a["node"], a["effect"]) for a in anomalies] == [
        (50, "b", effect),
        (120, "c", effect),
    ]
    assert all(reason in a["reason"] for a in anomalies), anomalies
    assert result.unexplained == 2
    repairs = rows(tmp_path, "SELECT frame, node, action, ok FROM repairs")
    assert [(r["frame"], r["node"], r["action"], r["ok"]) for r in repairs] == [
        (50, "b", action, 1),
        (120, "c", action, 1),
    ]
    after = rows(tmp_path, "SELECT node, after FROM transitions")
    way = ["suspect", action, "reintegrating", "voting"]
    assert [(t["node"], t["after"]) for t in after] == [("b", w) for w in way] + [
        ("c", w) for w in way
    ]
    wait_until(lambda: not [pid for pid in saboteur.seen if alive(pid)])


def test_the_signal_of_a_killed_worker_is_in_the_record(tmp_path: Path) -> None:
    run(scenario(), tmp_path, Saboteur({50: (kill_worker, 1)}))
    (reply,) = rows(tmp_path, "SELECT * FROM replies WHERE frame=50 AND node=1")
    assert (reply["status"], reply["signal"]) == ("crashed", signal.SIGKILL)


@pytest.mark.slow
def test_a_worker_that_is_stopped_between_steps_goes_on(tmp_path: Path) -> None:
    """Stop signals are not upsets: the agent, which traces the worker, passes over them."""
    acts = {f: (stop_worker, f % 3) for f in range(10, 60, 7)}
    result = run(scenario(), tmp_path, Saboteur(acts))
    assert result.verdicts["unanimous"] == 200 and result.unexplained == 0


@pytest.mark.parametrize("act", [kill_agent, stop_agent])
def test_a_single_node_comes_back_too(tmp_path: Path, act: Callable[[Saboteur, int], None]) -> None:
    result = run(scenario(scheme="simplex"), tmp_path, Saboteur({50: (act, 0)}))
    assert result.metrics["sdc_frames"] == 0
    assert result.availability >= 0.99


def test_a_board_that_starts_slowly_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a busy computer: its first answer takes three times `lost_after_ms`."""
    connect = ProcessBoard.connect

    def connect_slowly(board: ProcessBoard) -> SerialTransport:
        transport = connect(board)
        assert board.pid is not None
        os.kill(board.pid, signal.SIGSTOP)
        threading.Timer(0.6, os.kill, (board.pid, signal.SIGCONT)).start()
        return transport

    monkeypatch.setattr(ProcessBoard, "connect", connect_slowly)
    result = run(scenario(scheme="simplex", frames=20), tmp_path, Saboteur({}))
    assert result.verdicts["simplex"] == 20 and result.unexplained == 0


def test_all_agents_killed_at_once_come_back(tmp_path: Path) -> None:
    def kill_all(s: Saboteur, _: int) -> None:
        for node in range(3):
            kill_agent(s, node)

    result = run(scenario(), tmp_path, Saboteur({50: (kill_all, 0)}))
    assert result.availability >= 0.99 and result.metrics["sdc_frames"] == 0
    assert result.verdicts["unanimous"] >= 190


@pytest.mark.slow
def test_thirty_faults_leave_no_process_and_no_descriptor_behind(tmp_path: Path) -> None:
    before, children_before = open_descriptors(), children(os.getpid())
    kinds = [act for act, *_ in FAULTS] + [stop_worker]
    acts = {10 + 12 * n: (kinds[n % len(kinds)], n % 3) for n in range(30)}
    saboteur = Saboteur(acts)
    result = run(scenario(frames=380), tmp_path, saboteur)
    assert result.frames == 380 and result.availability == 1
    assert result.metrics["sdc_frames"] == 0 and result.metrics["isolated"] == 0
    assert result.unexplained == result.recoveries == 24
    assert len(set(saboteur.descriptors.values())) == 1, "open while it runs"
    assert open_descriptors() == before, "open after it"
    assert len(saboteur.seen) >= 6 + 24
    wait_until(lambda: not [pid for pid in saboteur.seen if alive(pid)])
    assert children(os.getpid()) == children_before


def test_a_node_that_dies_too_often_is_isolated_and_the_rest_go_on(tmp_path: Path) -> None:
    s = scenario(recovery={"power_cycles": 1, "window_frames": 100})
    result = run(s, tmp_path, Saboteur({50: (kill_agent, 1), 70: (kill_agent, 1)}))
    assert result.metrics["isolated"] == 1 and result.availability == 1
    last = rows(tmp_path, "SELECT * FROM transitions ORDER BY id DESC LIMIT 1")[0]
    assert (last["frame"], last["node"], last["after"]) == (70, "b", "isolated")


# --- boards whose power is not ours -------------------------------------------------------------


@contextlib.contextmanager
def agents(count: int) -> Iterator[list[tuple[int, str]]]:
    """Agents that run on their own: (process id, port)."""
    command = [str(find_agent()), "--port", "pty", "--exit-with-parent"]
    started = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
        for _ in range(count)
    ]
    try:
        ports = []
        for process in started:
            assert process.stdout is not None
            ports.append(process.stdout.readline().decode().split()[1])
        yield [(p.pid, port) for p, port in zip(started, ports, strict=True)]
    finally:
        for process in started:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


OF_OTHERS = (
    "node IN ('a', 'c') OR node IS NULL AND detail NOT LIKE 'node b:%' "
    "AND detail LIKE 'node _: not heard in time, as this computer was busy'"
)


@pytest.mark.slow
def test_a_dead_board_on_a_port_that_is_still_there_does_not_hold_up_the_others(
    tmp_path: Path,
) -> None:
    with agents(3) as boards:
        nodes = [
            {"name": n, "board": "serial", "port": port}
            for n, (_, port) in zip("abc", boards, strict=True)
        ]
        # Frames of 50 ms: at 10 ms a busy host misses one now and then, which is another matter.
        s = scenario(
            frames=150,
            frame_ms=50.0,
            pace="realtime",
            rig={"scheme": "tmr", "nodes": nodes},
            recovery={"power_cycles": 1},
        )

        def stop() -> bool:
            if loop.next_frame == 30:
                os.kill(boards[1][0], signal.SIGSTOP)
            return False

        loop = Loop(s, tmp_path, **between_frames(stop))
        result = loop.run()
    (isolated,) = rows(
        tmp_path, "SELECT frame FROM transitions WHERE after='isolated' AND node='b'"
    )
    assert isolated["frame"] < 100
    late = rows(tmp_path, f"SELECT * FROM slips WHERE frame > {isolated['frame'] + 10}")
    assert [slip for slip in late if slip["late_wall_us"] > 150_000] == []
    # A busy host may keep another board from its deadline: a slip of that board, or of the host.
    others = rows(tmp_path, f"SELECT DISTINCT frame FROM slips WHERE {OF_OTHERS}")
    assert undelivered(tmp_path) <= {slip["frame"] for slip in others}
    assert result.metrics["sdc_frames"] == 0


# --- what is reproducible, and what is not ------------------------------------------------------


def stop_agent_for_a_moment(s: Saboteur, node: int) -> None:
    pid = s.agent(node)
    os.kill(pid, signal.SIGSTOP)
    threading.Timer(0.05, os.kill, (pid, signal.SIGCONT)).start()


STATE_BIT = {"frame": 60, "node": "b", "target": "state", "bit": 9, "tick": 0}
POWER_LOSS = {"frame": 59, "node": "b", "target": "board", "returns_after_frames": 2}
BESIDE: dict[str, list[dict[str, Any]]] = {
    "no upset": [],
    "a state bit in the same frame": [STATE_BIT],
    "a power loss that has just ended": [POWER_LOSS],
}


@pytest.mark.parametrize("beside", mostly_slow(BESIDE, keep=1))
@pytest.mark.parametrize("act", [kill_agent, stop_agent, kill_worker])
def test_a_run_that_somebody_disturbed_does_not_call_itself_reproducible(
    tmp_path: Path, act: Callable[[Saboteur, int], None], beside: str
) -> None:
    """Also where an upset is under way on the node that is hit."""
    result = run(scenario(upsets={"events": BESIDE[beside]}), tmp_path, Saboteur({62: (act, 1)}))
    assert not result.reproducible
    assert result.not_reproducible.startswith("something outside of the scenario acted on the boar")
    assert "node b" in result.not_reproducible
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["reproducible"] is False
    assert manifest["not_reproducible"] == result.not_reproducible


@pytest.mark.parametrize("act", [stop_worker, stop_agent_for_a_moment])
def test_a_disturbance_that_changed_nothing_leaves_a_run_reproducible(
    tmp_path: Path, act: Callable[[Saboteur, int], None]
) -> None:
    for name in ("quiet", "disturbed"):
        (tmp_path / name).mkdir()
    patient = {"lost_after_ms": 5000, "retry_ms": 50, "cpu_floor_ms": 10}  # no loss beyond the act
    quiet = run(scenario(timeouts=patient), tmp_path / "quiet", Saboteur({}))
    disturbed = run(scenario(timeouts=patient), tmp_path / "disturbed", Saboteur({60: (act, 1)}))
    assert quiet.reproducible and disturbed.reproducible
    assert disturbed.run_digest == quiet.run_digest


def test_an_agent_that_was_killed_while_its_node_was_isolated_is_reported(tmp_path: Path) -> None:
    """Nobody asks that board for anything: only its process shows it."""
    events = [
        {"frame": 20 + k, "node": "b", "target": "cpu", "sefi": "crash", "tick": 1}
        for k in range(3)
    ]
    recovery = {"restarts": 1, "resets": 0, "power_cycles": 0}
    s = scenario(upsets={"events": events, "allow_missed": 3}, recovery=recovery)
    for name in ("quiet", "disturbed"):
        (tmp_path / name).mkdir()
    assert run(s, tmp_path / "quiet", Saboteur({})).reproducible
    disturbed = run(s, tmp_path / "disturbed", Saboteur({100: (kill_agent, 1)}))
    assert disturbed.metrics["isolated"] == 1
    assert "killed by SIGKILL" in disturbed.not_reproducible


def test_a_resumed_run_remembers_outside_influence(tmp_path: Path) -> None:
    s = scenario()
    saboteur = Saboteur({60: (kill_agent, 1)})
    first = Loop(s, tmp_path, **between_frames(lambda: saboteur() or first.next_frame >= 120))
    saboteur.loop = first
    snapshot_every_frame(first)
    assert first.run().outcome == "aborted"
    again = Loop(s, tmp_path, resume_run=True).run()
    assert again.frames == 200
    assert "killed by SIGKILL" in again.not_reproducible


@pytest.mark.slow
def test_a_host_that_stood_still_in_a_free_run_changed_nothing(tmp_path: Path) -> None:
    """For longer than a silent board is waited for, wherever it was."""
    path = tmp_path / "s.yaml"
    path.write_text(
        "schema: 1\nworkload: infer\nframes: 3000\nrig: {scheme: tmr, board: process}\n"
        "timeouts: {lost_after_ms: 200, retry_ms: 50, cpu_floor_ms: 10}\n",
        encoding="ascii",
    )
    told = []
    for name, stops in (("quiet", 0), ("stopped", 3)):
        out = tmp_path / name
        command = [sys.executable, "-m", "hil", "run", path, "--json", "--no-tui", "--out", out]
        run = subprocess.Popen([*map(str, command)], stdout=subprocess.PIPE, cwd=tmp_path)
        for _ in range(stops):
            wait_until((out / "run.db").exists)
            run.send_signal(signal.SIGSTOP)
            time.sleep(0.4)
            run.send_signal(signal.SIGCONT)
            time.sleep(0.02)
        told.append(json.loads(run.communicate(timeout=60)[0]))
    assert all(t["reproducible"] and t["outcome"] == "pass" for t in told)
    assert told[0]["run_digest"] == told[1]["run_digest"]
