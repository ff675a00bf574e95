"""Real runs that take commands: the loop in a thread of its own, commanded through the socket."""

from __future__ import annotations

import socket
import sqlite3
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from hil.control.answers import Answer, RunStatus
from hil.control.client import Client
from hil.control.commands import COMMANDS
from hil.control.server import Server
from hil.engine.loop import Loop, RunSetup
from hil.record.reader import Reader
from hil.record.run_result import RunResult
from hil.scenario import Scenario
from tests.virtual_clock import JumpingClock
from tests.waiting import wait_until

DEADLINE_S = 100  # a run of 300,000 frames on a busy computer
ENDLESS = 10**9


def scenario(**data: Any) -> Scenario:
    board = data.pop("board", "inproc")
    scheme = data.pop("scheme", "tmr")
    base = {
        "workload": "infer",
        "frames": ENDLESS,
        # Virtual boards keep every pace; processes miss short deadlines on a busy computer.
        "pace": "realtime" if board == "inproc" else "free",
        "frame_ms": 5 if board == "inproc" else 100,
        "timeouts": {"lost_after_ms": 3000, "retry_ms": 50, "cpu_floor_ms": 10},
        "rig": {"scheme": scheme, "board": board},
    }
    return Scenario.model_validate({**base, **data})


@dataclass
class Running:
    """A run that goes on; `client` speaks with it."""

    folder: Path
    loop: Loop
    server: Server
    client: Client
    thread: threading.Thread
    clock: JumpingClock
    results: list[RunResult] = field(default_factory=list)
    failures: list[BaseException] = field(default_factory=list)
    stop: Callable[[], None] = lambda: None

    def send(self, command: str, **arguments: Any) -> Answer:
        return self.client.send(COMMANDS[command].parse(arguments))

    def done(self, command: str, **arguments: Any) -> Answer:
        """One that must be carried out."""
        answer = self.send(command, **arguments)
        assert answer.ok, answer
        return answer

    def status(self) -> RunStatus:
        data = self.done("status").data
        assert isinstance(data, RunStatus)
        return data

    @property
    def frame(self) -> int:
        frame = self.done("status").frame
        assert frame is not None
        return frame

    def states(self) -> dict[str, str]:
        return {node.name: node.state for node in self.status().nodes}

    def wait_state(self, node: str, state: str) -> None:
        wait_until(lambda: self.states()[node] == state)

    def wait_frames(self, count: int) -> None:
        until = self.frame + count
        wait_until(lambda: self.frame >= until)

    def rows(self, sql: str) -> list[dict[str, Any]]:
        reader = Reader(self.folder)
        try:
            return [dict(row) for row in reader.rows(sql)]
        finally:
            reader.close()

    def wait_row(self, sql: str) -> dict[str, Any]:
        row: dict[str, Any] = wait_until(lambda: self.rows(sql))[0]
        return row

    def end(self) -> RunResult:
        """End it as an operator does."""
        self.done("end")
        return self.result()

    def result(self) -> RunResult:
        self.thread.join(DEADLINE_S)
        assert not self.thread.is_alive()
        if self.failures:
            raise self.failures[0]
        return self.results[0]


Start = Callable[..., Running]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Begins runs: `start(board="process")`, or with a whole scenario; all are ended."""
    runs: list[Running] = []

    def begin(s: Scenario | None = None, *, resume: bool = False, **data: Any) -> Running:
        folder = tmp_path / f"run{0 if resume else len(runs)}"
        folder.mkdir(exist_ok=True)
        server = Server(folder)
        stop = threading.Event()
        clock = JumpingClock()
        loop = Loop(
            s or scenario(**data),
            folder,
            stop=stop.is_set,
            inbox=server.inbox,
            resume_run=resume,
            setup=RunSetup(clock=clock),
        )

        def work() -> None:
            try:
                running.results.append(loop.run())
            except BaseException as error:  # noqa: BLE001  (told in the test's own thread)
                running.failures.append(error)
            finally:
                server.close()

        thread = threading.Thread(target=work)
        running = Running(folder, loop, server, Client(folder, DEADLINE_S), thread, clock)
        running.stop = stop.set
        runs.append(running)
        thread.start()
        wait_until(lambda: running.failures or running.send("status").frame)
        return running

    yield begin
    for running in runs:
        running.stop()
        running.thread.join(DEADLINE_S)
        running.client.close()
        assert not running.thread.is_alive()


def raw(folder: Path) -> socket.socket:
    """A connection without a client's good manners."""
    out = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    out.settimeout(DEADLINE_S)
    out.connect(str(folder / "control.sock"))
    return out


def count(folder: Path, table: str) -> int:
    db = sqlite3.connect(f"file:{folder}/run.db?mode=ro", uri=True)
    try:
        return int(db.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
    finally:
        db.close()
