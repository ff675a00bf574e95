"""An agent on a TCP port of this computer, with a token."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from hil.rig.backends.process import find_agent
from hil.rig.backends.serial_board import SerialBoard
from hil.rig.power.mock import MockPower
from hil.scenario.supply import SupplyConfig

TOKEN = "0123456789abcdef0123456789abcdef"  # noqa: S105 (of this test)


def write_token(path: Path, token: str = TOKEN + "\n") -> Path:
    path.write_text(token)
    path.chmod(0o600)
    return path


class TcpAgent:
    """An agent that can be killed and started again at the same port. A context manager."""

    def __init__(self, folder: Path, spec: str = "tcp:0") -> None:
        self.token_file = write_token(folder / "token")
        self.process: subprocess.Popen[bytes] | None = None
        self.url = ""
        self._spec = spec
        self.start()
        self._spec = f"tcp:{self.number}"

    @property
    def number(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def start(self) -> None:
        if self.process is None:
            words = ["--port", self._spec, "--token-file", str(self.token_file)]
            self.process = subprocess.Popen(
                [str(find_agent()), *words, f"--exit-with-parent={os.getpid()}"],
                stdout=subprocess.PIPE,
            )
            assert self.process.stdout is not None
            words = self.process.stdout.readline().decode().split()
            assert words[0] == "port"
            self.url = words[1]

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            assert self.process.stdout is not None
            self.process.stdout.close()
            self.process = None

    def board(self, name: str = "n0", *, switched: bool = False) -> SerialBoard:
        """The board that a bench file would describe; `switched`: its power is in our hands."""
        power = Switch(self) if switched else None
        board = SerialBoard(name, self.url, 115200, power=power)
        board.token_file = str(self.token_file)
        return board

    def __enter__(self) -> TcpAgent:  # noqa: PYI034  (Python 3.10 has no typing.Self)
        return self

    def __exit__(self, *error: object) -> None:
        self.kill()


class Switch(MockPower):
    """A supply: without power there is no agent."""

    def __init__(self, agent: TcpAgent) -> None:
        super().__init__("n0", SupplyConfig.model_validate({"kind": "mock", "off_s": 0}))
        self._agent = agent

    def off(self) -> None:
        super().off()
        self._agent.kill()

    def on(self) -> None:
        self._agent.start()
        super().on()
