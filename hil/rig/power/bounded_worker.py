"""A worker thread whose callers wait for a bounded time, whatever the library that it calls does.

PyVISA calls can hang in the driver below it, where no timeout reaches. A caller gets an error after
its time then; the hung thread is abandoned, and may not touch the instrument when it comes back.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from hil.clock import HOST

__all__ = ["Abandoned", "BoundedWorker", "CallTime", "Overdue"]

T = TypeVar("T")
_GRACE_S: Final = 0.25
"""How much longer than its time a call may take: its own timeouts are to end it, with a reason."""
_HUNG_MAX: Final = 3


class Overdue(Exception):
    """A call did not end within its time. `hung`: it had begun, and its thread was abandoned."""

    def __init__(self, message: str, *, hung: bool = False) -> None:
        super().__init__(message)
        self.hung = hung


class Abandoned(Exception):
    """The caller of this turn has given up: nothing more may be done in its name."""


class CallTime:
    """The time of one call. The job asks it before each step.

    `clean_up` is called by a thread that comes back to an abandoned turn."""

    def __init__(self, bound_s: float) -> None:
        self._end_s = HOST.now_us() / 1e6 + bound_s
        self.abandoned = False
        self.clean_up: Callable[[], None] = lambda: None

    @property
    def left_s(self) -> float:
        """Return the remaining time [s]; not positive when it is over."""
        return self._end_s - HOST.now_us() / 1e6

    def check(self) -> None:
        """Check that the caller still waits. Raises: Abandoned if it has given up."""
        if self.abandoned:
            raise Abandoned

    def end(self) -> None:
        """Clean up if the caller has given up."""
        if self.abandoned:
            self.clean_up()


class _Call(Generic[T]):
    def __init__(self, job: Callable[[CallTime], T], bound_s: float) -> None:
        self.job = job
        self.turn = CallTime(bound_s)
        self.done = threading.Event()
        self.started = False
        self.result: T | None = None
        self.error: BaseException | None = None

    def carry_out(self) -> None:
        try:
            self.result = self.job(self.turn)
        except BaseException as error:  # noqa: BLE001 (raised again in the caller's thread)
            self.error = error
        finally:
            self.done.set()


class BoundedWorker:
    """Carries out jobs one after the other in a daemon thread. Thread-safe.

    The thread begins with the first job and ends with `close`. A thread that hangs is replaced by a
    new one; while three hang, jobs are refused at once."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._guard = threading.Lock()
        self._calls: queue.SimpleQueue[_Call[object] | None] | None = None
        self._hung: list[threading.Thread] = []
        self._thread: threading.Thread | None = None

    def call(self, job: Callable[[CallTime], T], bound_s: float) -> T:
        """Return the result of `job`, which waits for earlier jobs, within `bound_s` [s].

        Raises: Overdue if it does not end in time; the exceptions of `job`."""
        call = _Call(job, bound_s)
        with self._guard:
            thread, calls = self._running()
            calls.put(call)  # type: ignore[arg-type]
        if not call.done.wait(bound_s + _GRACE_S):
            call.turn.abandoned = True
            with self._guard:
                # Only the job that hangs takes the thread with it, not those that wait behind it.
                hangs = call.started and not call.done.is_set()
                if hangs and self._thread is thread:
                    self._hung.append(thread)
                    calls.put(None)
                    self._thread = self._calls = None
            if not call.done.is_set():
                what = "no answer" if hangs else "busy with earlier requests"
                raise Overdue(f"{what} for {bound_s:.1f} s", hung=hangs)
        if call.error is not None:
            raise call.error
        return call.result  # type: ignore[return-value]

    def close(self) -> None:
        """End the thread when its jobs are done. Idempotent."""
        with self._guard:
            if self._calls is not None:
                self._calls.put(None)
            self._thread = self._calls = None

    def _running(self) -> tuple[threading.Thread, queue.SimpleQueue[_Call[object] | None]]:
        if self._thread is None or self._calls is None:
            self._hung = [thread for thread in self._hung if thread.is_alive()]
            if len(self._hung) >= _HUNG_MAX:
                raise Overdue(f"{_HUNG_MAX} earlier requests still hang in its driver")
            self._calls = queue.SimpleQueue()
            self._thread = threading.Thread(
                target=_run, args=(self._calls,), name=self._name, daemon=True
            )
            self._thread.start()
        return self._thread, self._calls


def _run(calls: queue.SimpleQueue[_Call[object] | None]) -> None:
    while True:
        call = calls.get()
        if call is None:
            return
        call.started = True
        if call.turn.abandoned:
            call.error = Abandoned()
            call.done.set()
        else:
            call.carry_out()
            call.turn.end()
        del call  # an exception of the last job must not be kept alive
