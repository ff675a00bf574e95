"""The lines of a board's kernel in the log of its console."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

__all__ = ["kernel_lines"]

_LINE: Final = re.compile(r"(\S+)\s+\S+ (?:link|console) +(\[ *\d+\.\d{6}\] .*)")
"""Time of day, seconds, source, and text that begins with the kernel's own time."""


def kernel_lines(log: Path) -> Iterator[tuple[str, str]]:
    """Yield the time of day (UTC, ISO 8601) and the text of each line that a kernel has printed.
    Raises: OSError."""
    with log.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            if match := _LINE.match(line):
                yield match[1], match[2].rstrip("\n")
