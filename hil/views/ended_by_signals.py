"""Ends an app of the terminal on signals, in its own time.

A KeyboardInterrupt in the midst of a step of Textual may leave a thread behind that reads the
terminal, for which Python then waits without end. So a signal is a request to the app's loop, and
only raises where that does not run any more, as before a terminal that nobody reads.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from types import FrameType
from typing import Final, Generic, TypeVar

from textual.app import App

__all__ = ["run_app"]

_Result = TypeVar("_Result")

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_PATIENCE_S: Final = 3.0


def run_app(app: App[_Result]) -> _Result | None:
    """Run an app until it ends, and return its result. Ctrl-C from outside, SIGTERM and a terminal
    that hangs up end it, unless they are ignored (nohup). To be called in the main thread.

    Raises: KeyboardInterrupt behind the end of the app, if such a signal arrived."""
    request = _Request[_Result](app)
    before = {
        n: old for n in _SIGNALS if (old := signal.getsignal(n)) not in (signal.SIG_IGN, None)
    }
    for number in before:
        signal.signal(number, request.handle)
    try:
        result = asyncio.run(request.run())
    finally:
        request.done()
        for number, old in before.items():
            signal.signal(number, old)
    if request.arrived:
        raise KeyboardInterrupt
    return result


class _Request(Generic[_Result]):
    """A request to end an app, which is made again as long as the app does not end."""

    def __init__(self, app: App[_Result]) -> None:
        self._app = app
        self._loop: asyncio.AbstractEventLoop | None = None
        self._main = threading.get_ident()
        self._again: threading.Timer | None = None
        self.arrived = False

    async def run(self) -> _Result | None:
        """Run the app in this loop."""
        self._loop = asyncio.get_running_loop()
        return await self._app.run_async()

    def handle(self, number: int, _frame: FrameType | None) -> None:
        """Handle a signal. Raises: KeyboardInterrupt if the app has not ended since one before."""
        again, self.arrived = self.arrived, True
        self._again = threading.Timer(_PATIENCE_S, signal.pthread_kill, (self._main, number))
        self._again.daemon = True
        self._again.start()
        if again or self._loop is None or self._loop.is_closed():
            raise KeyboardInterrupt
        self._loop.call_soon_threadsafe(self._app.exit)

    def done(self) -> None:
        """Make the request no more."""
        if self._again is not None:
            self._again.cancel()
