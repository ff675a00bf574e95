"""The shared token of an agent on a TCP port, and the proof that both ends know it.

The lines of the handshake are in csrc/port/linux/link_tcp.c. The token never travels; nothing is
encrypted, and nothing after the handshake is authenticated."""

from __future__ import annotations

import hmac
import os
import re
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hil.errors import SetupError

__all__ = ["GREETING_MAX", "AgentToken", "Handshake", "read_token"]

GREETING_MAX: Final = 128
"""No line of an agent is longer [byte]."""

_LEAST: Final = 16
_MOST: Final = 256
_MAKE_ONE: Final = "make one: `umask 77; head -c 32 /dev/urandom | base64 > FILE`"
_GREETING: Final = re.compile(rb"hil-agent 1 ([0-9a-f]{32})\n")


@dataclass(frozen=True, slots=True)
class AgentToken:
    """A token and the file that it is from. Its value is not shown."""

    file: Path
    value: bytes

    def __repr__(self) -> str:
        return f"AgentToken({str(self.file)!r})"


def read_token(file: str | Path) -> AgentToken:
    """Read a token, without the white space at its end; `~` is the user's home.

    Raises: SetupError if the file cannot be read, if everybody may read it, or if it holds no token
    of 16 to 256 bytes."""
    path = Path(file).expanduser()
    try:
        with path.open("rb") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            value = stream.read(_MOST + 2).rstrip(b" \t\r\n\0")
    except OSError as error:
        raise SetupError(
            f"the token file {path} cannot be read: {error.strerror}",
            remedy=f"copy it from the board, or {_MAKE_ONE}",
        ) from error
    if mode & (stat.S_IROTH | stat.S_IWOTH):
        raise SetupError(
            f"the token file {path} may be read or written by everybody",
            remedy=f"`chmod 600 {path}`",
        )
    if not _LEAST <= len(value) <= _MOST:
        raise SetupError(
            f"the token file {path} holds {len(value)} bytes; expected a token of {_LEAST} to "
            f"{_MOST}",
            remedy=_MAKE_ONE,
        )
    return AgentToken(path, value)


class Handshake:
    """The host's side of the handshake that follows an agent's `greeting`, which is a line.

    Raises: ValueError if that is not the greeting of an agent."""

    def __init__(self, token: AgentToken, greeting: bytes) -> None:
        match = _GREETING.fullmatch(greeting)
        if match is None:
            raise ValueError("not the greeting of an agent")
        self._token = token
        self._nonces = (bytes.fromhex(match[1].decode()), secrets.token_bytes(16))

    @property
    def line(self) -> bytes:
        """Return the line to send: the host's random bytes, and its proof."""
        return f"{self._nonces[1].hex()} {self._proof(b'hil host').hex()}\n".encode()

    def accepts(self, answer: bytes) -> bool:
        """Return whether the agent's answer proves that it knows the token."""
        right = b"ok " + self._proof(b"hil agent").hex().encode() + b"\n"
        return hmac.compare_digest(answer, right)

    def _proof(self, role: bytes) -> bytes:
        message = role.ljust(10, b"\0") + b"".join(self._nonces)
        return hmac.digest(self._token.value, message, "sha256")
