"""QEMU's monitor (QMP): commands and answers as JSON, over one socket.

Events are kept as long as somebody may ask for them. Not for the guest: it knows nothing of this."""

from __future__ import annotations

import json
import select
import socket
from typing import Any, Final

from hil.errors import SetupError
from hil.rig.clock import now_us

__all__ = ["Monitor"]

_TIMEOUT_US: Final = 20_000_000
_EVENTS_MAX: Final = 100


class Monitor:
    """The monitor behind `connection`, which is closed by `close`."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._rest = b""
        self.events: list[str] = []

    def greet(self) -> None:
        """Take the greeting, and begin. SetupError if QEMU does not speak."""
        if "QMP" not in self._next():
            raise SetupError("QEMU's monitor did not greet")
        self.execute("qmp_capabilities")

    def execute(self, command: str, **arguments: Any) -> Any:
        """Carry out a command; what it returns. SetupError if QEMU refuses, or is gone."""
        request: dict[str, Any] = {"execute": command}
        if arguments:
            request["arguments"] = arguments
        try:
            self._socket.sendall(json.dumps(request).encode())
        except OSError as error:
            raise SetupError(f"QEMU is gone: {error.strerror}") from error
        while True:
            answer = self._next()
            if "return" in answer:
                return answer["return"]
            if "error" in answer:
                why = answer["error"].get("desc", "no reason given")
                raise SetupError(f"QEMU refused {command}: {why}")

    def _next(self) -> dict[str, Any]:
        """The next message; events are put aside."""
        until = now_us() + _TIMEOUT_US
        while b"\n" not in self._rest:
            left_s = (until - now_us()) / 1e6
            if left_s <= 0 or not select.select([self._socket], [], [], left_s)[0]:
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
