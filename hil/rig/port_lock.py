"""Exclusive use of ports, on this computer: as long as a port is open, or reserved for a run.

A port that is reserved stays reserved while it is closed, as when its board is off: only the
process that has reserved it may open it. Clients on other computers are not excluded.
"""

from __future__ import annotations

import os
import re
import threading
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from hil.rig.lock_file import HeldLock, LockInUse, owner_text

__all__ = ["PortLock", "PortReservation", "has_lock", "port_lock_name"]

_PORT: Final = "port"
_TTY_CLASS: Final = Path("/sys/class/tty")
_HOSTED: Final = re.compile(r"(socket|rfc2217|tcp)://", re.IGNORECASE)


def has_lock(port: str) -> bool:
    """Return whether a port is locked when it is opened: a URL, and a serial device. The number of
    a pty may be that of another program soon; its terminal itself is locked."""
    return "://" in port or (_TTY_CLASS / Path(os.path.realpath(port)).name).exists()


def port_lock_name(port: str) -> str:
    """Return the name under which a port is locked: that of its server, of its USB socket, or of
    its device, so that two names of one port are one."""
    if "://" in port:
        return _server_of(port)
    device = os.path.realpath(port)
    try:
        # The adapter in this socket is the same port when it comes back as another ttyUSB.
        place = (_TTY_CLASS / Path(device).name / "device").resolve(strict=True)
    except OSError:
        pass
    else:
        return _in_socket(place)
    if device.startswith("/dev/pts/"):
        try:
            return f"{device} of {os.stat(device).st_ctime_ns}"
        except OSError:
            pass
    return device


def _in_socket(place: Path) -> str:
    """Return the name of a port in its socket; one interface of an adapter may have several."""
    if not place.name.startswith("ttyUSB"):
        return str(place)
    try:
        number = (place / "port_number").read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return str(place)
    return f"{place.parent} port {number}"


def _server_of(url: str) -> str:
    if not _HOSTED.match(url):
        return url
    try:
        parts = urlsplit(url)
        number = parts.port
    except ValueError:
        return url
    host = (parts.hostname or "").lower()
    return f"{'127.0.0.1' if host == 'localhost' else host}:{number}"


class PortReservation:
    """Reserves a port for this process until `release`; `run` is the folder of its run.

    Raises: LockInUse with the owner; SetupError if the lock's file cannot be opened."""

    def __init__(self, port: str, run: str = "") -> None:
        self._name = port_lock_name(port)
        self._lock = HeldLock(_PORT, self._name, run)
        self.owner = owner_text(run)
        self.is_open = False
        with _guard:
            _reserved[self._name] = self

    def release(self) -> None:
        """Give the port to others. Idempotent."""
        with _guard:
            if _reserved.get(self._name) is self:
                del _reserved[self._name]
        self._lock.release()


_guard: Final = threading.Lock()
_reserved: Final[dict[str, PortReservation]] = {}
"""The reservations of this process by the names of their ports."""


class PortLock:
    """Holds `port`, which is opened, until `release`. A port that this process has reserved is
    excluded within this process only.

    Raises: LockInUse with the owner's name if it is held already; SetupError if the lock's file
    cannot be opened."""

    def __init__(self, port: str) -> None:
        self._lock: HeldLock | None = None
        self._reservation: PortReservation | None = None
        name = port_lock_name(port)
        with _guard:
            reservation = _reserved.get(name)
            if reservation is not None:
                if reservation.is_open:
                    raise LockInUse(reservation.owner)
                reservation.is_open = True
                self._reservation = reservation
                return
        self._lock = HeldLock(_PORT, name)

    def release(self) -> None:
        """Release the port. Idempotent."""
        reservation, self._reservation = self._reservation, None
        if reservation is not None:
            reservation.is_open = False
        if self._lock is not None:
            self._lock.release()
            self._lock = None
