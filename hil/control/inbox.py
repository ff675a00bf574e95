"""The inbox: commands on their way from the server's thread to the loop, and answers back.

The loop asks once a frame whether there is anything (`if inbox`), which takes no lock."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from hil.control.protocol import Answer, Request

__all__ = ["Inbox", "Order", "Peer"]

_ENDED = "the run has ended"


@dataclass(frozen=True, slots=True)
class Peer:
    """Who sent a command, as the kernel tells it."""

    name: str
    uid: int
    pid: int


@dataclass(frozen=True, slots=True)
class Order:
    """A command for the loop. `reply` never waits, and may be called from any thread."""

    request: Request
    peer: Peer
    reply: Callable[[Answer], None]


class Inbox:
    """Orders in the order of their arrival. After `close` every order is told that it is over."""

    def __init__(self) -> None:
        self._orders: deque[Order] = deque()
        self._arrived = threading.Condition()
        self._closed = False

    def __bool__(self) -> bool:
        """Something waits."""
        return bool(self._orders)

    def put(self, order: Order) -> None:
        with self._arrived:
            if not self._closed:
                self._orders.append(order)
                self._arrived.notify()
                return
        _say_ended(order)

    def take(self) -> Order | None:
        """The oldest order; None if there is none."""
        try:
            return self._orders.popleft()
        except IndexError:
            return None

    def wait(self, seconds: float) -> None:
        """Until something is there, at most so long."""
        with self._arrived:
            if not self._orders and not self._closed:
                self._arrived.wait(seconds)

    def close(self) -> None:
        """No more orders; who still waits is told."""
        with self._arrived:
            self._closed = True
            left = list(self._orders)
            self._orders.clear()
        for order in left:
            _say_ended(order)


def _say_ended(order: Order) -> None:
    order.reply(Answer(False, _ENDED, "ended", order.request.id))
