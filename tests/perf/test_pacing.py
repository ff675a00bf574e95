"""The simulated lines of `hil perf`: what a read returns."""

from __future__ import annotations

import os
import threading
from contextlib import closing

import pytest

from hil.kernel import encode
from hil.perf.pacing import PacedLines
from hil.wire.messages import Msg

BAUD = 3_000_000


class Pipe:
    """A transport whose board is the test."""

    def __init__(self) -> None:
        self.fd, self.board = os.pipe()

    def write(self, data: bytes) -> None:
        raise AssertionError(f"nothing is sent here, not {data!r}")

    def read(self) -> bytes:
        return os.read(self.fd, 65536)

    def close(self) -> None:
        os.close(self.fd)
        os.close(self.board)


@pytest.mark.parametrize("cut", [1, 5, -1])
def test_a_frame_that_a_board_sends_in_parts_is_read_whole(cut: int) -> None:
    """Else a busy computer makes a board of `hil perf` silent."""
    frame, pipe = b"\0" + encode(Msg.HEALTH, 7, b"0123456789"), Pipe()
    with closing(PacedLines().add(pipe, BAUD)) as line:
        os.write(pipe.board, frame[:cut])
        later = threading.Timer(0.05, os.write, (pipe.board, frame[cut:]))
        later.start()
        assert line.read() == frame
        later.join()
