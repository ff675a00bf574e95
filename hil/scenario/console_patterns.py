"""Patterns of console text that show the state of the board that printed it.

A line that a pattern matches is an event of the run, and may be the reason why its node fell
silent or restarted. Own patterns, of a bench or scenario file, count as failures."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

__all__ = [
    "CONSOLE_EVENT",
    "CONSOLE_REASON",
    "SHIPPED_PATTERNS",
    "ConsolePattern",
    "Gravity",
    "is_failure",
    "own_patterns",
    "sign_of",
]

CONSOLE_REASON: Final = "console: "
"""The beginning of the reason of a silence or restart that comes from a console."""

CONSOLE_EVENT: Final = "its console: "
"""The beginning of the reason of an event that is a line of a console."""

_TEXT_MAX: Final = 110


class Gravity(IntEnum):
    """The weight of a line as the reason why its board fell silent; the highest of several
    counts."""

    BOOTED = 0  # a prompt: the board has started
    STARTED = 1  # a bootloader: the board starts
    FAILURE = 2
    PANIC = 3  # the last message of a kernel, after the failures that led to it


@dataclass(frozen=True, slots=True)
class ConsolePattern:
    """A regular expression; the text that counts begins with the match and ends with the line."""

    gravity: Gravity
    expression: re.Pattern[str]


def _shipped(gravity: Gravity, *expressions: str) -> list[ConsolePattern]:
    return [ConsolePattern(gravity, re.compile(expression)) for expression in expressions]


SHIPPED_PATTERNS: Final[tuple[ConsolePattern, ...]] = (
    *_shipped(Gravity.PANIC, r"(?<!end )Kernel panic\b"),
    *_shipped(
        Gravity.FAILURE,
        r"(?:Internal error: )?Oops\b",
        r"Unable to handle kernel\b",
        r"(?:watchdog: )?\bBUG: ",
        r"kernel BUG at ",
        r"Out of memory: Kill",
        r"(?:NVRM: )?Xid \(",
        r"(?i:watchdog (?:timeout|timed out|expired|reset|bite)\b)",
        r"(?i:\b(?:reset|restart)\w* (?:by|from|due to)(?: the)? watchdog\b)",
        r"(?i:\breset (?:cause|reason|status)\W.{0,80}\b(?:wdog|wdt|watchdog))",
    ),
    *_shipped(Gravity.STARTED, r"U-Boot (?:SPL |TPL )?\d", r"reboot: (?:Restarting|Power down)"),
    *_shipped(Gravity.BOOTED, r"^\S* ?login: ?"),
)
"""The patterns of all runs: messages of Linux and U-Boot; Xid is an error of an NVIDIA GPU."""


def own_patterns(expressions: Sequence[str]) -> tuple[ConsolePattern, ...]:
    """Return the patterns of a file."""
    return tuple(ConsolePattern(Gravity.FAILURE, re.compile(one)) for one in expressions)


def sign_of(line: str, patterns: Sequence[ConsolePattern]) -> tuple[Gravity, str] | None:
    """Return the gravest match of `patterns` in a line, and its text, shortened; None if none
    matches."""
    best: tuple[Gravity, str] | None = None
    for pattern in patterns:
        if best is None or pattern.gravity > best[0]:
            match = pattern.expression.search(line)
            if match is not None:
                best = (pattern.gravity, _shortened(line[match.start() :].strip()))
    return best


def is_failure(text: str) -> bool:
    """Return whether the text that `sign_of` has returned is a failure, not only a start."""
    sign = sign_of(text, SHIPPED_PATTERNS)
    return sign is None or sign[0] >= Gravity.FAILURE


def _shortened(text: str) -> str:
    return text if len(text) <= _TEXT_MAX else f"{text[: _TEXT_MAX - 3]}..."
