"""The node contract on an agent behind a TCP port."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hil.rig.node import Board

from .contract import NodeContract
from .tcp_agent import TcpAgent

pytestmark = pytest.mark.ptrace


class TestTcp(NodeContract):
    @pytest.fixture(autouse=True)
    def with_agents(self, tmp_path: Path) -> Iterator[None]:
        self.folder = tmp_path
        self.agents: list[TcpAgent] = []
        yield
        for agent in self.agents:
            agent.kill()

    def make_board(self, name: str, index: int) -> Board:
        agent = TcpAgent(self.folder)
        self.agents.append(agent)
        return agent.board(name, switched=True)
