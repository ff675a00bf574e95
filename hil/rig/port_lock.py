"""Exclusive use of ports that have no device to lock: URLs.

A file in the folder for temporary files names the process that has the port; it is locked as long
as the port is open. This excludes other programs of hil on this computer, but no other clients of a
server.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import sys
import tempfile
from pathlib import Path


class PortInUse(Exception):
    """Another process holds the port; the message names it."""


class PortLock:
    """Holds `port` until `release`. Raises: PortInUse with the owner's name if it is held
    already."""

    def __init__(self, port: str) -> None:
        name = hashlib.sha256(port.encode()).hexdigest()[:16]
        path = Path(tempfile.gettempdir()) / f"hil-port-{name}.lock"
        # Never removed: another process might lock the file that is being removed.
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            owner = os.read(self._fd, 200).decode(errors="replace").strip()
            os.close(self._fd)
            raise PortInUse(owner) from None
        os.ftruncate(self._fd, 0)
        os.write(self._fd, f"{Path(sys.argv[0]).name or 'python'} (pid {os.getpid()})\n".encode())

    def release(self) -> None:
        """Release the port. Idempotent."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
