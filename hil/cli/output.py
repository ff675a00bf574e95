"""Writes the output of commands: results to stdout, everything else to stderr."""

# ruff: noqa: PLC0415  (imports in functions: `hil --help` must not load the engine)

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

from hil.errors import SetupError
from hil.printable import printable

if TYPE_CHECKING:
    from rich.console import RenderableType

    from hil.json_values import JsonObject
    from hil.views.style import Glyphs

__all__ = [
    "ClosedStream",
    "answer",
    "has_screen",
    "out",
    "say",
    "show",
    "wants_ascii",
    "write",
]


class ClosedStream(io.TextIOWrapper):
    """A replacement for a stdout or stderr that the caller has closed, as by `>&-`."""

    def __init__(self) -> None:
        super().__init__(io.FileIO(os.devnull, "w"))


def write(stream: TextIO | None, text: str) -> None:
    """Write text to stdout or stderr, its control characters escaped.

    A closed pipe is not an error. Raises: SetupError for others, such as a full disk."""
    _write(stream, printable(text))


def _write(stream: TextIO | None, text: str) -> None:
    if stream is None:
        return
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        _to_nowhere(stream)
    except OSError as error:
        _to_nowhere(stream)
        raise SetupError(
            f"cannot write to {stream.name.strip('<>')}: {error.strerror}",
            remedy="free disk space there",
        ) from error


def _to_nowhere(stream: TextIO) -> None:
    """Redirect a broken stream to /dev/null, so that the interpreter does not fail at exit."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def out(text: str) -> None:
    """Print a line on stdout. Raises: SetupError if it cannot be written."""
    write(sys.stdout, text + "\n")


def say(text: str) -> None:
    """Print a line on stderr; if that fails, do nothing."""
    with contextlib.suppress(SetupError, ValueError):
        write(sys.stderr, text + "\n")


def show(make: Callable[[Glyphs], RenderableType], *, width: int | None = None) -> None:
    """Print a view on stdout: coloured on a terminal, plain text anywhere else."""
    from hil.views.style import console_for, glyphs_for

    text = io.StringIO()
    console = console_for(sys.stdout, text)
    if width is not None and not console.is_terminal:
        console.width = width
    console.print(make(glyphs_for(sys.stdout)), crop=False)
    lines = [line.rstrip(" ") for line in text.getvalue().rstrip("\n").split("\n")]
    _write(sys.stdout, "\n".join(lines) + "\n")  # colours are escape codes; texts have none


def answer(content: JsonObject) -> None:
    """Print the one JSON object. Raises: SetupError if it cannot be written."""
    if isinstance(sys.stdout, ClosedStream):
        raise SetupError("stdout is closed: the result cannot be printed", remedy="leave it open")
    out(json.dumps(content, allow_nan=False))


def has_screen() -> bool:
    """Return whether there is a terminal that can show a screen."""
    from hil.views.style import is_live

    streams = (sys.stdin, sys.stdout, sys.stderr)
    return all(stream is not None and stream.isatty() for stream in streams) and is_live(sys.stdout)


def wants_ascii(asked: bool) -> bool:
    """Return whether the screen uses ASCII only: because the user `asked`, or the terminal needs
    it."""
    from hil.views.style import glyphs_for

    return asked or glyphs_for(sys.stdout).ok == "+"
