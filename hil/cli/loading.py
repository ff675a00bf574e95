"""Ctrl-C and the like while the command line is loaded: nothing can answer yet, so they wait."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Final

__all__ = ["HeldSignals", "held"]


_NUMBERS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class HeldSignals:
    """Signals that ask the program to end, held back until it can answer them."""

    def __init__(self) -> None:
        self._came = False

    @contextlib.contextmanager
    def during(self) -> Iterator[None]:
        """Keep these signals while this is entered, but for those that are ignored (nohup) or
        handled. In other threads than the main one do nothing."""
        free = (signal.default_int_handler, signal.SIG_DFL)
        before = {number: old for number in _NUMBERS if (old := signal.getsignal(number)) in free}
        if threading.current_thread() is not threading.main_thread():
            before = {}
        for number in before:
            signal.signal(number, self._take)
        try:
            yield
        finally:
            for number, old in before.items():
                signal.signal(number, old)

    def _take(self, _number: int, _frame: FrameType | None) -> None:
        self._came = True

    def release(self) -> None:
        """Raise KeyboardInterrupt, once, if one came."""
        if self._came:
            self._came = False
            raise KeyboardInterrupt


held = HeldSignals()
