"""The links of the boards under test: opened as a run opens them, their agents identified."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from hil.clock import HOST, Clock
from hil.errors import LinkTimeout
from hil.rig.backends.serial_board import SerialBoard
from hil.rig.calls import Call, Timing
from hil.rig.exchange import run_calls
from hil.rig.labgrid_place import LabgridPlace
from hil.rig.low_latency import SYSFS, LowLatency
from hil.rig.node import Node
from hil.rig.power import Power
from hil.rig.requests import Requests
from hil.scenario.bench import BenchBoardConfig
from hil.wire import decoding
from hil.wire.messages import Hello, Msg

__all__ = ["BoardLinks", "BoardUnderTest"]

_TIMING: Final = Timing(retry_us=150_000, lost_after_us=2_000_000, noise_patience=1)


class BoardUnderTest:
    """One board of the bench file with its node; `power` switches it, None if nothing does.
    `hello` is what its agent said of itself, None as long as none has answered. `sysfs` is where
    the system shows its devices."""

    def __init__(
        self,
        config: BenchBoardConfig,
        index: int,
        power: Power | None,
        clock: Clock,
        sysfs: Path = SYSFS,
    ) -> None:
        self.config = config
        self.name = config.name
        self.power = power
        self.hello: Hello | None = None
        self.board = SerialBoard(
            config.name,
            config.port or "",
            config.baud,
            adapter=config.adapter,
            serial=config.serial,
        )
        self.board.low_latency = LowLatency(sysfs)
        self.board.token_file = config.token_file
        self.board.place = None if config.labgrid is None else LabgridPlace(config.labgrid)
        self.node = Node(config.name, index, self.board, clock)

    @property
    def port(self) -> str:
        """Return the port at which it was opened, or what the bench file names."""
        return self.board.port or self.config.place


class BoardLinks:
    """The links of some boards. A context manager; leaving it closes the ports, with every line at
    the rate at which its agent starts. Not thread-safe."""

    def __init__(self, boards: Sequence[BoardUnderTest], clock: Clock = HOST) -> None:
        self.boards = tuple(boards)
        self.clock = clock
        self.requests = Requests(_TIMING, clock)

    def open(self, board: BoardUnderTest) -> None:
        """Open the port of a board. Raises: SetupError if it cannot be opened."""
        board.node.link.detach("reconnecting")
        board.node.link.attach(board.node.open())

    def identify(self, board: BoardUnderTest) -> Hello:
        """Return what the agent of a board whose port is open says of itself.

        Raises: LinkTimeout if none answers; VersionMismatch."""
        call = Call(board.node.link, self.requests.next_seq(), Msg.HELLO)
        run_calls([call], _TIMING)
        if not isinstance(call.result, bytes):
            raise LinkTimeout(
                f"answers now and then: {board.node.link.silence}",
                remedy="check cable and ground: the line loses frames",
            )
        board.hello = decoding.hello(call.result)
        board.node.identify(board.hello)
        return board.hello

    def release(self, board: BoardUnderTest) -> None:
        """Close the port of a board, its line at the safe rate. Idempotent."""
        self.requests.rates.leave(board.node)
        board.node.link.detach("the test is over")

    def close(self) -> None:
        """Close all ports. Idempotent."""
        for board in self.boards:
            self.release(board)
