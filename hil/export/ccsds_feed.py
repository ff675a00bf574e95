"""The space packets of a run over TCP: each client gets all of them, from the first frame on.

A client that reads slowly waits for itself alone: it has a thread and a reader of the record of its
own, and nothing is dropped. A client that has everything keeps its connection: ground systems
connect again to what has closed theirs, and would get the whole run once more, for ever."""

from __future__ import annotations

import contextlib
import socket
import threading
from pathlib import Path
from typing import Final

from hil.errors import RecordError, SetupError
from hil.export.ccsds_stream import PacketEncoder
from hil.record.live import LiveRecord
from hil.record.run_follower import RunFollower

__all__ = ["PacketFeed"]

_POLL_S: Final = 0.1
_CLIENTS: Final = 16


class PacketFeed:
    """Serves the packets of a run at `host` and `port` (0: a free one; `port` is the one in use),
    from threads of its own. `until_end`: end the connection of a client that has all packets of an
    ended run.

    Raises: SetupError if spacepackets is not installed or the port cannot be had."""

    def __init__(self, run: Path, host: str, port: int, *, until_end: bool = False) -> None:
        PacketEncoder(RunFollower(LiveRecord(run)))  # asks for spacepackets, before anybody waits
        self._run = run
        self._until_end = until_end
        self._ended = threading.Event()
        self._clients: list[threading.Thread] = []
        self._served = 0
        self._damage = ""
        try:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            self._socket = socket.create_server((host, port), family=family, backlog=_CLIENTS)
        except OSError as error:
            raise SetupError(
                f"cannot serve at {host}:{port}: {error.strerror or error}",
                remedy="choose another port, or end the program that has it",
            ) from error
        self.port = int(self._socket.getsockname()[1])
        self._thread = threading.Thread(target=self._accept, name="hil-packets", daemon=True)
        self._thread.start()

    @property
    def is_waited_for(self) -> bool:
        """Return whether a client has not got everything yet, or none has been there."""
        return self._served == 0 or bool(self._living())

    @property
    def damage(self) -> str:
        """Return why the record could not be read for a client; empty if it could."""
        return self._damage

    def _living(self) -> list[threading.Thread]:
        self._clients = [client for client in self._clients if client.is_alive()]
        return self._clients

    def close(self) -> None:
        """End the feed and its connections. Idempotent."""
        self._ended.set()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()
        for client in self._clients:
            client.join()

    def _accept(self) -> None:
        while not self._ended.is_set():
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            if len(self._living()) >= _CLIENTS:
                connection.close()
                continue
            client = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._clients.append(client)
            client.start()

    def _serve(self, connection: socket.socket) -> None:
        """Send everything to one client until it has left, or the run has ended and it is over."""
        record = LiveRecord(self._run)
        follower = RunFollower(record)
        encoder = PacketEncoder(follower)
        connection.settimeout(_POLL_S)
        try:
            with connection, contextlib.suppress(OSError):
                complete = False
                while not self._ended.is_set():
                    news = follower.news()
                    if news is not None:  # of an ended run, too, once it was resumed
                        self._send(connection, encoder.encode(news))
                        complete = False
                    elif complete:
                        if _has_left(connection):
                            return
                    elif follower.has_all:
                        self._send(connection, encoder.run_packet())
                        complete = True
                        self._served += 1
                        if self._until_end:
                            connection.shutdown(socket.SHUT_WR)
                            return
                    else:
                        self._ended.wait(_POLL_S)
        except RecordError as error:
            self._damage = error.message
        finally:
            record.close()

    def _send(self, connection: socket.socket, data: bytes) -> None:
        rest = memoryview(data)
        while rest and not self._ended.is_set():
            with contextlib.suppress(TimeoutError):
                rest = rest[connection.send(rest) :]


def _has_left(connection: socket.socket) -> bool:
    """Return whether a client closed its connection; wait for that for a moment. What it sends is
    not read as anything."""
    try:
        return not connection.recv(1 << 12)
    except TimeoutError:
        return False
