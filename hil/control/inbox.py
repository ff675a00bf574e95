"""The inbox: the queue of commands from the server's thread to the loop.

The loop polls it once per frame (`if inbox`), which takes no lock."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from hil.control.answers import Answer
from hil.control.protocol import Request

__all__ = ["Inbox", "Order", "Peer"]

_ENDED = "the run has ended"


@dataclass(frozen=True, slots=True)
class Peer:
    """The process that sent a command, as the kernel reports it."""

    name: str
    uid: int
    pid: int


@dataclass(frozen=True, slots=True)
class Order:
    """A command for the loop. `reply` queues the answer; it never waits, and is thread-safe."""

    request: Request
    peer: Peer
    reply: Callable[[Answer], None]


class Inbox:
    """A queue of orders, oldest first. Thread-safe: the server's thread puts, the loop takes. After
    `close`, every order is answered with `ended`."""

    def __init__(self) -> None:
        self._orders: deque[Order] = deque()
        self._arrived = threading.Condition()
        self._closed = False

    def __bool__(self) -> bool:
        """Return whether an order is queued."""
        return bool(self._orders)

    def put(self, order: Order) -> None:
        """Queue an order, or answer it at once if the inbox is closed."""
        with self._arrived:
            if not self._closed:
                self._orders.append(order)
                self._arrived.notify()
                return
        _answer_ended(order)

    def take(self) -> Order | None:
        """Remove and return the oldest order; None if there is none."""
        try:
            return self._orders.popleft()
        except IndexError:
            return None

    def wait(self, seconds: float) -> None:
        """Wait until an order is queued or the inbox is closed, for at most `seconds`."""
        with self._arrived:
            if not self._orders and not self._closed:
                self._arrived.wait(seconds)

    def close(self) -> None:
        """Accept no more orders, and answer the queued ones with `ended`. Idempotent."""
        with self._arrived:
            self._closed = True
            remaining = list(self._orders)
            self._orders.clear()
        for order in remaining:
            _answer_ended(order)


def _answer_ended(order: Order) -> None:
    order.reply(Answer(False, _ENDED, "ended", order.request.id))
