"""The user's wish to end: Ctrl-C, SIGTERM, a terminal that hangs up."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from hil.cli.output import say

__all__ = ["Stop", "deaf_to_ctrl_c", "ended_by_signals", "signals"]


class Stop:
    """The user's wish to end: the first signal lets the frame finish, the second does not.

    Before frames run there is nothing to finish, and the first one ends at once, too.
    """

    def __init__(self) -> None:
        self.wished = False
        self.running = False
        self.say: Callable[[str], None] = say

    def asked(self) -> bool:
        """Whether to stop; asked by the loop between frames."""
        self.running = True
        return self.wished

    def take(self, _number: int, _frame: FrameType | None) -> None:
        """The handler of a signal."""
        if self.wished or not self.running:
            raise KeyboardInterrupt
        self.wished = True
        self.say("stopping after this frame; once more stops at once")


@contextlib.contextmanager
def signals() -> Iterator[Stop]:
    """Ctrl-C, SIGTERM and a terminal that hangs up are wishes to end, while this is entered."""
    stop = Stop()
    before: dict[signal.Signals, Any] = {}
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        old = signal.getsignal(number)
        if old is not signal.SIG_IGN:  # nohup
            before[number] = old
            signal.signal(number, stop.take)
    try:
        yield stop
    finally:
        for number, old in before.items():
            signal.signal(number, old)


@contextlib.contextmanager
def ended_by_signals() -> Iterator[None]:
    """SIGTERM and a terminal that hangs up end like Ctrl-C, unless they are ignored (nohup)."""

    def end(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    with _handled(end, signal.SIGTERM, signal.SIGHUP):
        yield


@contextlib.contextmanager
def deaf_to_ctrl_c() -> Iterator[None]:
    """A user who presses Ctrl-C again while the end is told waits for that moment."""
    with _handled(signal.SIG_IGN, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        yield


@contextlib.contextmanager
def _handled(handler: Any, *numbers: signal.Signals) -> Iterator[None]:
    """These signals are answered by `handler`; no change to those that are ignored, nor in other
    threads than the main one, which gets no signals."""
    before: dict[signal.Signals, Any] = {}
    if threading.current_thread() is threading.main_thread():
        found = {number: signal.getsignal(number) for number in numbers}
        before = {n: old for n, old in found.items() if old not in (signal.SIG_IGN, None)}
    for number in before:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
