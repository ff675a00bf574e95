"""Experiments per second: now, and on average."""

from __future__ import annotations

from collections import deque
from typing import Final

__all__ = ["RateMeter"]

_WINDOW_S: Final = 10.0


class RateMeter:
    """Measures a rate from counts at moments. What was there at the first one counts for nothing:
    an interrupted campaign had it before."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()
        self._first: tuple[float, int] | None = None

    def add(self, now_s: float, count: int) -> None:
        """Note that `count` is reached."""
        if self._first is None:
            self._first = (now_s, count)
        self._seen.append((now_s, count))
        while len(self._seen) > 2 and now_s - self._seen[1][0] >= _WINDOW_S:
            self._seen.popleft()

    @property
    def now(self) -> float:
        """Return the rate of the last ten seconds [1/s]; 0 while it is not known."""
        return _rate(self._seen[0], self._seen[-1]) if self._seen else 0.0

    @property
    def mean(self) -> float:
        """Return the rate since the first moment [1/s]; 0 while it is not known."""
        return _rate(self._first, self._seen[-1]) if self._first and self._seen else 0.0


def _rate(first: tuple[float, int], last: tuple[float, int]) -> float:
    return (last[1] - first[1]) / (last[0] - first[0]) if last[0] > first[0] else 0.0
