"""The identity of a pty: the number of a closed one may be given to another program."""

from __future__ import annotations

import os
from typing import Final

from hil.errors import SetupError

__all__ = ["PtyIdentity"]

_PTYS: Final = "/dev/pts/"


class PtyIdentity:
    """Remembers the pty that a port was at first, by the time of its creation."""

    def __init__(self) -> None:
        self._made_ns: int | None = None

    def check(self, port: str) -> None:
        """Check that `port`, if it is a pty, is that of the first call. Raises: SetupError if it is
        another one."""
        if not port.startswith(_PTYS):
            return
        try:
            made_ns = os.stat(port).st_ctime_ns
        except OSError:
            return  # opening it says why
        if self._made_ns not in (None, made_ns):
            raise SetupError(
                f"{port} was closed, and is the terminal of another program now",
                remedy="give the agent a terminal with a name that lasts: socat PTY,link=NAME",
            )
        self._made_ns = made_ns
