"""Lines of a console: bytes as they arrive are put together to lines with times."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from hil.rig.console.escape import escaped

__all__ = ["LINE_MAX", "ConsoleLine", "ConsoleSource", "LineAssembler"]

LINE_MAX: Final = 2048
"""[byte] A longer line is cut."""


class ConsoleSource(Enum):
    """The source of bytes of a console."""

    LINK = "link"  # the link of the node: text outside frames
    DAMAGED = "damaged"  # the link of the node: a frame that was damaged or cut off
    CONSOLE = "console"  # the console port of the board
    PROGRAM = "program"  # standard error of the program that was the node's worker
    STDERR = "stderr"  # the stderr of the processes of a board on this computer


@dataclass(frozen=True, slots=True)
class ConsoleLine:
    """A line, or a part of one: `at_us` is when its first byte arrived, on the host's clock [us].
    `end` is the line end after `content`; empty if the line continues, or may continue. `missing`:
    this is no line, but that many bytes of the source are missing here."""

    at_us: int
    source: ConsoleSource
    content: bytes
    end: bytes = b""
    missing: int = 0

    @property
    def text(self) -> str:
        r"""Return the line as it stands in the log. The usual line end, `\r\n`, is not shown;
        `\n` alone is. A backslash at the end means that the line continues in the next one."""
        text = escaped(self.content)
        if self.source is ConsoleSource.DAMAGED or self.end == b"\r\n":
            return text
        return text + (escaped(self.end) or "\\")


class LineAssembler:
    """Puts the bytes of one source together to lines. Not thread-safe."""

    def __init__(self, source: ConsoleSource) -> None:
        self._source = source
        self._open = bytearray()
        self._began_us = self._latest_us = 0

    def push(self, data: bytes, at_us: int) -> list[ConsoleLine]:
        """Return the lines that `data`, which arrived at `at_us`, completes."""
        out: list[ConsoleLine] = []
        for part in _parts(data):
            if not self._open:
                self._began_us = at_us
            self._open += part
            while len(self._open) > LINE_MAX:
                out.append(self._line(bytes(self._open[:LINE_MAX])))
                del self._open[:LINE_MAX]
                self._began_us = at_us
            if self._open.endswith(b"\n"):
                out.append(self._take())
        self._latest_us = at_us
        return out

    def flush(self, idle_since_us: int) -> list[ConsoleLine]:
        """Return the beginning of a line to which nothing was added after `idle_since_us`."""
        return [self._take()] if self._open and self._latest_us <= idle_since_us else []

    @property
    def begun(self) -> ConsoleLine | None:
        """Return the beginning of a line that is not complete; None if there is none."""
        return self._line(bytes(self._open)) if self._open else None

    def _take(self) -> ConsoleLine:
        content = bytes(self._open)
        self._open.clear()
        for end in (b"\r\n", b"\n"):
            if content.endswith(end):
                return self._line(content.removesuffix(end), end)
        return self._line(content)

    def _line(self, content: bytes, end: bytes = b"") -> ConsoleLine:
        return ConsoleLine(self._began_us, self._source, content, end)


def _parts(data: bytes) -> list[bytes]:
    r"""Return `data` cut behind each `\n`: a `\r` alone ends no line, but writes over it."""
    *lines, rest = data.split(b"\n")
    return [line + b"\n" for line in lines] + ([rest] if rest else [])
