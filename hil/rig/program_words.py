"""Words for the end of a program: its exit code or signal, and the last it wrote."""

from __future__ import annotations

import signal
from typing import Final

from hil.printable import one_line
from hil.wire.messages import ProgramEnd, ProgramExit

__all__ = ["last_line", "signal_name", "words_of"]

_LINE_MAX: Final = 200


def signal_name(number: int) -> str:
    """Return the name of a signal, such as SIGSEGV."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def words_of(end: ProgramEnd) -> str:
    """Return how a program ended, as a verb with its object."""
    return {
        ProgramExit.NONE: "ended",
        ProgramExit.EXITED: f"exited with code {end.code}",
        ProgramExit.SIGNALED: f"died of {signal_name(end.code)}",
        ProgramExit.VIOLATED: "broke the protocol and was killed",
        ProgramExit.SILENT: "did not answer in time and was killed",
    }[end.how]


def last_line(stderr: bytes) -> str:
    """Return the last line of standard error that is not empty, printable and shortened; empty if
    there is none."""
    lines = [line.strip() for line in stderr.decode(errors="replace").splitlines()]
    text = one_line(next((line for line in reversed(lines) if line), ""))
    return text if len(text) <= _LINE_MAX else f"{text[: _LINE_MAX - 3]}..."
