"""Boards behind servers of serial ports (socket://, rfc2217://) that go away and come back."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import serial

from hil.engine.loop import Loop
from hil.redundancy.recovery import NodeState
from hil.rig.backends.process import ProcessBoard
from hil.scenario import Scenario
from tests.amount import mostly_slow
from tests.between_frames import between_frames
from tests.descriptors import open_descriptors
from tests.rig.test_transport import serve_rfc2217

Serve = Callable[[socket.socket, str], None]


def serve_plain(connection: socket.socket, path: str) -> None:
    """Bytes between a socket and a serial port, until the socket ends."""
    with connection, serial.Serial(path, timeout=0) as port:
        while True:
            for ready in select.select([connection, port], [], [])[0]:  # type: ignore[type-var]
                data = port.read(4096) if ready is port else connection.recv(4096)
                if ready is port:
                    connection.sendall(data)
                elif data:
                    port.write(data)
                else:
                    return


class Server:
    """Serves one port to one client at a time; can be switched off and on."""

    def __init__(self, serve: Serve, path: str) -> None:
        self.serve, self.path = serve, path
        self.listener: socket.socket | None = None
        self.connection: socket.socket | None = None
        self.number = 0
        self.thread: threading.Thread | None = None
        self.on()

    def on(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", self.number))
        self.number = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self._run, args=(self.listener,), daemon=True)
        self.thread.start()

    def _run(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError, serial.SerialException):
            while True:
                self.connection, _ = listener.accept()
                with contextlib.suppress(OSError, ValueError, serial.SerialException):
                    self.serve(self.connection, self.path)

    def off(self) -> None:
        assert self.listener is not None and self.thread is not None
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        if self.connection is not None:
            with contextlib.suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)
        self.thread.join(10)


@pytest.mark.filterwarnings("ignore:set(Name|Daemon):DeprecationWarning")  # pyserial's
@pytest.mark.parametrize(
    ("scheme", "serve"), mostly_slow([("socket", serve_plain), ("rfc2217", serve_rfc2217)], keep=0)
)
def test_a_server_that_goes_and_comes_back_is_found_again(
    tmp_path: Path, scheme: str, serve: Serve
) -> None:
    far = ProcessBoard("far")
    far.connect().close()
    server = Server(serve, far.port)
    nodes: list[dict[str, Any]] = [
        {"name": "a", "board": "process"},
        {"name": "b", "board": "serial", "port": f"{scheme}://127.0.0.1:{server.number}"},
        {"name": "c", "board": "process"},
    ]
    scenario = Scenario.model_validate(
        {
            "workload": "infer",
            "frames": 10_000_000,
            "timeouts": {"lost_after_ms": 500, "retry_ms": 100},
            "rig": {"scheme": "tmr", "nodes": nodes},
        }
    )
    state = {"cuts": 0, "off_until": 0.0, "give_up": time.monotonic() + 60, "frame": 0}
    before = threading.active_count(), open_descriptors()

    def stop() -> bool:
        now = time.monotonic()
        assert now < state["give_up"], "it was not found again"
        if state["off_until"] and now > state["off_until"]:
            server.on()
            state["off_until"] = 0.0
            return False
        voting = len(loop.controls.recovery.in_state(NodeState.VOTING)) == 3
        if state["off_until"] or not voting or loop.next_frame < state["frame"] + 20:
            return False
        if state["cuts"] == 3:
            return True
        server.off()
        state["cuts"] += 1
        state["off_until"] = now + 0.2
        state["frame"] = loop.next_frame
        return False

    loop = Loop(scenario, tmp_path, **between_frames(stop))
    result = loop.run()
    server.off()
    far.shut_down()
    assert result.availability == 1 and result.metrics["sdc_frames"] == 0
    assert loop.controls.rig.nodes[1].link.statistics.reconnects == 3
    assert threading.active_count() < before[0]
    assert open_descriptors() <= before[1]
