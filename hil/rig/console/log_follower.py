"""Reads a console log while a run writes it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from hil.clock import HOST, Clock

__all__ = ["log_lines"]

_PIECE: Final = 1 << 16
_EVERY_US: Final = 200_000


def log_lines(path: Path, is_written: Callable[[], bool], clock: Clock = HOST) -> Iterator[str]:
    """Return the lines of the log at `path`, without their ends, and those that are added as long
    as `is_written` returns true. A log that is not there yet is waited for. Raises: OSError."""
    rest, at = b"", 0
    while True:
        going_on = is_written()  # before the log is read: what was written until then is in it
        while piece := _read(path, at):
            at += len(piece)
            *lines, rest = (rest + piece).split(b"\n")
            yield from (line.decode(errors="replace") for line in lines)
        if not going_on:
            break
        clock.sleep_us(_EVERY_US)
    if rest:  # the run was killed while it wrote
        yield rest.decode(errors="replace")


def _read(path: Path, at: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(at)
            return file.read(_PIECE)
    except FileNotFoundError:
        return b""
