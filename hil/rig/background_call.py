"""A call that may take seconds, such as switching a slow plug, made beside the run."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from hil.clock import HOST, Clock
from hil.errors import HilError

__all__ = ["BackgroundCall"]

T = TypeVar("T")


class BackgroundCall(Generic[T]):
    """Calls `work` at once in a thread of its own. `work` may raise HilError. `ended_us` is when it
    ended [us of the clock], 0 before. Another thread may ask for the result."""

    def __init__(self, work: Callable[[], T], name: str, clock: Clock = HOST) -> None:
        self._work = work
        self._clock = clock
        self._ended = threading.Event()
        self._result: T | None = None
        self._error: HilError | None = None
        self.ended_us = 0
        threading.Thread(target=self._call, name=f"hil {name}", daemon=True).start()

    def _call(self) -> None:
        try:
            self._result = self._work()
        except HilError as error:
            self._error = error
        finally:
            self.ended_us = self._clock.now_us()
            self._ended.set()

    @property
    def done(self) -> bool:
        """Return whether the call has ended."""
        return self._ended.is_set()

    def wait(self, timeout_s: float) -> bool:
        """Wait until the call has ended, at most `timeout_s`; return whether it has."""
        return self._clock.wait(self._ended, timeout_s * 1e6)

    @property
    def result(self) -> T | None:
        """Return what the call returned, once it is done. Raises: the HilError that it raised."""
        if self._error is not None:
            raise self._error
        return self._result
