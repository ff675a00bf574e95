"""QEMU's monitor (QMP): commands and answers as JSON, over one socket.

Events are queued until they are taken. The guest does not notice the monitor."""

from __future__ import annotations

import json
import socket
from typing import Any, Final

from hil.clock import HOST
from hil.errors import SetupError

__all__ = ["Monitor"]

_TIMEOUT_S: Final = 3.0
"""A guest whose exception handlers are damaged can keep QEMU from answering at all."""
_EVENTS_MAX: Final = 100


class Monitor:
    """The monitor on `connection`, which `close` closes. Not thread-safe."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._rest = b""
        self._asked = 0
        self.events: list[str] = []

    def greet(self, timeout_s: float) -> None:
        """Receive the greeting, and enable commands. Raises: SetupError if QEMU does not
        answer."""
        if "QMP" not in self._next(HOST.now_us() + int(timeout_s * 1e6)):
            raise SetupError("QEMU's monitor sent no greeting")
        self.execute("qmp_capabilities")

    def execute(self, command: str, *, timeout_s: float = _TIMEOUT_S, **arguments: Any) -> Any:
        """Carry out a command and return its result. Raises: SetupError if QEMU refuses it, is
        gone, or does not answer within `timeout_s`."""
        if self._socket.fileno() < 0:
            raise SetupError("QEMU is gone")
        self._asked += 1
        request = {"execute": command, "id": self._asked, "arguments": arguments}
        try:
            self._socket.sendall(json.dumps(request).encode())
        except OSError as error:
            raise SetupError(f"QEMU is gone: {error.strerror}") from error
        until = HOST.now_us() + int(timeout_s * 1e6)
        while True:
            answer = self._next(until)
            if answer.get("id") != self._asked:
                continue  # an event, or the answer to a command that timed out
            if "return" in answer:
                return answer["return"]
            if "error" in answer:
                why = answer["error"].get("desc", "no reason given")
                raise SetupError(f"QEMU refused {command}: {why}")

    def take_event(self, event: str) -> bool:
        """Return whether an event has occurred since the last call, and remove it from the queue.
        Raises: SetupError if the connection is closed."""
        if self._socket.fileno() < 0:
            raise SetupError("QEMU is gone")
        while b"\n" in self._rest or HOST.readable([self._socket.fileno()], 0):
            try:
                self._next(HOST.now_us() + int(_TIMEOUT_S * 1e6))
            except SetupError:
                break
        count = len(self.events)
        self.events = [e for e in self.events if e != event]
        return len(self.events) != count

    def wait_for(self, event: str) -> None:
        """Wait until an event has occurred. Raises: SetupError if it does not."""
        until = HOST.now_us() + int(_TIMEOUT_S * 1e6)
        while event not in self.events:
            self._next(until)
        self.take_event(event)

    def _next(self, until: int) -> dict[str, Any]:
        """Return the next message, waiting at most until that time [us]; an event is queued, and
        returned as an empty message."""
        while b"\n" not in self._rest:
            remaining_us = until - HOST.now_us()
            if remaining_us <= 0 or not HOST.readable([self._socket.fileno()], remaining_us):
                raise SetupError("QEMU's monitor does not answer")
            try:
                part = self._socket.recv(65536)
            except OSError as error:
                raise SetupError(f"QEMU is gone: {error.strerror}") from error
            if not part:
                raise SetupError("QEMU is gone")
            self._rest += part
        line, self._rest = self._rest.split(b"\n", 1)
        message: dict[str, Any] = json.loads(line)
        if "event" in message:
            self.events = [*self.events, str(message["event"])][-_EVENTS_MAX:]
            return {}
        return message

    def close(self) -> None:
        """Close the connection. Idempotent."""
        self._socket.close()
