r"""Bytes of a console as text: readable, harmless for a terminal, and without loss.

Text is UTF-8. What a terminal would obey or not show, and bytes that are not UTF-8, are written as
`\xNN`, one for each byte; line feed, carriage return and backslash as `\n`, `\r` and `\\`. A tab
stays."""

from __future__ import annotations

import re
from typing import Final

from hil.printable import UNPRINTABLE

__all__ = ["escaped", "shown", "unescaped"]

_TO_ESCAPE: Final = re.compile(rf"[\\\n]|{UNPRINTABLE.pattern}")
_ESCAPE: Final = re.compile(r"\\(?:x([0-9a-f]{2})|(.?))")
_NAMED: Final = {"\\": "\\\\", "\n": "\\n", "\r": "\\r"}
_BYTES: Final = {"\\": b"\\", "n": b"\n", "r": b"\r"}


def escaped(data: bytes) -> str:
    """Return `data` as one line of text."""
    text = data.decode("utf-8", "surrogateescape")
    if text.isascii() and text.isprintable() and "\\" not in text:
        return text
    return _TO_ESCAPE.sub(_escape, text)


def shown(text: str) -> str:
    """Return text that was decoded with `surrogateescape` for a terminal: as in a log, but lines
    stay lines, and backslashes are not doubled."""
    return UNPRINTABLE.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    char = match[0]
    return _NAMED.get(char) or "".join(
        f"\\x{byte:02x}" for byte in char.encode("utf-8", "surrogateescape")
    )


def unescaped(text: str) -> bytes:
    """Return the bytes that `escaped` has made `text` of. Raises: ValueError for another text."""
    out, at = [], 0
    for match in _ESCAPE.finditer(text):
        out.append(text[at : match.start()].encode())
        at = match.end()
        byte, name = match[1], match[2]
        if byte is None and name not in _BYTES:
            raise ValueError(f"{match[0]} is not an escape of a console log")
        out.append(_BYTES[name] if byte is None else bytes.fromhex(byte))
    out.append(text[at:].encode())
    return b"".join(out)
