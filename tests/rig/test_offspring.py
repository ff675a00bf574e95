"""No process of a run is left behind, whoever ends first."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from hil.rig.backends.process import ProcessBoard, find_agent
from hil.rig.rig import Rig
from tests.command_line import Hil

from .exec_rig import MakeRig
from .test_process_board import agent_pid, children, gone, until

LEAVES = Path(__file__).parent / "leaves_behind.py"
HOSTILE = Path(__file__).parent / "hostile_program.py"

SCENARIO = """
schema: 1
workload: exec
exec: {program: it}
frames: 1000000
rig: {scheme: tmr, board: process}
"""

HIDDEN = 2
"""Processes that one program hides."""

Allow = Callable[..., None]


def descendants(pid: int) -> set[int]:
    found, new = set(), {pid}
    while new:
        found |= new
        new = {child for parent in new for child in children(parent)} - found
    return found - {pid}


def is_hidden(pid: int) -> bool:
    """Return whether a process has left the session of the process that started its program."""
    try:
        leads = os.getsid(pid) == pid
        line = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    return (leads and LEAVES.name.encode() in line) or b"hidden" in line


def hidden(pid: int) -> list[int]:
    return [found for found in descendants(pid) if is_hidden(found)]


Begin = Callable[[signal.Signals], "subprocess.Popen[str]"]


@pytest.fixture
def begin(tmp_path: Path, hil: Hil) -> Iterator[Begin]:
    """Starts a run without an end, for the signal that will end it. None outlives its test."""
    runs: list[subprocess.Popen[str]] = []
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    path = tmp_path / "s.yaml"
    path.write_text(SCENARIO, encoding="ascii")

    def start(number: signal.Signals) -> subprocess.Popen[str]:
        out = tmp_path / number.name
        runs.append(hil.start("run", path, "--no-tui", "--out", out, **silent))
        return runs[-1]

    yield start
    for run in runs:
        run.kill()
        run.wait()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("program", "agents"),
    [
        pytest.param(f"{HOSTILE},silent,0", 0, id="while the reference starts"),
        pytest.param(f"{LEAVES},slow", 1, id="while a board starts its program"),
        pytest.param(f"{LEAVES},quick", 3, id="while frames run"),
    ],
)
def test_a_run_that_is_ended_by_a_signal_leaves_no_process_behind(
    tmp_path: Path,
    allow: Allow,
    begin: Begin,
    program: str,
    agents: int,
) -> None:
    allow(it=f"{sys.executable},{program}")
    runs = {n: begin(n) for n in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)}
    left: dict[signal.Signals, set[int]] = {}
    for number, run in runs.items():
        pid = run.pid
        if agents:
            wanted = HIDDEN * (1 + agents)
            until(lambda pid=pid, n=wanted: len(hidden(pid)) >= n, "its programs")  # type: ignore[misc]
        else:  # the guardian, and what it guards
            until(lambda pid=pid: len(descendants(pid)) >= 2, "its reference")  # type: ignore[misc]
        if agents == 3:
            until((tmp_path / number.name / "run.db").exists, "its record")
        left[number] = descendants(pid)
        run.send_signal(number)
    for number, run in runs.items():
        run.wait(60)
        for pid in left[number]:
            until(lambda pid=pid: gone(pid), f"the end of {pid} after {number.name}")  # type: ignore[misc]


@pytest.mark.slow
def test_a_suspended_agent_ends_with_its_host(
    tmp_path: Path,
    allow: Allow,
    begin: Begin,
) -> None:
    allow(it=f"{sys.executable},{LEAVES},quick")
    run = begin(signal.SIGKILL)
    until((tmp_path / "SIGKILL" / "run.db").exists, "its record")
    left = descendants(run.pid)
    for pid in left:
        with suppress(ProcessLookupError):  # a program that was asked something, and has answered
            os.kill(pid, signal.SIGSTOP)
    run.kill()
    run.wait(60)
    for pid in left:
        until(lambda pid=pid: gone(pid), f"the end of {pid}")  # type: ignore[misc]


def test_an_agent_whose_host_has_ended_already_exits_at_once() -> None:
    host = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True
    )
    command = [str(find_agent()), "--port", "pty", f"--exit-with-parent={int(host.stdout)}"]
    done = subprocess.run(command, capture_output=True, timeout=20, check=False)
    assert done.returncode == 0


def power_cut(rig: Rig) -> None:
    rig.nodes[0].board.power_off()


def restart(rig: Rig) -> None:
    rig.restart(rig.nodes[0])


@pytest.mark.parametrize("ends", [power_cut, restart])
def test_hidden_processes_of_a_program_end_with_it(
    make_rig: MakeRig,
    ends: Callable[[Rig], None],
) -> None:
    rig = make_rig("it", it=f"{sys.executable},{LEAVES},quick")
    board = rig.nodes[0].board
    assert isinstance(board, ProcessBoard)
    until(lambda: len(hidden(agent_pid(rig))) == HIDDEN, "what it hides")
    left = hidden(agent_pid(rig))
    ends(rig)
    assert [Path(f"/proc/{pid}").exists() for pid in left] == [False, False]


def test_processes_left_by_a_killed_agent_end_at_power_off(make_rig: MakeRig) -> None:
    rig = make_rig("it", it=f"{sys.executable},{LEAVES},quick")
    until(lambda: len(hidden(agent_pid(rig))) == HIDDEN, "what it hides")
    # The other has neither the session nor the environment of the agent: nothing identifies it.
    left = [pid for pid in descendants(agent_pid(rig)) if Path(f"/proc/{pid}/environ").read_bytes()]
    agent = agent_pid(rig)
    (unknown,) = descendants(agent) - set(left)
    os.kill(agent, signal.SIGKILL)
    until(lambda: gone(agent), "the agent's end")
    power_cut(rig)
    os.kill(unknown, signal.SIGKILL)
    assert len(left) == 2 and not any(Path(f"/proc/{pid}").exists() for pid in left)
