"""A limit to the text of a console: a board that prints without end must not cost the run its
time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from hil.clock import Clock

__all__ = ["TEXT_MAX", "TextRate"]

TEXT_MAX: Final = 256 << 10
"""[byte] Passed on in a second at most. A line at 2 Mbaud brings less."""
_TAIL: Final = 4096
"""[byte] Of what is too much, the end is passed on as well: the last words of a board."""
_WINDOW_US: Final = 1_000_000


class TextRate:
    """Passes text on to `take`, with the number of bytes that are missing before it. Not
    thread-safe."""

    def __init__(self, take: Callable[[bytes, int], None], clock: Clock) -> None:
        self._take = take
        self._clock = clock
        self._since_us = 0
        self._passed = 0
        self._held = b""
        self._missing = 0

    @property
    def is_over(self) -> bool:
        """Return whether more has come in this second than is passed on."""
        return bool(self._held)

    def push(self, data: bytes) -> None:
        """Pass on text that has arrived, as far as this second has room for it."""
        self.look()
        now, rest = data, b""
        if self._passed + len(data) > TEXT_MAX:
            room = max(0, TEXT_MAX - self._passed)
            now, rest = data[:room], data[room:]
        if now:
            self._passed += len(now)
            self._take(now, 0)
        held = self._held + rest
        self._missing += max(0, len(held) - _TAIL)
        self._held = held[-_TAIL:]

    def look(self) -> None:
        """Pass on the end of what was too much, when the second is over."""
        now_us = self._clock.now_us()
        if now_us - self._since_us >= _WINDOW_US:
            self._since_us, self._passed = now_us, 0
            self.flush()

    def flush(self) -> None:
        """Pass on the end of what was too much."""
        if self._held:
            held, missing = self._held, self._missing
            self._held, self._missing = b"", 0
            self._passed += len(held)
            self._take(held, missing)
