"""Bytes to and from one board: pyserial behind one small class.

Reading from a transport never blocks. When the other end is gone, this call and all later ones
raise TransportLost; the owner decides whether to open it again."""

from __future__ import annotations

import errno
import grp
import os
import socket
import termios
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import serial
from serial import rfc2217
from serial.urlhandler import protocol_socket

from hil.clock import HOST, writable
from hil.errors import SetupError
from hil.rig.lock_file import LockInUse
from hil.rig.low_latency import LatencySetting, LowLatency
from hil.rig.port_lock import PortLock, has_lock
from hil.word_enum import Word

_WRITE_TIMEOUT_S = 2.0
_READER_TIMEOUT_S = 0.1
_GREETING_READS_MAX = 64
_ONE_STOP_BIT_BAUD = 115200
"""[bit/s] Above this rate some boards' UARTs lose single bytes unless there are two stop bits."""


class PortFault(Word):
    """The reason why a port does not lead to a board; the first four are those of a port that is
    not open."""

    BUSY = "busy"  # another program uses it
    PERMISSION = "permission"
    MISSING = "missing"
    OTHER = "other"
    NONE = ""  # an agent answers
    LINE = "line"  # the line changes bytes
    ECHO = "echo"  # the bytes that are sent come back
    VERSION = "version"  # an agent of another wire version answers
    TALKS = "talks"  # bytes arrive, and no agent answers
    SILENT = "silent"
    DOUBLE = "double"  # the board answers at another port, too


class PortError(SetupError):
    """Raised if a port cannot be opened, for the reason `why`."""

    def __init__(self, message: str, why: PortFault, *, remedy: str) -> None:
        super().__init__(message, remedy=remedy)
        self.why = why


class TransportLost(Exception):
    """Raised when the other end is gone: an input of the link's state, not a failure of the rig."""


class Transport(Protocol):
    """The bytes of a link to and from a board. Not thread-safe."""

    @property
    def fd(self) -> int | None:
        """Return the descriptor to wait on; None for a transport whose answer can be read as soon
        as `write` returns."""

    def write(self, data: bytes) -> None:
        """Send all of `data`. Raises: TransportLost if the other end is gone or accepts nothing for
        seconds."""

    def read(self) -> bytes:
        """Return the bytes that have arrived, possibly none. Raises: TransportLost if the other end
        is gone."""

    def close(self) -> None:
        """Close the transport. Idempotent."""


@dataclass(frozen=True, slots=True)
class LineRate:
    """The rate of a line [bit/s]: now, and when the port was opened."""

    now: int
    safe: int


def _owners(port: str) -> list[str]:
    """Return the processes that have the port open, as `name (pid N)`, as far as /proc shows
    them."""
    owners: list[str] = []
    try:
        device = os.stat(port).st_rdev
    except OSError:
        return owners
    for process in Path("/proc").glob("[0-9]*"):
        try:
            for fd in (process / "fd").iterdir():
                if os.stat(fd).st_rdev == device and str(fd.readlink()) == os.path.realpath(port):
                    owners.append(f"{(process / 'comm').read_text().strip()} (pid {process.name})")
                    break
        except OSError:
            continue
    return owners


def in_use(port: str, owners: list[str]) -> PortError:
    """Return the error of a port that `owners` have open."""
    who = f" by {', '.join(owners)}" if owners else ""
    return PortError(
        f"port {port} is in use{who}",
        PortFault.BUSY,
        remedy="end the other program, or use another port",
    )


def _group_of(port: str) -> str:
    """Return the group that may open the port; `dialout` if it cannot be determined."""
    try:
        group = grp.getgrgid(os.stat(port).st_gid).gr_name
    except (OSError, KeyError):
        return "dialout"
    return "dialout" if group in {"root", "wheel"} else group


def open_error(port: str, error: Exception) -> PortError:
    """Return the error of a port that cannot be opened because of `error`, in words."""
    number = error.errno if isinstance(error, OSError) else None
    if number is None and isinstance(error.__context__, OSError):
        number = error.__context__.errno
    if "lock" in str(error).lower() or number in (errno.EBUSY, errno.EAGAIN):
        owners = _owners(port)
        return in_use(port, [o for o in owners if not o.startswith("hil-agent ")] or owners)
    if number == errno.ENOENT:
        return PortError(
            f"port {port} does not exist",
            PortFault.MISSING,
            remedy="plug the board in, and look at `ls /dev/serial/by-id /dev/tty*` for its name",
        )
    if number in (errno.EACCES, errno.EPERM):
        group = _group_of(port)
        return PortError(
            f"port {port}: permission denied; it belongs to the group {group}",
            PortFault.PERMISSION,
            remedy=f"add yourself to it (`sudo usermod -aG {group} $USER`), then log in again",
        )
    reason, remedy = _in_words(error)
    return PortError(f"port {port} cannot be opened: {reason}", PortFault.OTHER, remedy=remedy)


def _in_words(error: Exception) -> tuple[str, str]:
    """Return why a port cannot be opened, and the remedy; the system's own text if it has one."""
    cause = error.__context__
    if cause is None or str(cause) not in str(error):  # pyserial repeats the system's text
        cause = error
    if isinstance(cause, termios.error) and cause.args[:1] == (errno.ENOTTY,):
        return "it is not a serial port", "`ls /dev/serial/by-id /dev/tty*` shows those that are"
    if isinstance(cause, UnicodeError):  # of the codec that encodes names of hosts
        return "the name of its host is not valid", "check the host's name in the URL"
    if isinstance(cause, socket.gaierror):
        return f"{cause.strerror} (its host)", "check the host's name in the URL"
    if isinstance(cause, (ConnectionError, TimeoutError)):
        what = cause.strerror or str(cause)
        return what, "does the port server run there, and listen on this TCP port?"
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror, "check its name and cable"
    if "'cp2110' not known" in str(error):
        return "cp2110:// needs the Python package hidapi", ".venv/bin/pip install hidapi"
    return str(cause) or type(cause).__name__, "check its name and cable"


class _SocketPort(protocol_socket.Serial):
    """pyserial's TCP port, opened without select(), which takes no descriptor above 1023, and
    without Nagle's algorithm, which holds small frames back until the one before is acknowledged.
    """

    _socket: socket.socket | None = None

    def open(self) -> None:
        super().open()
        if self._socket is not None:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def reset_input_buffer(self) -> None:
        """Discard what has arrived so far, such as a port server's banner."""
        for _ in range(_GREETING_READS_MAX):
            try:
                if not os.read(self.fileno(), 4096):
                    return
            except BlockingIOError:
                return

    def close(self) -> None:
        _close(super().close, self._socket)


class _Rfc2217Port(rfc2217.Serial):
    """pyserial's port of a port server that can set its line's rate."""

    _socket: socket.socket | None

    def close(self) -> None:
        _close(super().close, self._socket)


def _close(close_port: Callable[[], None], far: socket.socket | None) -> None:
    """Close a port and its socket: pyserial calls shutdown() before close(), which fails when the
    far end is gone, and leaves the socket to the garbage collector."""
    close_port()
    if far is not None:
        far.close()


class _Reader:
    """Makes a port without a descriptor selectable: a thread copies what it reads to a socket."""

    def __init__(self, port: Any) -> None:
        self._port = port
        self._out, self._in = socket.socketpair()
        self._out.setblocking(False)
        self._thread = threading.Thread(target=self._move, name="hil port reader", daemon=True)
        self._thread.start()

    def fileno(self) -> int:
        return self._out.fileno()

    def _move(self) -> None:
        try:
            while True:
                if data := self._port.read(max(1, self._port.in_waiting)):
                    self._in.sendall(data)
        except (OSError, serial.SerialException, TypeError, AttributeError):
            pass  # the port is gone, or being closed: pyserial then fails in all these ways
        finally:
            self._in.close()

    def close(self) -> None:
        """Close the socket and join the thread; the port must be closed before."""
        self._out.close()
        self._thread.join(10 * _READER_TIMEOUT_S)


def _unopened(port: str, baud: int) -> Any:
    settings: dict[str, Any] = {"baudrate": baud, "timeout": 0, "exclusive": True}
    if port.lower().startswith("socket://"):
        unopened: serial.SerialBase = _SocketPort(None, **settings)
    elif port_is_rfc2217(port):
        unopened = _Rfc2217Port(None, **settings)
    else:
        return serial.serial_for_url(port, do_not_open=True, **settings)
    unopened.port = port
    return unopened


def _selectable(port: Any) -> bool:
    own = [c for c in type(port).__mro__ if issubclass(c, serial.SerialBase)]
    return any("fileno" in vars(c) for c in own)


def port_is_rfc2217(port: str) -> bool:
    """Return whether the port is a port server that can set its line's rate."""
    return port.lower().startswith("rfc2217:")


class SerialTransport:
    """Any pyserial port or URL, opened exclusively, raw, without touching the board's reset lines;
    with `low_latency` its driver is set to that, until the port is closed.

    Raises: PortError if it cannot be opened: missing, in use (with the process), no permission. Not
    thread-safe.
    """

    def __init__(
        self, port: str, baud: int = 115200, low_latency: LowLatency | None = None
    ) -> None:
        self.port = port
        self._lock: PortLock | None = None
        if has_lock(port):
            try:
                self._lock = PortLock(port)
            except LockInUse as error:
                raise in_use(port, [str(error)]) from None
            except (OSError, SetupError):
                pass  # no folder for locks: the port stays unlocked
        try:
            self._serial = _unopened(port, baud)
            self._set_stop_bits(baud)
            if not _selectable(self._serial):
                self._serial.timeout = _READER_TIMEOUT_S
            self._serial.open()
            self._keep_modem_lines()
        except Exception as error:  # URL handlers of pyserial raise errors of other libraries, too
            self._unlock()
            raise open_error(port, error) from error
        # The POSIX class and a socket are plain descriptors: they are read and written directly,
        # without pyserial's select(). RFC 2217 and similar ports have a thread that reads.
        self._plain = isinstance(self._serial, (serial.Serial, _SocketPort))
        self._reader = None if _selectable(self._serial) else _Reader(self._serial)
        self.fd: int | None = (self._reader or self._serial).fileno()
        self._lost: str | None = None
        self._safe_baud = baud
        self._latency: LatencySetting | None = None
        if low_latency is not None and isinstance(self._serial, serial.Serial):
            self._latency = low_latency.begin(port, self._serial.fileno())

    @property
    def rate(self) -> LineRate | None:
        """Return the line's rate; None if it has none or this program cannot set it (a socket)."""
        if not isinstance(self._serial, serial.Serial) and not port_is_rfc2217(self.port):
            return None
        return LineRate(int(self._serial.baudrate), self._safe_baud)

    def set_rate(self, baud: int) -> None:
        """Run at another rate [bit/s] until this transport is closed. Raises: TransportLost;
        ValueError if the port cannot run at it."""
        if self._lost is not None:
            raise TransportLost(self._lost)
        try:
            self._set_stop_bits(baud)
            self._serial.baudrate = baud
        except serial.SerialException as error:
            raise self._lose(f"{self.port}: {error}") from error

    def _set_stop_bits(self, baud: int) -> None:
        """Set the stop bits as the agent does (csrc/port/linux/link_tty.c). A port server keeps its
        own setting."""
        if isinstance(self._serial, serial.Serial):
            self._serial.stopbits = 2 if baud > _ONE_STOP_BIT_BAUD else 1

    def _keep_modem_lines(self) -> None:
        """Keep DTR when the port is closed: on many boards DTR is wired to reset."""
        port: Any = self._serial
        if not isinstance(port, serial.Serial):
            return
        try:
            settings = termios.tcgetattr(port.fileno())
            settings[2] &= ~termios.HUPCL
            termios.tcsetattr(port.fileno(), termios.TCSANOW, settings)
        except termios.error:
            pass  # it is not a terminal, or already gone: then the first read raises

    def _unlock(self) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def _lose(self, reason: str) -> TransportLost:
        self._lost = reason
        return TransportLost(reason)

    def write(self, data: bytes) -> None:
        if self._lost is not None:
            raise TransportLost(self._lost)
        try:
            if not self._plain:
                self._serial.write(data)
                return
            assert self.fd is not None
            view = memoryview(data)
            while view:
                try:
                    view = view[os.write(self.fd, view) :]
                except BlockingIOError:
                    if not writable(self.fd, _WRITE_TIMEOUT_S * 1e6):
                        raise self._lose(f"{self.port} takes no bytes") from None
        except (OSError, serial.SerialException) as error:
            raise self._lose(f"{self.port}: {error}") from error

    def read(self) -> bytes:
        if self._lost is not None:
            raise TransportLost(self._lost)
        try:
            if not self._plain and not self._reader:
                return bytes(self._serial.read(65536))
            assert self.fd is not None
            data = os.read(self.fd, 65536)
            if not data:  # nothing arrived, or hung up: a port that hung up still reads as ready
                if not HOST.readable([self.fd], 0):
                    return b""
                data = os.read(self.fd, 65536)
        except BlockingIOError:
            return b""
        except (OSError, serial.SerialException) as error:
            raise self._lose(f"{self.port}: {error}") from error
        if not data:
            raise self._lose(f"{self.port}: hung up")
        return data

    def close(self) -> None:
        self.fd = None
        if self._lost is None:
            self._lost = "closed"
        if self._latency is not None:
            self._latency.end()
            self._latency = None
        try:
            self._serial.close()
        except OSError:
            pass  # the port is gone: there is nothing left to close
        if self._reader:
            self._reader.close()
            self._reader = None
        self._unlock()
