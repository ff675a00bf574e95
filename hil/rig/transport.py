"""Bytes to and from one board: pyserial behind one small class.

A transport never blocks on reading. When the other end is gone it raises TransportLost, once and
from then on; whoever owns it decides whether to open it again."""

from __future__ import annotations

import errno
import os
import select
from pathlib import Path
from typing import Protocol

import serial

from hil.errors import SetupError

_WRITE_TIMEOUT_S = 2.0


class TransportLost(Exception):
    """The other end is gone (data for the link's state, not a failure of the rig)."""


class Transport(Protocol):
    """What a link needs. `fd` is what to select on; None: what can be read is there at once."""

    fd: int | None

    def write(self, data: bytes) -> None:
        """Send all of `data`. TransportLost if the other end is gone or takes nothing for
        seconds."""

    def read(self) -> bytes:
        """What has arrived, possibly nothing. TransportLost if the other end is gone."""

    def close(self) -> None:
        """Idempotent."""


def _owners(port: str) -> list[str]:
    """Other processes that have the port open, as `name (pid N)`, as far as /proc shows them."""
    found: list[str] = []
    try:
        device = os.stat(port).st_rdev
    except OSError:
        return found
    for process in Path("/proc").glob("[0-9]*"):
        if int(process.name) == os.getpid():
            continue
        try:
            for fd in (process / "fd").iterdir():
                if os.stat(fd).st_rdev == device and str(fd.readlink()) == os.path.realpath(port):
                    found.append(f"{(process / 'comm').read_text().strip()} (pid {process.name})")
                    break
        except OSError:
            continue
    return found


def _open_error(port: str, error: Exception) -> SetupError:
    number = getattr(error, "errno", None)
    if number is None and isinstance(error.__context__, OSError):
        number = error.__context__.errno
    if "lock" in str(error).lower() or number in (errno.EBUSY, errno.EAGAIN):
        owners = [o for o in _owners(port) if not o.startswith("hil-agent ")] or _owners(port)
        who = f" by {', '.join(owners)}" if owners else ""
        return SetupError(
            f"port {port} is in use{who}", remedy="end the other program, or use another port"
        )
    if number == errno.ENOENT:
        return SetupError(
            f"port {port} does not exist",
            remedy="plug the board in, and look at `ls /dev/serial/by-id /dev/tty*` for its name",
        )
    if number in (errno.EACCES, errno.EPERM):
        return SetupError(
            f"port {port}: permission denied",
            remedy="add yourself to the port's group (often `sudo usermod -aG dialout $USER`), "
            "then log in again",
        )
    return SetupError(f"port {port} cannot be opened: {error}", remedy="check its name and cable")


class SerialTransport:
    """Any pyserial port or URL, opened exclusively, raw, without touching the board's reset lines.

    Raises SetupError if it cannot be opened: missing, in use (by whom), no permission.
    """

    def __init__(self, port: str, baud: int = 115200) -> None:
        self.port = port
        try:
            self._serial = serial.serial_for_url(
                port, baudrate=baud, timeout=0, do_not_open=True, exclusive=True
            )
            self._serial.open()
        except (serial.SerialException, OSError, ValueError) as error:
            raise _open_error(port, error) from error
        # The posix class is a plain descriptor: read and write it directly, without pyserial's
        # select in between. Sockets and RFC 2217 go through pyserial.
        self._plain = isinstance(self._serial, serial.Serial)
        try:
            self.fd: int | None = self._serial.fileno()
        except (AttributeError, OSError):
            self.fd = None
        self._lost: str | None = None

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
                    if not select.select([], [self.fd], [], _WRITE_TIMEOUT_S)[1]:
                        raise self._lose(f"{self.port} takes no bytes") from None
        except (OSError, serial.SerialException) as error:
            raise self._lose(f"{self.port}: {error}") from error

    def read(self) -> bytes:
        if self._lost is not None:
            raise TransportLost(self._lost)
        try:
            if not self._plain:
                return bytes(self._serial.read(max(1, self._serial.in_waiting)))
            assert self.fd is not None
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
        try:
            self._serial.close()
        except OSError:
            pass  # a port that is gone cannot be closed better
