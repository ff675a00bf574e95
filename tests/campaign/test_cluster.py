"""Campaigns on a cluster of dask.distributed: a scheduler and two workers, each a process of its
own, as its users start them."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hil.extras import install_command

from ..documents.blocks import ROOT, blocks_of, commands_of

HAS_DASK = importlib.util.find_spec("distributed") is not None
pytestmark = [pytest.mark.slow, pytest.mark.ptrace]
needs_dask = pytest.mark.skipif(not HAS_DASK, reason=f"{install_command('dask')}")

SCENARIO = "schema: 1\nworkload: attitude\nframes: 10\nrig: {scheme: simplex, board: process}\n"
PATIENCE_S = 60.0


class Cluster:
    """A scheduler, and workers that come and go."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stack = contextlib.ExitStack()
        self.workers: list[subprocess.Popen[bytes]] = []
        self.address = ""

    def begin(self, name: str, *words: str, **env: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "dask", *words],
                cwd=self.folder, stdout=log, stderr=log, env={**os.environ, **env},
            )  # fmt: skip
        self.stack.callback(self._end, process)
        return process

    @staticmethod
    def _end(process: subprocess.Popen[bytes]) -> None:
        process.terminate()
        try:
            process.wait(PATIENCE_S)
        finally:
            process.kill()
            process.wait()

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()

    def wait_for(self, name: str, pattern: str) -> str:
        end = time.monotonic() + PATIENCE_S
        while not (found := re.search(pattern, self.log(name))):
            assert time.monotonic() < end, self.log(name)
            time.sleep(0.05)
        return found[1]

    def start(self) -> None:
        self.begin("scheduler", "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")
        self.address = self.wait_for("scheduler", r"Scheduler at: +(tcp://\S+)")

    def add_worker(
        self, *, boards: int = 1, preload: str = "", **env: str
    ) -> subprocess.Popen[bytes]:
        """`preload`: what the worker carries out first."""
        name = f"w{len(self.workers)}"
        offer = ["--resources", f"hil-board={boards}"] if boards else []
        offer += ["--preload", preload] if preload else []
        worker = self.begin(
            name, "worker", self.address, "--nthreads", str(boards or 1), "--no-nanny",
            "--no-dashboard", "--name", name, *offer, **env,
        )  # fmt: skip
        self.workers.append(worker)
        self.wait_for(name, r"(Registered to)")
        return worker


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    (tmp_path / "s.yaml").write_text(SCENARIO)
    cluster = Cluster(tmp_path)
    with cluster.stack:
        cluster.start()
        yield cluster


SHORT, LONG = ("--targets", "state,heap"), ("--targets", "state,heap,vector")


def command(out: str, *words: str) -> list[str]:
    return [sys.executable, "-m", "hil", "campaign", "s.yaml", "--exact", "--out", out, *words]


def run(folder: Path, out: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(out, *words), cwd=folder, capture_output=True, text=True, check=False, timeout=300
    )


def agents_of(pid: int) -> list[int]:
    """The agents that are children of a process."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            name, _, rest = stat.read_text().partition(" (")[2].rpartition(") ")
            if int(rest.split()[1]) == pid and name.startswith("hil-agent"):
                found.append(int(stat.parent.name))
    return found


@needs_dask
def test_two_workers_give_the_result_of_one_board(cluster: Cluster) -> None:
    for _ in range(2):
        cluster.add_worker()
    folder = cluster.folder
    assert run(folder, "here", *SHORT, "--workers", "1").returncode == 0
    ended = run(folder, "there", *SHORT, "--dask", cluster.address)
    assert ended.returncode == 0, ended.stderr
    assert "2 workers" in ended.stderr
    assert (folder / "there").read_bytes() == (folder / "here").read_bytes()
    assert not list(folder.glob("*.part*"))
    end = time.monotonic() + PATIENCE_S
    while any(agents_of(worker.pid) for worker in cluster.workers):
        assert time.monotonic() < end, "a worker keeps a board"
        time.sleep(0.05)


@needs_dask
def test_a_worker_that_is_killed_is_replaced_and_nothing_is_lost(cluster: Cluster) -> None:
    folder = cluster.folder
    assert run(folder, "here", *LONG, "--workers", "1").returncode == 0
    victim = cluster.add_worker()
    cluster.add_worker()
    with subprocess.Popen(
        command("there", *LONG, "--dask", cluster.address),
        cwd=folder,
        stderr=subprocess.PIPE,
        text=True,
    ) as campaign:
        end = time.monotonic() + PATIENCE_S
        while not (agents := agents_of(victim.pid)):
            assert time.monotonic() < end and campaign.poll() is None
            time.sleep(0.01)
        victim.send_signal(signal.SIGKILL)
        cluster.add_worker()
        _, errors = campaign.communicate(timeout=300)
    assert campaign.returncode == 0, errors
    assert (folder / "there").read_bytes() == (folder / "here").read_bytes()
    assert not any(Path(f"/proc/{agent}").exists() for agent in agents), "its board ended with it"


@needs_dask
def test_the_commands_of_readme_work(tmp_path: Path) -> None:
    """As they stand there, but for the address and a port that is free."""
    cluster = Cluster(tmp_path)
    commands = [
        command
        for block in blocks_of(ROOT / "scenarios/CAMPAIGNS.md")
        if block.language == "sh" and block.first.startswith("dask scheduler")
        for command in commands_of(block.text)
    ]
    scheduler, worker, campaign = (shlex.split(command) for command in commands)
    with cluster.stack:
        assert (scheduler[0], worker[0]) == ("dask", "dask")
        port = scheduler.index("--port") + 1
        scheduler[port] = "0"
        cluster.begin("scheduler", *scheduler[1:], "--host", "127.0.0.1")
        address = cluster.wait_for("scheduler", r"Scheduler at: +(tcp://\S+)")
        told = "tcp://192.168.1.10:8786"
        cluster.begin("worker", *(address if word == told else word for word in worker[1:]))
        cluster.wait_for("worker", r"(Registered to)")
        words = [address if word == told else word for word in campaign]
        assert words[0] == "hil" and address in words
        ended = subprocess.run(
            [sys.executable, "-m", *words], cwd=tmp_path, capture_output=True, text=True,
            check=False, timeout=300,
        )  # fmt: skip
        assert ended.returncode == 0, ended.stderr
        assert (tmp_path / "far").exists()


@needs_dask
def test_a_campaign_begun_here_continues_there(cluster: Cluster) -> None:
    folder = cluster.folder
    assert run(folder, "here", *LONG, "--workers", "1").returncode == 0
    cluster.add_worker(boards=2)
    with subprocess.Popen(
        command("there", *LONG, "--workers", "1"), cwd=folder, stderr=subprocess.DEVNULL
    ) as begun:
        end = time.monotonic() + PATIENCE_S
        part = folder / "there.part-wal"
        while not part.exists() or part.stat().st_size < 50_000:
            assert time.monotonic() < end and begun.poll() is None
            time.sleep(0.01)
        begun.send_signal(signal.SIGKILL)
    ended = run(folder, "there", *LONG, "--dask", cluster.address, "--json")
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["targets"]["all"]["faults"] > 0
    assert (folder / "there").read_bytes() == (folder / "here").read_bytes()


@needs_dask
def test_ctrl_c_ends_it_and_the_same_command_continues(cluster: Cluster) -> None:
    folder = cluster.folder
    worker = cluster.add_worker()
    words = (*LONG, "--dask", cluster.address)
    with subprocess.Popen(
        command("there", *words), cwd=folder, stderr=subprocess.PIPE, text=True
    ) as begun:
        end = time.monotonic() + PATIENCE_S
        while not agents_of(worker.pid):
            assert time.monotonic() < end and begun.poll() is None
            time.sleep(0.01)
        begun.send_signal(signal.SIGINT)
        _, errors = begun.communicate(timeout=120)
    assert begun.returncode == 130, errors
    assert "Traceback" not in errors
    assert run(folder, "there", *words).returncode == 0
    assert run(folder, "here", *LONG, "--workers", "1").returncode == 0
    assert (folder / "there").read_bytes() == (folder / "here").read_bytes()


@needs_dask
@pytest.mark.parametrize(
    ("preload", "message"),
    [
        ("import hil; hil.__version__ = '0.0.9'", "has hil 0.0.9, and this is hil"),
        ("import sys; sys.modules['hil'] = None", "has no hil that is known here, and this is hil"),
    ],
)
def test_a_worker_with_another_version_is_refused(
    cluster: Cluster, preload: str, message: str
) -> None:
    (cluster.folder / "first.py").write_text(preload)
    cluster.add_worker(preload="first.py")
    ended = run(cluster.folder, "there", *SHORT, "--dask", cluster.address)
    assert ended.returncode == 3, ended.stderr
    assert message in ended.stderr and "Traceback" not in ended.stderr


@needs_dask
def test_a_worker_with_another_agent_is_refused(cluster: Cluster, tmp_path: Path) -> None:
    """Its instructions lie elsewhere, so that its path has another digest."""
    from hil.board_types.agent_build import build_agent  # noqa: PLC0415
    from hil.board_types.compilers import native  # noqa: PLC0415

    target = native()
    assert target is not None
    agent = build_agent(target, tmp_path / "agent").path
    cluster.add_worker()
    cluster.add_worker(HIL_AGENT=str(agent))
    ended = run(cluster.folder, "there", *LONG, "--dask", cluster.address)
    assert ended.returncode == 3, ended.stderr
    assert "does not walk the path of the fault-free step" in ended.stderr
    assert "worker w" in ended.stderr and "Traceback" not in ended.stderr


@needs_dask
def test_a_cluster_without_boards_is_refused(cluster: Cluster) -> None:
    cluster.add_worker(boards=0)
    ended = run(cluster.folder, "there", *LONG, "--dask", cluster.address)
    assert ended.returncode == 3
    assert f"no worker of {cluster.address} offers a board" in ended.stderr
    assert "--resources hil-board=1" in ended.stderr


@needs_dask
def test_a_server_of_another_protocol_is_one_message(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(SCENARIO)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            with server.accept()[0] as connection:
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        threading.Thread(target=answer, daemon=True).start()
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        ended = run(tmp_path, "there", "--dask", address)
    assert ended.returncode == 3, ended.stderr
    assert f"what answers at {address} is no dask scheduler" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--dask", "tcp://127.0.0.1:1"), 3, "no dask scheduler answers at tcp://127.0.0.1:1"),
        (("--dask", "nonsense://x"), 2, "--dask nonsense://x"),
        (("--dask", "tcp://127.0.0.1"), 2, "--dask tcp://127.0.0.1: missing port"),
        (("--dask", "tcp://127.0.0.1:1", "--workers", "2"), 2, "leave one out"),
    ],
)
def test_a_wrong_address_is_one_message(
    tmp_path: Path, words: tuple[str, ...], code: int, message: str
) -> None:
    (tmp_path / "s.yaml").write_text(SCENARIO)
    ended = run(tmp_path, "there", *words)
    if not HAS_DASK and "--workers" not in words:
        code, message = 3, "--dask needs the package distributed"
    assert ended.returncode == code, ended.stderr
    assert message in ended.stderr and "Traceback" not in ended.stderr
