"""The boards that a worker of a cluster keeps open between its tasks."""

from __future__ import annotations

import atexit
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from hil.campaign.executor import BoardSource

__all__ = ["BoardPool"]

_IDLE_S: Final = 60.0


@dataclass(slots=True)
class _Open:
    """A board that is open. `source`: the key of what opened it; `admitted`: the digests of the
    experiments that it has been checked for."""

    source: str
    number: int
    board: Any
    stack: ExitStack
    admitted: set[str] = field(default_factory=set)
    idle_since: float = 0.0


class BoardPool:
    """Boards that are open, by the key of their source: lent to one task at a time, and closed when
    their campaign has ended, when another campaign needs boards, or after `idle_s` without a task.
    Thread-safe."""

    def __init__(self, idle_s: float = _IDLE_S) -> None:
        self._idle_s = idle_s
        self._lock = threading.Lock()
        self._idle: list[_Open] = []
        self._busy: list[_Open] = []
        self._ended: set[str] = set()
        self._timer: threading.Timer | None = None
        atexit.register(self.close)

    @contextmanager
    def lend(
        self, key: str, source: BoardSource[Any], admit: Callable[[Any], None], digest: str
    ) -> Iterator[tuple[int, Any]]:
        """Yield the number of a board and the board, opened by `source` if none is idle; `admit`
        checks it once for the experiments with this digest. A board is closed if the body fails.

        Raises: as `BoardSource.open` and `admit`."""
        one = self._take(key, source)
        try:
            if digest not in one.admitted:
                admit(one.board)
                one.admitted.add(digest)
            yield one.number, one.board
        except BaseException:
            self._drop(one)
            raise
        self._give_back(one)

    def _take(self, key: str, source: BoardSource[Any]) -> _Open:
        with self._lock:
            self._ended.discard(key)
            mine = [one for one in self._idle if one.source == key]
            others = [one for one in self._idle if one.source != key]
            if mine:
                self._idle.remove(mine[0])
                self._busy.append(mine[0])
                return mine[0]
            self._idle = mine
            taken = {one.number for one in self._busy}
            number = next(n for n in range(len(taken) + 1) if n not in taken)
            one = _Open(key, number, None, ExitStack())
            self._busy.append(one)
        for other in others:  # they may be the same boards, held for another campaign
            other.stack.close()
        try:
            one.board = one.stack.enter_context(source.open(number))
        except BaseException:
            self._drop(one)
            raise
        return one

    def _give_back(self, one: _Open) -> None:
        with self._lock:
            self._busy.remove(one)
            ended = one.source in self._ended
            if not ended:
                one.idle_since = time.monotonic()
                self._idle.append(one)
                self._set_timer()
        if ended:
            one.stack.close()

    def _drop(self, one: _Open) -> None:
        with self._lock:
            self._busy.remove(one)
        one.stack.close()

    def _set_timer(self) -> None:
        if self._timer is None:
            self._timer = threading.Timer(self._idle_s, self._close_old)
            self._timer.daemon = True
            self._timer.start()

    def _close_old(self) -> None:
        now = time.monotonic()
        with self._lock:
            self._timer = None
            old = [one for one in self._idle if now - one.idle_since >= self._idle_s]
            self._idle = [one for one in self._idle if one not in old]
            if self._idle:
                self._set_timer()
        for one in old:
            one.stack.close()

    def end(self, key: str) -> None:
        """Close the boards of a source: the idle ones now, the others after their task."""
        with self._lock:
            mine = [one for one in self._idle if one.source == key]
            self._idle = [one for one in self._idle if one.source != key]
            if any(one.source == key for one in self._busy):
                self._ended.add(key)
        for one in mine:
            one.stack.close()

    def close(self) -> None:
        """Close all boards that are idle."""
        with self._lock:
            idle, self._idle = self._idle, []
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
        for one in idle:
            one.stack.close()
