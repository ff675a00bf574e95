"""QEMU's monitor (QMP): commands and answers as JSON, over one socket.

Events are kept as long as somebody may ask for them. The guest knows nothing of this."""

from __future__ import annotations

import json
import socket
from typing import Any, Final

from hil.clock import HOST
from hil.errors import SetupError

__all__ = ["Monitor"]

_TIMEOUT_S: Final = 3.0
"""A guest that only takes exceptions, its handlers gone, can keep QEMU from anything else."""
_EVENTS_MAX: Final = 100


class Monitor:
    """The monitor behind `connection`, which is closed by `close`."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._rest = b""
        self._asked = 0
        self.events: list[str] = []

    def greet(self, timeout_s: float) -> None:
        """Take the greeting, and begin. SetupError if QEMU does not speak."""
        if "QMP" not in self._next(HOST.now_us() + int(timeout_s * 1e6)):
            raise SetupError("QEMU's monitor did not greet")
        self.execute("qmp_capabilities")

    def execute(self, command: str, *, timeout_s: float = _TIMEOUT_S, **arguments: Any) -> Any:
        """Carry out a command; what it returns. SetupError if QEMU refuses, is gone, or does not
        answer."""
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
                continue  # an event, or the answer to what was given up
            if "return" in answer:
                return answer["return"]
            if "error" in answer:
                why = answer["error"].get("desc", "no reason given")
                raise SetupError(f"QEMU refused {command}: {why}")

    def take_event(self, event: str) -> bool:
        """Whether an event has come in since this was last asked for it. SetupError if closed."""
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
        """Until an event has come in. SetupError if it does not."""
        until = HOST.now_us() + int(_TIMEOUT_S * 1e6)
        while event not in self.events:
            self._next(until)
        self.take_event(event)

    def _next(self, until: int) -> dict[str, Any]:
        """The next message; events are put aside. Waits until that time [us] at most."""
        while b"\n" not in self._rest:
            left_s = (until - HOST.now_us()) / 1e6
            if left_s <= 0 or not HOST.readable([self._socket.fileno()], left_s * 1e6):
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
        self._socket.close()
