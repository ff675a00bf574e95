"""Waiting for something that other processes and threads do."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

__all__ = ["wait_until"]

T = TypeVar("T")


def wait_until(what: Callable[[], T | None], most_s: float = 100.0) -> T:
    """Ask `what` until it returns something true, and return that. The limit is for what never
    comes true: it must be long enough for the busiest computer.

    Raises:
        AssertionError: It did not come true in time."""
    end_s = time.monotonic() + most_s
    while not (result := what()):
        assert time.monotonic() < end_s, "it did not happen in time"
        time.sleep(0.003)
    return result
