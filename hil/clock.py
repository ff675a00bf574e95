"""The clock: how code reads the time, sleeps, and waits for descriptors and other threads.

Code that depends on time takes a `Clock` as a parameter. `HOST`, the computer's monotonic clock, is
the default; tests pass a clock of their own, so that they measure no real time.
"""

from __future__ import annotations

import math
import select
import threading
import time
from collections.abc import Sequence
from typing import Final, Protocol

__all__ = ["HOST", "Clock", "HostClock", "utc_us", "writable"]


class Clock(Protocol):
    """A monotonic clock and the ways to let its time pass."""

    def now_us(self) -> int:
        """Return the time [us] since an arbitrary zero; it never runs backwards."""

    def sleep_us(self, duration_us: float) -> None:
        """Sleep for `duration_us` [us]; not at all if that is not positive."""

    def readable(self, fds: Sequence[int], timeout_us: float) -> list[int]:
        """Return those of `fds` that can be read, as soon as one can, at the latest after
        `timeout_us` [us]. With a timeout of 0 or less it only looks."""

    def wait(self, event: threading.Event, timeout_us: float) -> bool:
        """Wait until `event` is set, at most `timeout_us` [us]; return whether it is."""


class HostClock:
    """The computer's monotonic clock."""

    def now_us(self) -> int:
        return time.monotonic_ns() // 1000

    def sleep_us(self, duration_us: float) -> None:
        if duration_us > 0:
            time.sleep(duration_us / 1e6)

    def readable(self, fds: Sequence[int], timeout_us: float) -> list[int]:
        poll = select.poll()  # not select(), which takes no descriptor above 1023
        for fd in fds:
            poll.register(fd, select.POLLIN)
        return [fd for fd, _ in poll.poll(max(0, math.ceil(timeout_us / 1000)))]

    def wait(self, event: threading.Event, timeout_us: float) -> bool:
        return event.wait(max(0.0, timeout_us / 1e6))


HOST: Final[Clock] = HostClock()


def utc_us() -> int:
    """Return the time of day [us] since 1970, in UTC: for people who compare logs. Nothing is
    measured with it, because it can be set."""
    return time.time_ns() // 1000


def writable(fd: int, timeout_us: float) -> bool:
    """Wait until the descriptor `fd` takes bytes, at most `timeout_us` [us] of the computer's time;
    return whether it does. A descriptor that is broken counts: the write then says why."""
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    return bool(poll.poll(max(0, math.ceil(timeout_us / 1000))))
