"""Signs: lines of a console that say what happens to the board, found by patterns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hil.printable import one_line
from hil.rig.console.lines import ConsoleLine, ConsoleSource
from hil.scenario.console_patterns import (
    CONSOLE_EVENT,
    CONSOLE_REASON,
    SHIPPED_PATTERNS,
    ConsolePattern,
    Gravity,
    sign_of,
)

__all__ = ["ConsoleSign", "ConsoleSigns"]

_EVENTS_MAX: Final = 200
"""A board that prints failures without end has that many events of its console in the record."""


@dataclass(frozen=True, slots=True)
class ConsoleSign:
    """The text of a line of a console, shortened and printable, and when it arrived [us]."""

    at_us: int
    gravity: Gravity
    text: str

    @property
    def event(self) -> str:
        """Return it as an event of its node's link."""
        return f"{CONSOLE_EVENT}{self.text}"

    @property
    def reason(self) -> str:
        """Return it as the reason of a silence or a restart."""
        return f"{CONSOLE_REASON}{self.text}"


class ConsoleSigns:
    """Finds the signs in the lines of one console. Not thread-safe."""

    def __init__(self) -> None:
        self._patterns: tuple[ConsolePattern, ...] = SHIPPED_PATTERNS
        self._latest: dict[Gravity, ConsoleSign] = {}
        self._events: list[ConsoleSign] = []
        self._count = 0

    def look_for(self, patterns: Sequence[ConsolePattern]) -> None:
        """Look for these, too."""
        self._patterns = (*SHIPPED_PATTERNS, *patterns)

    def look_at(self, line: ConsoleLine) -> None:
        """Take a line."""
        sign = self._sign(line)
        if sign is None:
            return
        self._latest[sign.gravity] = sign  # failures without end do not hide a panic
        self._count += 1
        if self._count < _EVENTS_MAX:
            self._events.append(sign)
        elif self._count == _EVENTS_MAX:
            more = f"{sign.text}; what follows is in the console log only"
            self._events.append(ConsoleSign(sign.at_us, sign.gravity, more))

    def _sign(self, line: ConsoleLine) -> ConsoleSign | None:
        if line.missing or line.source in (ConsoleSource.DAMAGED, ConsoleSource.PROGRAM):
            return None  # a program's own words are told where it ends
        sign = sign_of(one_line(line.content.decode(errors="replace")), self._patterns)
        return None if sign is None else ConsoleSign(line.at_us, *sign)

    @property
    def has_events(self) -> bool:
        """Return whether `take_events` returns any."""
        return bool(self._events)

    def take_events(self) -> list[ConsoleSign]:
        """Return the signs since the last call."""
        events, self._events = self._events, []
        return events

    def gravest(self, since_us: int, begun: Sequence[ConsoleLine]) -> ConsoleSign | None:
        """Return the gravest sign of a line that arrived at `since_us` or later, of several the
        latest; None without any. `begun` are lines that are not complete yet."""
        signs = [*self._latest.values(), *filter(None, map(self._sign, begun))]
        able = [sign for sign in signs if sign.at_us >= since_us]
        return max(able, key=lambda sign: (sign.gravity, sign.at_us), default=None)

    def forget(self) -> None:
        """Let the signs up to now explain nothing any more."""
        self._latest.clear()
