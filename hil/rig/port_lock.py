"""Exclusive use of ports that have no device to lock: URLs.

A file in the folder for temporary files, locked as long as the port is open, says who has it. It
holds back other programs of hil on this computer; who else uses a server only the server knows.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import sys
import tempfile
from pathlib import Path


class PortInUse(Exception):
    """Somebody else has the port; says who."""


class PortLock:
    """Holds `port` until `release`. PortInUse with the owner's name if it is held already."""

    def __init__(self, port: str) -> None:
        name = hashlib.sha256(port.encode()).hexdigest()[:16]
        path = Path(tempfile.gettempdir()) / f"hil-port-{name}.lock"
        # Never removed: another might wait for the file that is being removed.
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
        """Idempotent."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
