"""The node contract on in-process boards."""

from __future__ import annotations

from hil.rig.backends.inproc import InprocBoard
from hil.rig.node import Board

from .contract import NodeContract


class TestInproc(NodeContract):
    def make_board(self, name: str, index: int) -> Board:
        return InprocBoard(name, index)
