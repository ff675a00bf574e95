"""The number of experiments of one request: few for a slow board, many where a request costs more
than its experiments."""

from __future__ import annotations

from typing import Final

from hil.clock import Clock

__all__ = ["RequestSize"]

_BEGIN: Final = 512
_LEAST: Final = 32
_SHORT_US: Final = 150_000
_LONG_US: Final = 600_000


class RequestSize:
    """The size of the next request to a board, by the time between its answers: somebody may wait
    for the end of one, and wants to see progress. The outcomes do not depend on it."""

    def __init__(self, clock: Clock, most: int) -> None:
        self._clock = clock
        self._most = most
        self._answered_us = clock.now_us()
        self.now = min(_BEGIN, most)
        """The experiments of the next request."""

    def answered(self, asked: int, count: int) -> None:
        """Take note of an answer that has `count` of the experiments that were asked for."""
        now_us = self._clock.now_us()
        taken_us, self._answered_us = now_us - self._answered_us, now_us
        if count < asked:  # no more fitted into it
            self.now = max(_LEAST, count * 7 // 8)
            self._most = max(_LEAST, self.now)
        elif taken_us > _LONG_US:
            self.now = max(_LEAST, self.now // 2)
        elif taken_us < _SHORT_US:
            self.now = min(self._most, 2 * self.now)
