"""The node contract on your own boards: `pytest -n 0 --hil-bench bench.yaml -k TestBench`.

Boards are taken in the order of the file. What a board cannot show (because nothing switches its
power, or because the bench has too few) is skipped, and says why.
"""

from __future__ import annotations

import pytest

from hil.rig.backends.serial_board import SerialBoard
from hil.rig.calls import Timing
from hil.rig.node import Board
from hil.rig.power import make
from hil.scenario import load_bench
from hil.scenario.bench import BenchBoardConfig

from .contract import NodeContract

# A megabyte at 115200 baud takes a minute and a half.
pytestmark = [pytest.mark.hardware, pytest.mark.timeout(1800)]


@pytest.fixture
def boards(request: pytest.FixtureRequest) -> list[BenchBoardConfig]:
    """The boards of the bench that was given."""
    given = request.config.getoption("--hil-bench")
    if not given:
        pytest.skip("no bench was given (--hil-bench FILE)")
    return [board for board in load_bench(given).boards if not board.absent]


class TestBench(NodeContract):
    timing = Timing(retry_us=100_000, lost_after_us=5_000_000)

    @pytest.fixture(autouse=True)
    def on_this_bench(self, boards: list[BenchBoardConfig]) -> None:
        self.boards = boards

    def make_board(self, name: str, index: int) -> Board:
        if index >= len(self.boards):
            pytest.skip(f"the bench has {len(self.boards)} boards, this needs {index + 1}")
        board = self.boards[index]
        return SerialBoard(
            name,
            board.port or "",
            board.baud,
            adapter=board.adapter,
            serial=board.serial,
            power=None if board.power is None else make(name, board.power),
        )
