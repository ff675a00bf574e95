"""An agent behind a TCP port server whose line has a defect, as users have them.

    host --- socket://127.0.0.1:N === defect === pty --- agent

A defect is a function from the bytes of one transmission to the bytes that arrive.
"""

from __future__ import annotations

import contextlib
import os
import random
import select
import socket
import subprocess
import threading
import tty
from collections.abc import Callable, Iterator

from hil.rig.backends.process import find_agent

Defect = Callable[[bytes], bytes]


def whole(data: bytes) -> bytes:
    return data


def noise(least: int, most: int) -> Defect:
    """`least` to `most` bytes of noise before every transmission."""
    rng = random.Random(7)
    return lambda data: bytes(rng.randrange(1, 256) for _ in range(rng.randint(least, most))) + data


def without(*values: int) -> Defect:
    """These bytes are swallowed."""
    return lambda data: bytes(byte for byte in data if byte not in values)


def doubled(value: int) -> Defect:
    one = bytes([value])
    return lambda data: data.replace(one, one + one)


def telnet_server(data: bytes) -> bytes:
    """What a telnet server makes of what comes from its client: a command has two bytes."""
    out, at = bytearray(), 0
    while at < len(data):
        if data[at] != 0xFF:
            out.append(data[at])
            at += 1
        else:
            out += b"\xff" if data[at + 1 : at + 2] == b"\xff" else b""
            at += 2
    return bytes(out)


def seven_bits(data: bytes) -> bytes:
    return bytes(byte & 0x7F for byte in data)


def even_parity(data: bytes) -> bytes:
    return bytes(b & 0x7F | ((b & 0x7F).bit_count() & 1) << 7 for b in data)


def odd_parity(data: bytes) -> bytes:
    return bytes(byte ^ 0x80 for byte in even_parity(data))


def mark_parity(data: bytes) -> bytes:
    return bytes(byte | 0x80 for byte in data)


def translated(old: bytes, new: bytes) -> Defect:
    return lambda data: data.replace(old, new)


class _Server:
    def __init__(self, to_board: Defect, to_host: Defect, pty: str, greeting: bytes) -> None:
        self._ways = (to_board, to_host)
        self._greeting = greeting
        self._pty = os.open(pty, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(self._pty)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = f"socket://127.0.0.1:{self._listener.getsockname()[1]}"
        self._wake_in, self._wake_out = os.pipe()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while self._listener in select.select([self._listener, self._wake_in], [], [])[0]:  # type: ignore[type-var]
            client, _ = self._listener.accept()
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with client, contextlib.suppress(OSError):
                client.sendall(self._greeting)
                self._relay(client)

    def _relay(self, client: socket.socket) -> None:
        to_board, to_host = self._ways
        while True:
            ready = select.select([client, self._pty, self._wake_in], [], [])[0]  # type: ignore[type-var]
            if self._wake_in in ready:
                return
            if client in ready:
                data = client.recv(4096)
                if not data:
                    return
                os.write(self._pty, to_board(data))
            if self._pty in ready:
                client.sendall(to_host(os.read(self._pty, 4096)))

    def close(self) -> None:
        os.write(self._wake_out, b"x")
        self._thread.join(10)
        self._listener.close()
        for fd in (self._pty, self._wake_in, self._wake_out):
            os.close(fd)


@contextlib.contextmanager
def agent_behind(
    to_board: Defect = whole, to_host: Defect = whole, greeting: bytes = b""
) -> Iterator[str]:
    """The port of an agent behind a line with these defects."""
    with subprocess.Popen(
        [str(find_agent()), "--port", "pty", "--exit-with-parent"],
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
    ) as agent:
        assert agent.stdout is not None
        server = _Server(to_board, to_host, agent.stdout.readline().split()[1], greeting)
        try:
            yield server.port
        finally:
            server.close()
            agent.kill()
