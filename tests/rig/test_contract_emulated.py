"""The node contract on emulated boards."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hil.rig.calls import Timing
from hil.rig.node import Board

from ..emulated import Pool, possible
from .contract import NodeContract

pytestmark = [pytest.mark.slow, pytest.mark.emulated, pytest.mark.usefixtures("possible")]
__all__ = ["possible"]

_POOL = Pool()


@pytest.fixture(scope="module", autouse=True)
def pool() -> Iterator[None]:
    yield
    _POOL.close()


class TestEmulated(NodeContract):
    slowness = 10  # every byte is an interrupt of a guest that shares a core with others
    timing = Timing(20_000, 15_000_000)  # and starts a program when it gets to it
    stride = 301  # its bytes come in small pieces: thousands of operations

    def make_board(self, name: str, index: int) -> Board:
        return _POOL.board(name)
