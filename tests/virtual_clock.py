"""Clocks for tests, which measure no real time: a virtual one, and one that can be put forward.

The time of `VirtualClock` passes only when somebody waits. What is waited for is real: descriptors
are really looked at, events really asked. Only the waiting takes no time: when nothing is there,
the clock is moved to the end of the wait.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from hil.clock import HOST, HostClock

ZERO_US = 1_000_000_000


class VirtualClock:
    """A `hil.clock.Clock`. `on_wait` is told the time [us] at which each wait ends, before it does:
    what a test lets happen meanwhile."""

    def __init__(self, on_wait: Callable[[int], None] = lambda _: None) -> None:
        self.us = ZERO_US
        self.on_wait = on_wait

    @property
    def elapsed_us(self) -> int:
        """How much time has passed since the clock was made."""
        return self.us - ZERO_US

    def now_us(self) -> int:
        return self.us

    def advance(self, duration_us: float) -> None:
        self.us += max(0, round(duration_us))

    def sleep_us(self, duration_us: float) -> None:
        if duration_us > 0:
            self.on_wait(self.us + round(duration_us))
            self.advance(duration_us)

    def readable(self, fds: Sequence[int], timeout_us: float) -> list[int]:
        ready = HOST.readable(fds, 0)
        if ready or timeout_us <= 0:
            return ready
        self.on_wait(self.us + round(timeout_us))
        ready = HOST.readable(fds, 0)
        if not ready:
            self.advance(timeout_us)
        return ready

    def wait(self, event: threading.Event, timeout_us: float) -> bool:
        if not event.is_set() and timeout_us > 0:
            self.on_wait(self.us + round(timeout_us))
            if not event.is_set():
                self.advance(timeout_us)
        return event.is_set()


class JumpingClock(HostClock):
    """The host's clock, which a test puts forward: so much time has passed."""

    def __init__(self) -> None:
        self._ahead_us = 0

    def now_us(self) -> int:
        return super().now_us() + self._ahead_us

    def jump(self, duration_us: int) -> None:
        self._ahead_us += duration_us
