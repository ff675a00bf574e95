"""The port server that boards/README.md recommends, as it stands there, before a real agent."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

from hil.rig.backends.serial_board import SerialBoard
from hil.rig.calls import Timing
from hil.rig.node import Node
from hil.rig.rig import Rig
from hil.wire.messages import Msg
from tests.engine.cabled_boards import bench

SER2NET = shutil.which("ser2net", path="/usr/sbin:/usr/bin:/usr/local/sbin")
README = Path(__file__).parents[2] / "boards/README.md"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def wait_for_port(server: subprocess.Popen[bytes], port: int) -> None:
    end_s = time.monotonic() + 20
    while True:
        assert server.poll() is None and time.monotonic() < end_s
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return


@pytest.mark.slow
@pytest.mark.skipif(SER2NET is None, reason="ser2net is not installed")
def test_an_agent_behind_the_documented_port_server_is_reached(tmp_path: Path) -> None:
    text = README.read_text(encoding="utf-8")
    block = re.search(r"```ser2net\n(.*?)```", text, re.DOTALL)
    assert block is not None and SER2NET is not None
    port = free_port()
    with bench(tmp_path) as boards:
        line = boards["a"].cable.host.path
        config = block[1].replace(",4001", f",127.0.0.1,{port}").replace("/dev/ttyUSB0", str(line))
        assert str(port) in config and str(line) in config, "the text is as it was changed here"
        (tmp_path / "ser2net.yaml").write_text(config, encoding="utf-8")
        command = [SER2NET, "-n", "-c", str(tmp_path / "ser2net.yaml")]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as server:
            try:
                wait_for_port(server, port)
                board = SerialBoard("n0", f"socket://127.0.0.1:{port}", 115200)
                rig = Rig([Node("n0", 0, board)], "matmul", 1, Timing(500_000, 20_000_000))
                rig.open()
                rig.load(rig.nodes[0])
                rig.requests.ask(rig.nodes[0], Msg.HEALTH)
                rig.close()
            finally:
                server.kill()
