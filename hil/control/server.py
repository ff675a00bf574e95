"""The control server: `control.sock` in the run folder, served by a thread of its own.

It trusts no client. Numbered invariants:

 1. The loop calls only `Order.reply`, which appends to a deque and wakes the thread: no client can
    delay a frame by being slow, by hanging, or by not reading.
 2. A connection has at most one pending order, one line of input and one answer in memory.
 3. However much clients send, the thread works in rounds of bounded length, with pauses in which
    the loop has the interpreter's lock for itself.
 4. Only processes of the user who started the run are served: the folder belongs to that user, the
    socket has mode 0600 from its creation on, and the kernel reports each peer's user."""

from __future__ import annotations

import contextlib
import os
import select
import selectors
import socket
import stat
import threading
import time
from collections import deque
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final

from hil.control.inbox import Inbox, Order, Peer
from hil.control.place import address_in, opened, peer_of
from hil.control.protocol import LINE_MAX, SOCKET_NAME, Answer, parse_request
from hil.errors import SetupError, UsageError

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Server"]

_CLIENTS_MAX: Final = 32
_READ_BYTES: Final = 4096
_PAUSE_MS: Final = 5
_STALLED_S: Final = 10.0
"""The longest time for the rest of a request to arrive, or for an answer to be read."""
_CLOSE_TIMEOUT_S: Final = 0.5
_FAILURES_MAX: Final = 10
_OTHERS_MAY_WRITE: Final = stat.S_IWOTH


class _Connection:
    """One client. `busy`: the loop has its order; `last`: close the connection after the answer."""

    def __init__(self, sock: socket.socket, peer: Peer) -> None:
        self.socket = sock
        self.peer = peer
        self.incoming = bytearray()
        self.outgoing = bytearray()
        self.busy = False
        self.last = False
        self.since_s = time.monotonic()

    @property
    def stalled(self) -> bool:
        """Whether only the client can continue: a request is incomplete, or an answer unread."""
        return not self.busy and bool(self.incoming or self.outgoing)

    @property
    def free(self) -> bool:
        """Whether its next request may be accepted."""
        return not (self.busy or self.outgoing or self.last)

    @property
    def ready(self) -> bool:
        """Whether its next request has arrived."""
        return self.free and b"\n" in self.incoming

    @property
    def wants(self) -> int:
        """Return the selector events to wait for; 0 for none."""
        if self.outgoing:
            return selectors.EVENT_WRITE
        return selectors.EVENT_READ if self.free and not self.ready else 0


class Server:
    """Receives commands for the run in `run_dir` into `inbox`, until it is closed.

    The loop's thread creates and closes it. Raises: SetupError if other users may write to the
    folder or it cannot hold a socket; UsageError if another process takes commands there."""

    def __init__(self, run_dir: Path) -> None:
        self.inbox = Inbox()
        self._run_dir = run_dir
        self._connections: set[_Connection] = set()
        self._answers: deque[tuple[_Connection, Answer]] = deque()
        self._closing = False
        with contextlib.ExitStack() as undo:
            self._folder = undo.enter_context(_trusted(run_dir))
            self._listener = undo.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            self._inode = self._bind()
            self._woken, self._wake = socket.socketpair()
            undo.enter_context(self._woken)
            undo.enter_context(self._wake)
            self._ends = undo.pop_all()
        for end in (self._listener, self._woken, self._wake):
            end.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._ends.callback(self._selector.close)
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._pause = select.poll()
        self._pause.register(self._woken, select.POLLIN)
        self._thread = threading.Thread(target=self._serve, name="hil-control", daemon=True)
        self._thread.start()

    def _bind(self) -> int:
        """Create the socket, in place of one that a killed run left; return its inode."""
        address = address_in(self._run_dir, self._folder)
        _remove_stale(self._folder, address, self._run_dir)
        try:
            os.fchmod(self._listener.fileno(), 0o600)  # before it is visible, not after
            self._listener.bind(address)
            os.chmod(SOCKET_NAME, 0o600, dir_fd=self._folder)
            self._listener.listen(_CLIENTS_MAX)
            return os.stat(SOCKET_NAME, dir_fd=self._folder, follow_symlinks=False).st_ino
        except OSError as error:
            raise SetupError(
                f"cannot create {self._run_dir / SOCKET_NAME}: {error.strerror or error}",
                remedy="choose a folder on a local disk with --out, or leave out --control",
            ) from error

    # --- the loop's side ----------------------------------------------------------------------

    def close(self) -> None:
        """Remove the socket and answer all pending orders with `ended`. Idempotent."""
        if self._closing:
            return
        with contextlib.suppress(OSError):
            here = os.stat(SOCKET_NAME, dir_fd=self._folder, follow_symlinks=False)
            if here.st_ino == self._inode:  # not that of another process
                os.unlink(SOCKET_NAME, dir_fd=self._folder)
        self.inbox.close()
        self._closing = True
        self._wake_selector()
        self._thread.join()
        self._ends.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _reply(self, connection: _Connection, answer: Answer) -> None:
        self._answers.append((connection, answer))
        self._wake_selector()

    def _wake_selector(self) -> None:
        with contextlib.suppress(OSError):  # full: it is awake already
            self._wake.send(b"!")

    # --- the thread's side --------------------------------------------------------------------

    def _serve(self) -> None:
        failures = 0
        while not self._closing and failures < _FAILURES_MAX:
            try:
                self._round()
            except Exception:  # noqa: BLE001  (a defect here must not touch the run)
                failures += 1
                self._drop_all()
        with contextlib.suppress(Exception):
            self._close_clients()
        self._drop_all()

    def _drop_all(self) -> None:
        for connection in list(self._connections):
            self._drop(connection)

    def _round(self) -> None:
        stalling = any(c.stalled for c in self._connections)
        ready = [c for c in self._connections if c.ready]
        served = bool(ready)
        for connection in ready:
            self._next_request(connection)
        for key, events in self._selector.select(0 if ready else 1.0 if stalling else None):
            if key.fileobj is self._woken:
                with contextlib.suppress(OSError):
                    self._woken.recv(4096)
            elif key.fileobj is self._listener:
                served = True
                self._accept()
            else:
                served = True
                self._handle(key.data, events)
        self._send_answers()
        if stalling:
            self._reject_stalled()
        if served and not self._closing:
            # Only an answer of the loop ends the pause early; requests wait in their sockets.
            self._pause.poll(_PAUSE_MS)

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except OSError:  # the client has left, or there are no descriptors
            return
        sock.setblocking(False)
        try:
            connection = _Connection(sock, peer_of(sock))
        except OSError:
            sock.close()
            return
        self._connections.add(connection)
        if connection.peer.uid != os.geteuid():
            self._reject(connection, "denied", "only the user who started the run may command it")
        elif len(self._connections) > _CLIENTS_MAX:
            self._reject(connection, "busy", f"{_CLIENTS_MAX} clients are connected already")
        else:
            self._watch(connection)

    def _reject(self, connection: _Connection, error: str, text: str) -> None:
        """Send one refusal, without waiting for it to be read, and drop the connection."""
        with contextlib.suppress(OSError):
            connection.socket.send(Answer(False, text, error).line())
        self._drop(connection)

    def _handle(self, connection: _Connection, events: int) -> None:
        try:
            if events & selectors.EVENT_READ:
                part = connection.socket.recv(_READ_BYTES)
                if not part:
                    self._drop(connection)
                    return
                if not connection.incoming:
                    connection.since_s = time.monotonic()
                connection.incoming += part
            elif connection.outgoing:
                self._send(connection)
        except BlockingIOError:
            return
        except OSError:
            self._drop(connection)
            return
        self._next_request(connection)

    def _send(self, connection: _Connection) -> None:
        sent = connection.socket.send(connection.outgoing)
        del connection.outgoing[:sent]

    def _next_request(self, connection: _Connection) -> None:
        """Accept the next request if it has arrived and the answer before it has been sent."""
        if connection.free:
            line, found, rest = connection.incoming.partition(b"\n")
            if len(line) >= LINE_MAX:
                connection.last = True
                self._answer(
                    connection,
                    Answer(False, f"a line has at most {LINE_MAX} bytes, not more", "malformed"),
                )
            elif found:
                connection.incoming = rest
                connection.since_s = time.monotonic()
                self._accept_request(connection, bytes(line))
        if connection not in self._connections:
            return
        if connection.last and not connection.outgoing:
            self._drop(connection)
        else:
            self._watch(connection)

    def _accept_request(self, connection: _Connection, line: bytes) -> None:
        request = parse_request(line)
        if isinstance(request, Answer):
            self._answer(connection, request)
            return
        connection.busy = True
        self.inbox.put(Order(request, connection.peer, partial(self._reply, connection)))

    def _answer(self, connection: _Connection, answer: Answer) -> None:
        connection.outgoing += answer.line()
        connection.since_s = time.monotonic()
        try:
            self._send(connection)
        except BlockingIOError:
            pass
        except OSError:  # gone
            connection.outgoing.clear()
            connection.last = True

    def _send_answers(self) -> None:
        """Send the loop's answers to their connections."""
        while self._answers:
            connection, answer = self._answers.popleft()
            if connection in self._connections:
                connection.busy = False
                self._answer(connection, answer)
                self._next_request(connection)

    def _watch(self, connection: _Connection) -> None:
        """Register the connection for the events that it waits for."""
        registered = connection.socket in self._selector.get_map()
        if not connection.wants:
            if registered:
                self._selector.unregister(connection.socket)
        elif registered:
            self._selector.modify(connection.socket, connection.wants, connection)
        else:
            self._selector.register(connection.socket, connection.wants, connection)

    def _drop(self, connection: _Connection) -> None:
        self._connections.discard(connection)
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(connection.socket)
        connection.socket.close()

    def _reject_stalled(self) -> None:
        now_s = time.monotonic()
        for connection in list(self._connections):
            if connection.stalled and now_s - connection.since_s > _STALLED_S:
                self._reject(connection, "malformed", f"no progress for {_STALLED_S:g} s")

    def _close_clients(self) -> None:
        """Send the last answers to the clients that read them now."""
        deadline_s = time.monotonic() + _CLOSE_TIMEOUT_S
        self._send_answers()
        while True:
            waiting = any(c.outgoing for c in self._connections)
            left_s = deadline_s - time.monotonic()
            if not waiting or left_s <= 0:
                return
            for key, events in self._selector.select(left_s):
                if isinstance(key.data, _Connection) and events & selectors.EVENT_WRITE:
                    self._handle(key.data, events)
                else:
                    self._selector.unregister(key.fileobj)  # no more requests are served


@contextlib.contextmanager
def _trusted(run_dir: Path) -> Iterator[int]:
    """Open a folder and yield its descriptor. Raises: SetupError if other users may write there."""
    with opened(run_dir) as number:
        found = os.stat(number)
        if found.st_uid != os.geteuid() or found.st_mode & _OTHERS_MAY_WRITE:
            raise SetupError(
                f"{run_dir} belongs to another user, or everybody may write there: any user could "
                "send commands through its socket",
                remedy=f"chmod o-w {run_dir}, choose another folder, or leave out --control",
            )
        yield number


def _remove_stale(folder: int, address: str, run_dir: Path) -> None:
    """Remove the socket of a run that was killed. Raises: UsageError if that run is still alive;
    SetupError if another kind of file has its name."""
    try:
        found = os.stat(SOCKET_NAME, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise SetupError(
            f"{run_dir / SOCKET_NAME} exists, and is not a socket", remedy="move it elsewhere"
        )
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)  # a live server may be busy
        try:
            probe.connect(address)
        except ConnectionRefusedError:
            os.unlink(SOCKET_NAME, dir_fd=folder)
            return
        except FileNotFoundError:
            return
        except OSError:
            pass
    raise UsageError(
        f"another process takes commands in {run_dir}",
        remedy="end that run first, or choose another folder",
    )
