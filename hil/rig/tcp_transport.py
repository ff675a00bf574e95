"""Bytes to and from an agent on a TCP port, and the choice of the transport of any port."""

from __future__ import annotations

import os
import socket
from typing import Final
from urllib.parse import urlsplit

from hil.clock import HOST, writable
from hil.errors import SetupError
from hil.rig.agent_token import GREETING_MAX, AgentToken, Handshake, read_token
from hil.rig.lock_file import LockInUse
from hil.rig.low_latency import LowLatency
from hil.rig.port_lock import PortLock
from hil.rig.transport import (
    PortError,
    PortFault,
    SerialTransport,
    Transport,
    TransportLost,
    in_use,
    open_error,
)

__all__ = ["TcpTransport", "is_agent_port", "open_port"]

_HANDSHAKE_S: Final = 5.0
_WRITE_TIMEOUT_S: Final = 2.0
_BUSY: Final = (b"hil-agent 1 busy\n", b"busy\n")


def is_agent_port(port: str) -> bool:
    """Return whether a port is the TCP port of an agent, which asks for a token."""
    return port.lower().startswith("tcp://")


def open_port(
    port: str,
    baud: int,
    token_file: str | None = None,
    low_latency: LowLatency | None = None,
) -> Transport:
    """Open any port at `baud` [bit/s]; the agent of a tcp:// port is shown that the token in
    `token_file` is known, an adapter is set to `low_latency`.

    Raises: PortError if it cannot be opened; SetupError if the token cannot be read."""
    if not is_agent_port(port):
        return SerialTransport(port, baud, low_latency)
    if token_file is None:
        raise PortError(
            f"port {port}: its agent asks for a token, and none is known",
            PortFault.PERMISSION,
            remedy="write `token_file:` beside its `port:` in the bench file (boards/README.md)",
        )
    return TcpTransport(port, read_token(token_file))


class TcpTransport:
    """The connection to an agent that was started with `--port tcp:...`, for the only client that
    it has at a time. Not thread-safe.

    Raises: PortError if nothing listens there, the agent has another client, it refuses the token,
    or it does not know the token itself."""

    def __init__(self, port: str, token: AgentToken) -> None:
        self.port = port
        self._lock: PortLock | None = None
        self._lost: str | None = None
        self.fd: int | None = None
        try:
            self._lock = PortLock(port)
        except LockInUse as error:
            raise in_use(port, [str(error)]) from None
        except (OSError, SetupError):
            pass  # no folder for locks: the port stays unlocked
        try:
            self._socket = self._connected()
            try:
                self._prove(token)
            except BaseException:
                self._socket.close()
                raise
        except BaseException:
            self._unlock()
            raise
        self._socket.setblocking(False)
        self.fd = self._socket.fileno()

    def _connected(self) -> socket.socket:
        parts = urlsplit(self.port)
        try:
            connection = socket.create_connection(
                (parts.hostname or "", parts.port or 0), timeout=_HANDSHAKE_S
            )
        except ConnectionRefusedError as error:
            raise PortError(
                f"port {self.port} cannot be opened: {error.strerror}",
                PortFault.OTHER,
                remedy="does hil-agent run there with --port tcp:ADDRESS:PORT? without an address "
                "it takes connections of its own computer only",
            ) from error
        except (OSError, ValueError) as error:
            raise open_error(self.port, error) from error
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def _prove(self, token: AgentToken) -> None:
        """Show the agent that the token is known, and check that it knows it, too."""
        try:
            greeting = self._line()
            if greeting in _BUSY:
                raise self._busy()
            handshake = Handshake(token, greeting)
            self._socket.sendall(handshake.line)
            answer = self._line()
        except ValueError:
            text = greeting[:40].decode("ascii", "backslashreplace")
            raise PortError(
                f"port {self.port}: no hil-agent of this release answers there, but "
                f"{repr(text) if text else 'nothing'}",
                PortFault.TALKS,
                remedy="is it the TCP port of an agent? a port server's is socket:// or rfc2217://",
            ) from None
        except OSError as error:
            raise open_error(self.port, error) from error
        if answer in _BUSY:
            raise self._busy()
        if not handshake.accepts(answer):
            refuses = answer in (b"refused\n", b"")
            who = "the agent refuses" if refuses else "what answers there does not know"
            raise PortError(
                f"port {self.port}: {who} the token in {token.file}",
                PortFault.PERMISSION,
                remedy="give both ends the same one: `token_file:` here, --token-file on the board",
            )

    def _busy(self) -> PortError:
        return PortError(
            f"port {self.port} is in use by another client of its agent",
            PortFault.BUSY,
            remedy="end the other program; the agent notices within about 10 s that one is gone",
        )

    def _line(self) -> bytes:
        """Return a line of the agent; less if it closes the connection, or sends no line."""
        line = b""
        end_us = HOST.now_us() + _HANDSHAKE_S * 1e6
        while not line.endswith(b"\n") and len(line) < GREETING_MAX:
            left_us = end_us - HOST.now_us()
            if left_us <= 0 or not HOST.readable([self._socket.fileno()], left_us):
                raise TimeoutError(f"it says nothing for {_HANDSHAKE_S:g} s")
            part = self._socket.recv(1)  # nothing beyond the line: that is for the link
            if not part:
                break
            line += part
        return line

    def _lose(self, reason: str) -> TransportLost:
        self._lost = reason
        return TransportLost(reason)

    def write(self, data: bytes) -> None:
        if self._lost is not None:
            raise TransportLost(self._lost)
        assert self.fd is not None
        view = memoryview(data)
        try:
            while view:
                try:
                    view = view[os.write(self.fd, view) :]
                except BlockingIOError:
                    if not writable(self.fd, _WRITE_TIMEOUT_S * 1e6):
                        raise self._lose(f"{self.port} takes no bytes") from None
        except OSError as error:
            raise self._lose(f"{self.port}: {error.strerror or error}") from error

    def read(self) -> bytes:
        if self._lost is not None:
            raise TransportLost(self._lost)
        assert self.fd is not None
        try:
            data = os.read(self.fd, 65536)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise self._lose(f"{self.port}: {error.strerror or error}") from error
        if not data:
            raise self._lose(f"{self.port}: hung up")
        return data

    def close(self) -> None:
        self.fd = None
        if self._lost is None:
            self._lost = "closed"
        self._socket.close()
        self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None
