"""The socket's address, and the identity of its peer. Used by both sides.

A Unix socket's address has room for 107 bytes, and a run folder's path may be longer: so the folder
is opened, and the socket is addressed through the descriptor (/proc/self/fd/N/control.sock). This
also makes sure that the folder that was checked is the one that is used."""

from __future__ import annotations

import os
import pwd
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from hil.control.inbox import Peer
from hil.control.protocol import SOCKET_NAME
from hil.errors import SetupError

__all__ = ["address_in", "opened", "peer_of"]

_ADDRESS_MAX: Final = 107
_CREDENTIALS: Final = struct.Struct("iII")  # struct ucred: pid, uid, gid
_DESCRIPTORS: Final = Path("/proc/self/fd")


@contextmanager
def opened(folder: Path) -> Iterator[int]:
    """Open a folder and yield its descriptor. Raises: OSError if there is no such folder."""
    number = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield number
    finally:
        os.close(number)


def address_in(folder: Path, number: int) -> str:
    """Return the address of the socket in `folder`, whose descriptor is `number`. Raises:
    SetupError if the path is too long and there is no /proc to shorten it."""
    if _DESCRIPTORS.is_dir():
        return f"{_DESCRIPTORS}/{number}/{SOCKET_NAME}"
    plain = str(folder / SOCKET_NAME)
    if len(os.fsencode(plain)) > _ADDRESS_MAX:
        raise SetupError(
            f"the path {plain} is too long for a socket (at most {_ADDRESS_MAX} bytes)",
            remedy="choose a shorter one with --out, or mount /proc",
        )
    return plain


def peer_of(connection: socket.socket) -> Peer:
    """Return the process at the other end, as the kernel reports it. Raises: OSError if it
    has disconnected."""
    packed = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, _ = _CREDENTIALS.unpack(packed)
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:  # a user without an entry, as in containers
        name = str(uid)
    return Peer(name, uid, pid)
