"""Holds back Ctrl-C and the like while the command line is loaded, until they can be handled."""

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
    """Signals that ask the program to end, held back until it can handle them."""

    def __init__(self) -> None:
        self._arrived = False

    @contextlib.contextmanager
    def during(self) -> Iterator[None]:
        """Hold back these signals while this is entered, except those that are ignored (nohup) or
        handled. In threads other than the main one do nothing."""
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
        self._arrived = True

    def release(self) -> None:
        """Stop holding back. Raises: KeyboardInterrupt, once, if a signal arrived."""
        if self._arrived:
            self._arrived = False
            raise KeyboardInterrupt


held = HeldSignals()
