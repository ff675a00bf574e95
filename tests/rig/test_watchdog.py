"""The hardware watchdog, kicked by the hil-agent program. A FIFO or a file stands for it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hil.kernel import Golden
from hil.rig.rig import Rig

from .contract import SEED, is_golden, one
from .exec_rig import HOSTILE, python
from .test_process_board import DEADLINE_S, Pipes, piped, run_agent, until

pytestmark = pytest.mark.ptrace

__all__ = ["piped"]  # a fixture

MakePiped = Callable[..., tuple[Rig, Pipes]]


class Device:
    """What the agent writes to its watchdog."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.path = path
        self._fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self.seen = b""

    def read(self) -> bytes:
        """All that was written so far."""
        try:
            while data := os.read(self._fd, 4096):
                self.seen += data
        except BlockingIOError:
            pass
        return self.seen

    def close(self) -> None:
        os.close(self._fd)


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Device]:
    made = Device(tmp_path / "watchdog")
    yield made
    made.close()


def said(pipes: Pipes) -> str:
    assert pipes.process.stderr is not None
    return pipes.process.stderr.read().decode()


def test_the_watchdog_is_kicked_until_an_orderly_end_disarms_it(
    device: Device, piped: MakePiped
) -> None:
    _, pipes = piped("--watchdog", f"{device.path}:1")
    until(lambda: len(device.read()) >= 4, "four kicks, in silence")
    assert b"V" not in device.seen
    pipes.process.send_signal(signal.SIGTERM)
    pipes.process.wait(DEADLINE_S)
    assert device.read().endswith(b"V")
    assert device.seen.count(b"V") == 1
    assert "takes no time-out of 1 s" in said(pipes)  # a FIFO is no watchdog, and it says so


def test_the_watchdog_is_disarmed_when_the_host_ends(device: Device, piped: MakePiped) -> None:
    _, pipes = piped("--watchdog", str(device.path))
    pipes.stdin.close()
    pipes.process.wait(DEADLINE_S)
    assert device.read().endswith(b"V")


def test_a_stopped_agent_does_not_kick_the_watchdog(device: Device, piped: MakePiped) -> None:
    _, pipes = piped("--watchdog", f"{device.path}:1")
    until(lambda: bool(device.read()), "a kick")
    pipes.process.send_signal(signal.SIGSTOP)
    until(lambda: stopped(pipes.process.pid), "the agent to stop")
    device.read()
    before = len(device.seen)
    with pytest.raises(AssertionError, match="in vain"):
        until(lambda: len(device.read()) > before, "a kick", 1.0)
    pipes.process.send_signal(signal.SIGCONT)
    until(lambda: len(device.read()) > before, "a kick of the agent that goes on")


def test_the_watchdog_is_kicked_while_a_program_starts(device: Device, piped: MakePiped) -> None:
    late = python(HOSTILE, "late", "99", "2")  # for 2 s the agent waits for nothing else
    rig, _ = piped("--watchdog", f"{device.path}:1", "--exec", f"late={late}")
    rig.setup.workload = "exec:late"
    before = len(device.read())
    rig.load(rig.nodes[0])
    assert len(device.read()) >= before + 5


def stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def test_a_killed_agent_leaves_the_watchdog_armed(device: Device, piped: MakePiped) -> None:
    _, pipes = piped("--watchdog", str(device.path))
    until(lambda: bool(device.read()), "a kick")
    pipes.process.kill()
    pipes.process.wait()
    assert b"V" not in device.read()


def test_a_reset_leaves_the_watchdog_armed_and_kicked(device: Device, piped: MakePiped) -> None:
    rig, pipes = piped("--watchdog", f"{device.path}:3600")
    until(lambda: bool(device.read()), "a kick")
    rig.reset(rig.nodes[0])
    until(lambda: len(device.read()) == 2, "the first kick of the next life")
    assert b"V" not in device.seen
    pipes.process.send_signal(signal.SIGTERM)
    pipes.process.wait(DEADLINE_S)
    assert device.read().endswith(b"V")


def test_kicks_go_on_while_a_step_runs(device: Device, piped: MakePiped) -> None:
    rig, _ = piped("--watchdog", f"{device.path}:1")
    golden = Golden("sha256", SEED)
    frame = 0
    while len(device.read()) < 3:
        golden.step()
        assert is_golden(one(rig, frame, golden.input), golden)
        frame += 1


@pytest.mark.parametrize(("name", "why"), [("none", "No such file"), ("folder", "Is a directory")])
def test_an_agent_without_its_watchdog_reports_it_and_serves(
    tmp_path: Path, piped: MakePiped, name: str, why: str
) -> None:
    (tmp_path / "folder").mkdir()
    rig, pipes = piped("--watchdog", str(tmp_path / name))
    golden = Golden("sha256", SEED)
    golden.step()
    assert is_golden(one(rig, 0, golden.input), golden)
    pipes.stdin.close()
    pipes.process.wait(DEADLINE_S)
    assert f"no watchdog: {tmp_path / name}: {why}" in said(pipes)


def test_a_plain_file_will_do_for_a_trial(tmp_path: Path, piped: MakePiped) -> None:
    path = tmp_path / "watchdog"
    path.touch()
    _, pipes = piped("--watchdog", str(path))
    pipes.stdin.close()
    pipes.process.wait(DEADLINE_S)
    assert path.read_text() == "kV"


@pytest.mark.parametrize(
    "spec", ["", "watchdog", "/dev/watchdog:0", "/dev/watchdog:99999999", ":9"]
)
def test_a_path_that_is_not_a_watchdog_is_bad_usage(spec: str) -> None:
    done = run_agent("--port", "pty", "--watchdog", spec)
    assert done.returncode == 2
    assert f"{spec} is not a valid watchdog" in done.stderr
