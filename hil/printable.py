r"""Text from files, boards and command lines, made harmless for a terminal and for a shell.

A terminal obeys control characters: they set its title, move its cursor, hide what was printed
above. Others turn the direction of text round, or are not seen at all. Each is shown as the escape
that Python would write for it, `\x1b` or `\u202e`, so that it can be seen and searched for."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Final

__all__ = ["UNPRINTABLE", "one_line", "printable", "quoted"]

UNPRINTABLE: Final = re.compile(
    # Categories Cc (but tab and line feed), Cf, Cs, Zl and Zp of Unicode 15. Written down: asking
    # unicodedata for all of them would cost every start of the program a tenth of a second.
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e"
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb\U000110bd\U000110cd"
    "\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e007f]"
)
_OF_ONE_LINE: Final = re.compile(f"[\t\n]|{UNPRINTABLE.pattern}")


def printable(text: str) -> str:
    """Return `text` with its control and format characters escaped; tab and line feed stay.

    Everything that the command line and the screen print goes through this."""
    return text if text.isascii() and text.isprintable() else UNPRINTABLE.sub(_escape, text)


def one_line(text: str) -> str:
    """Return `text` as `printable` does, with tab and line feed escaped, too: a value cannot forge
    a line."""
    return text if text.isascii() and text.isprintable() else _OF_ONE_LINE.sub(_escape, text)


def quoted(path: Path | str) -> str:
    """Return the path of a file or folder quoted for a shell, and never like an option."""
    name = str(path)
    return shlex.quote(f"./{name}" if name.startswith("-") else name)


def _escape(match: re.Match[str]) -> str:
    char = match[0]
    if char in "\t\n":
        return {"\t": "\\t", "\n": "\\n"}[char]
    code = ord(char)
    return (
        f"\\x{code:02x}"
        if code < 0x100
        else f"\\u{code:04x}"
        if code < 0x10000
        else (f"\\U{code:08x}")
    )
