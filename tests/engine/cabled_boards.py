"""Three real agents behind cables that a test can pull, one of them on a switched socket."""

from __future__ import annotations

import contextlib
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hil.engine.loop import Loop
from hil.record.reader import Reader
from hil.record.run_result import RunResult
from hil.redundancy.recovery import NodeState
from hil.rig.backends.process import find_agent
from hil.rig.backends.serial_board import SerialBoard
from hil.rig.power import PowerMonitor
from hil.rig.power.mock import MockPower
from hil.scenario import Scenario
from hil.scenario.supply import SupplyConfig
from tests.between_frames import between_frames
from tests.rig.cable import Cable, cables

NAMES = "abc"
LOST_AFTER_S = 0.3


class Board:
    """An agent on the far end of a cable."""

    def __init__(self, cable: Cable) -> None:
        self.cable = cable
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        command = [str(find_agent()), "--port", str(self.cable.board.path), "--exit-with-parent"]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL)

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@contextlib.contextmanager
def bench(folder: Path, **bad: float) -> Iterator[dict[str, Board]]:
    with cables(folder, NAMES, **bad) as lines, contextlib.ExitStack() as stack:
        boards = {}
        for name, cable in zip(NAMES, lines, strict=True):
            boards[name] = Board(cable)
            stack.callback(boards[name].kill)
        yield boards


def scenario(boards: dict[str, Board], *, boot_s: float = 30.0, **data: Any) -> Scenario:
    profile = {"profile": data.pop("profile")} if "profile" in data else {}
    nodes = [
        {"name": name, "board": "serial", "port": str(board.cable.host.path), **profile}
        for name, board in boards.items()
    ]
    return Scenario.model_validate(
        {
            "workload": "infer",
            "frames": 10_000_000,
            "timeouts": data.pop("timeouts", None)
            or {
                "lost_after_ms": 1000 * LOST_AFTER_S,
                "retry_ms": 30,
                "cpu_floor_ms": 10,
                "boot_s": boot_s,
            },
            "rig": {"scheme": "tmr", "nodes": nodes, **data.pop("rig", {})},
            **data,
        }
    )


def rows(out: Path, sql: str) -> list[dict[str, Any]]:
    reader = Reader(out)
    try:
        return [dict(row) for row in reader.rows(sql)]
    finally:
        reader.close()


class Socket(MockPower):
    """A switched socket with a board on it: without power there is no agent."""

    def __init__(self, board: Board, supply: SupplyConfig) -> None:
        super().__init__("b", supply)
        self.board = board
        self.offs = 0

    def off(self) -> None:
        super().off()
        self.offs += 1
        self.board.kill()

    def on(self) -> None:
        if not self.is_on:
            self.board.start()
        super().on()


@dataclass
class Acts:
    """Does each of `acts` before its frame; ends the run when b votes again, a while after."""

    acts: dict[int, Callable[[], None]]
    loop: Loop | None = None
    done_at: int = 0
    until: Callable[[], bool] = lambda: True

    def __call__(self) -> bool:
        if self.loop is None:
            return False
        frame = self.loop.next_frame
        for at in [a for a in self.acts if a <= frame]:
            self.acts.pop(at)()
            self.done_at = frame
        voting = len(self.loop.controls.recovery.in_state(NodeState.VOTING)) == 3
        if self.acts or not self.until():
            return False
        return voting and frame > self.done_at + 50 and self.loop.controls.settled


def powered(
    boards: dict[str, Board],
    out: Path,
    acts: Acts,
    *,
    on: bool = True,
    socket: Socket | None = None,
    **data: Any,
) -> Socket:
    """Runs a scenario in which board b is on a switched socket, and loses no frame by it."""
    socket, result = powered_run(boards, out, acts, on=on, socket=socket, **data)
    assert result.metrics["sdc_frames"] == 0 and result.availability > 0.9
    return socket


def powered_run(
    boards: dict[str, Board],
    out: Path,
    acts: Acts,
    *,
    on: bool = True,
    socket: Socket | None = None,
    **data: Any,
) -> tuple[Socket, RunResult]:
    """Runs a scenario in which board b is on a switched socket."""
    supply = SupplyConfig.model_validate({"kind": "mock", "current_limit_a": 2.0, "off_s": 1.0})
    socket = socket or Socket(boards["b"], supply)
    socket.is_on = on
    out.mkdir()
    loop = acts.loop = Loop(scenario(boards, **data), out, **between_frames(acts))
    board = loop.controls.rig.nodes[1].board
    assert isinstance(board, SerialBoard)
    board.power, board.can_cycle = socket, True
    loop.controls.rig.power = PowerMonitor([socket], period_s=0.01)
    return socket, loop.run()
