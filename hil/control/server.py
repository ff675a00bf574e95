"""The control server: `control.sock` in the run folder, served by an event loop in a thread.

It trusts no client. Numbered invariants:

 1. The run's loop calls only `Order.reply`, which queues the answer and wakes the thread: no client
    can delay a frame by being slow, by hanging, or by not reading.
 2. A connection has at most one pending order, one line of input and one answer in memory.
 3. However much clients send, each is served one step per beat; between two beats the run's loop
    has the interpreter's lock for itself.
 4. Only processes of the user who started the run are served: the folder belongs to that user, the
    socket has mode 0600 from its creation on, and the kernel reports each peer's user.

Sockets, not `asyncio` streams: a stream reads up to 256 KiB ahead of what is asked for. Not
`socketserver`: its threads would wait for the interpreter's lock beside the run's loop, one for
each client, and could not be ended while they wait for one that hangs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import stat
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final

from hil.control.answers import Answer
from hil.control.inbox import Inbox, Order, Peer
from hil.control.place import address_in, opened, peer_of
from hil.control.protocol import LINE_MAX, SOCKET_NAME, Request, parse_request
from hil.errors import SetupError, UsageError

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Server"]

_CLIENTS_MAX: Final = 32
_READ_BYTES: Final = 4096
_BEAT_S: Final = 0.005
_STALLED_S: Final = 10.0
"""The longest time for the rest of a request to arrive, or for an answer to be read."""
_CLOSE_TIMEOUT_S: Final = 0.5
_OTHERS_MAY_WRITE: Final = stat.S_IWOTH


class _RefusedError(Exception):
    """A client that is refused with a reason, and disconnected. `kind`: see `Answer.error`."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


class Server:
    """Receives commands for the run in `run_dir` into `inbox`, until it is closed.

    The run's thread creates and closes it. Raises: SetupError if other users may write to the
    folder or it cannot hold a socket; UsageError if another process takes commands there."""

    def __init__(self, run_dir: Path) -> None:
        self.inbox = Inbox()
        self._run_dir = run_dir
        self._clients: dict[asyncio.Task[None], socket.socket] = {}
        self._closed = False
        with contextlib.ExitStack() as undo:
            self._folder = undo.enter_context(_trusted(run_dir))
            self._listener = undo.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            self._inode = self._bind()
            self._listener.setblocking(False)
            self._event_loop = undo.enter_context(contextlib.closing(asyncio.new_event_loop()))
            self._ends = undo.pop_all()
        self._ending = asyncio.Event()
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

    # --- the run's side -----------------------------------------------------------------------

    def close(self) -> None:
        """Remove the socket and answer all pending orders with `ended`. Idempotent."""
        if self._closed:
            return
        self._closed = True
        with contextlib.suppress(OSError):
            here = os.stat(SOCKET_NAME, dir_fd=self._folder, follow_symlinks=False)
            if here.st_ino == self._inode:  # not that of another process
                os.unlink(SOCKET_NAME, dir_fd=self._folder)
        self.inbox.close()
        self._event_loop.call_soon_threadsafe(self._ending.set)
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

    def _reply(self, answers: asyncio.Queue[Answer], answer: Answer) -> None:
        with contextlib.suppress(RuntimeError):  # the server is closed
            self._event_loop.call_soon_threadsafe(answers.put_nowait, answer)

    # --- the thread's side --------------------------------------------------------------------

    def _serve(self) -> None:
        self._event_loop.run_until_complete(self._serve_until_closed())

    async def _serve_until_closed(self) -> None:
        accepting = asyncio.create_task(self._accept())
        await self._ending.wait()
        accepting.cancel()
        for sock in self._clients.values():
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RD)  # no more requests; the last answers are sent
        if self._clients:
            await asyncio.wait(self._clients, timeout=_CLOSE_TIMEOUT_S)
        while self._clients:  # before Python 3.12, `wait_for` may lose a cancellation
            for client in self._clients:
                client.cancel()
            await asyncio.wait(self._clients, timeout=_BEAT_S)

    async def _accept(self) -> None:
        while True:
            waiting = asyncio.Event()  # `sock_accept`, if cancelled, may lose a client
            self._event_loop.add_reader(self._listener, waiting.set)
            try:
                await waiting.wait()
            finally:
                self._event_loop.remove_reader(self._listener)
            with contextlib.suppress(OSError):  # the client has left, or there are no descriptors
                sock, _ = self._listener.accept()
                sock.setblocking(False)
                client = asyncio.create_task(self._serve_client(sock))
                self._clients[client] = sock
                client.add_done_callback(self._drop)
            await self._beat()

    def _drop(self, client: asyncio.Task[None]) -> None:
        self._clients.pop(client).close()

    async def _serve_client(self, sock: socket.socket) -> None:
        with contextlib.suppress(Exception):  # it left; and no defect here may affect the run
            try:
                await self._answer_requests(sock, self._admit(sock))
            except _RefusedError as error:  # whether it reads this or not
                sock.send(Answer(False, str(error), error.kind).line())

    def _admit(self, sock: socket.socket) -> Peer:
        """Return the process that connected. Raises: _RefusedError if it is not served."""
        peer = peer_of(sock)
        if peer.uid != os.geteuid():
            raise _RefusedError("denied", "only the user who started the run may command it")
        if len(self._clients) > _CLIENTS_MAX:
            raise _RefusedError("busy", f"{_CLIENTS_MAX} clients are connected already")
        return peer

    async def _answer_requests(self, sock: socket.socket, peer: Peer) -> None:
        """Answer one request after the other. Raises: OSError when the client disconnects;
        _RefusedError."""
        received = bytearray()
        while True:
            await self._beat()
            line = await self._line(sock, received)
            if self._ending.is_set():
                return
            request = parse_request(line)
            if isinstance(request, Request):
                answer = await self._carry_out(request, peer)
            else:
                answer = request
            await asyncio.wait_for(self._event_loop.sock_sendall(sock, answer.line()), _STALLED_S)

    async def _carry_out(self, request: Request, peer: Peer) -> Answer:
        """Have the run's loop carry out the request between two frames, and return its answer."""
        answers: asyncio.Queue[Answer] = asyncio.Queue()
        self.inbox.put(Order(request, peer, partial(self._reply, answers)))
        return await answers.get()

    async def _line(self, sock: socket.socket, received: bytearray) -> bytes:
        """Remove the next line from `received`, into which is read; return it without its line
        feed. Raises: OSError when the client disconnects; _RefusedError if the line is too long, or
        has begun and does not end."""
        if not received:
            await self._receive(sock, received)  # a client may be silent for long
        try:
            await asyncio.wait_for(self._end_of_line(sock, received), _STALLED_S)
        except asyncio.TimeoutError as error:
            raise _RefusedError("malformed", f"no progress for {_STALLED_S:g} s") from error
        line, _, rest = received.partition(b"\n")
        if len(line) >= LINE_MAX:
            raise _RefusedError("malformed", f"a line has at most {LINE_MAX} bytes, not more")
        received[:] = rest
        return bytes(line)

    async def _end_of_line(self, sock: socket.socket, received: bytearray) -> None:
        while b"\n" not in received and len(received) < LINE_MAX:
            await self._beat()
            await self._receive(sock, received)

    async def _receive(self, sock: socket.socket, received: bytearray) -> None:
        part = await self._event_loop.sock_recv(sock, _READ_BYTES)
        if not part:
            raise ConnectionResetError
        received += part

    async def _beat(self) -> None:
        """Wait for the next of the moments at which all clients are served."""
        await asyncio.sleep(_BEAT_S - self._event_loop.time() % _BEAT_S)


@contextlib.contextmanager
def _trusted(run_dir: Path) -> Iterator[int]:
    """Open a folder and yield its descriptor. Raises: SetupError if other users may write there."""
    with opened(run_dir) as number:
        status = os.stat(number)
        if status.st_uid != os.geteuid() or status.st_mode & _OTHERS_MAY_WRITE:
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
        status = os.stat(SOCKET_NAME, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(status.st_mode):
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
