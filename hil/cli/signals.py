"""Handles the requests to end: Ctrl-C, SIGTERM, a terminal that hangs up."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, Final

from hil.cli.output import say

__all__ = [
    "Interrupts",
    "Stop",
    "deferred_interrupts",
    "ended_by_signals",
    "ignore_interrupts",
    "interrupts_for_child",
    "return_lost_interrupts",
    "signals",
]

_ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_RETURN_S: Final = 0.01


class Stop:
    """A request to end a run: the first signal lets the frame finish, the second does not.

    Before frames run there is nothing to finish, so the first signal ends the run at once.
    """

    def __init__(self) -> None:
        self._signalled = False
        self.running = False
        self.say: Callable[[str], None] = say

    def requested(self) -> bool:
        """Return whether to stop; the loop calls this between frames."""
        self.running = True
        return self._signalled

    def handle(self, _number: int, _frame: FrameType | None) -> None:
        """Handle a signal. Raises: KeyboardInterrupt at the second one, or before frames run."""
        again, self._signalled = (
            self._signalled,
            True,
        )  # also for the case that the exception is lost
        if again or not self.running:
            raise KeyboardInterrupt
        self.say("stopping after this frame; once more stops at once")


def return_lost_interrupts() -> None:
    """Have each KeyboardInterrupt come again that Python cannot raise, because its signal came in a
    callback of a weak reference or in a finalizer, as during any import. Python would only print
    it, with its traceback, and the request to end would be lost. Call it from the main thread."""
    before, main = sys.unraisablehook, threading.main_thread().ident

    def come_again() -> None:
        for number in _ENDING:
            if main is not None and callable(signal.getsignal(number)):
                signal.pthread_kill(main, number)
                return

    def hook(lost: sys.UnraisableHookArgs) -> None:
        if not issubclass(lost.exc_type, KeyboardInterrupt):
            before(lost)
            return
        timer = threading.Timer(_RETURN_S, come_again)  # behind the callback
        timer.daemon = True
        timer.start()

    sys.unraisablehook = hook


@contextlib.contextmanager
def signals() -> Iterator[Stop]:
    """Take Ctrl-C, SIGTERM and a terminal that hangs up as requests to end; yield these
    requests."""
    stop = Stop()
    before: dict[signal.Signals, Any] = {}
    for number in _ENDING:
        old = signal.getsignal(number)
        if old is not signal.SIG_IGN:  # nohup
            before[number] = old
            signal.signal(number, stop.handle)
    try:
        yield stop
    finally:
        for number, old in before.items():
            signal.signal(number, old)


@contextlib.contextmanager
def ended_by_signals() -> Iterator[None]:
    """Treat SIGTERM and a terminal that hangs up like Ctrl-C, unless they are ignored (nohup).

    Raises: KeyboardInterrupt when such a signal arrives."""

    def end(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    with _handled(end, signal.SIGTERM, signal.SIGHUP):
        yield


class Interrupts:
    """Requests to end that raise KeyboardInterrupt once, and only inside `allowed`; they are noted
    everywhere else. What `allowed` has begun can so be undone behind it, however often the user
    presses Ctrl-C, and whenever."""

    def __init__(self) -> None:
        self.requested = False
        self._raises = False

    @contextlib.contextmanager
    def allowed(self) -> Iterator[None]:
        """Let a request end the body, also one that was noted before.

        Raises: KeyboardInterrupt."""
        self._raises = True
        if self.requested:
            self._raises = False
            raise KeyboardInterrupt
        try:
            yield
        finally:
            self._raises = False

    def handle(self, _number: int, _frame: FrameType | None) -> None:
        """Handle a signal. Raises: KeyboardInterrupt at the first one inside `allowed`."""
        self.requested = True
        if self._raises:
            self._raises = False
            raise KeyboardInterrupt


@contextlib.contextmanager
def deferred_interrupts() -> Iterator[Interrupts]:
    """Note Ctrl-C, SIGTERM and a terminal that hangs up, and yield what was noted.

    Raises: KeyboardInterrupt at the end, if there was a request that has not been raised."""
    interrupts = Interrupts()
    with _handled(interrupts.handle, *_ENDING):
        yield interrupts
    if interrupts.requested:
        raise KeyboardInterrupt


@contextlib.contextmanager
def ignore_interrupts() -> Iterator[None]:
    """Ignore Ctrl-C and the like while the end of a run is reported."""
    with _handled(signal.SIG_IGN, *_ENDING):
        yield


@contextlib.contextmanager
def interrupts_for_child() -> Iterator[None]:
    """Leave Ctrl-C to a program that has the terminal meanwhile, such as a debugger. It is not
    ignored, which the program would inherit."""

    def pass_over(_number: int, _frame: FrameType | None) -> None:
        pass

    with _handled(pass_over, signal.SIGINT):
        yield


@contextlib.contextmanager
def _handled(handler: Any, *numbers: signal.Signals) -> Iterator[None]:
    """Have `handler` handle these signals, except those that are ignored; do nothing in threads
    other than the main one, which get no signals."""
    before: dict[signal.Signals, Any] = {}
    if threading.current_thread() is threading.main_thread():
        handlers = {number: signal.getsignal(number) for number in numbers}
        before = {n: old for n, old in handlers.items() if old not in (signal.SIG_IGN, None)}
    for number in before:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
