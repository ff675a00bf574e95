"""Store and forward: what waits on board for a contact, what goes when, and what is dropped.

Pure, and in whole numbers: microseconds, and bits times microseconds. So the same items and
contacts give the same events however finely the time is advanced, on every computer; a record that
has items and contacts can be checked against its events."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hil.scenario.offload import SendOrder
from hil.wire.ground import ItemFate

__all__ = ["ItemEvent", "LinkQueue", "QueuedItem"]

_MICRO: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class QueuedItem:
    """An item to send: since `at_us`, of `size` bytes. Items with a lower `priority` number go
    first. `expires_us`: dropped then, if nobody has begun to send it."""

    id: int
    at_us: int
    size: int
    priority: int
    expires_us: int | None = None


@dataclass(frozen=True, slots=True, order=True)
class ItemEvent:
    """The fate of item `id` at `at_us`; `station` is empty for one that was dropped."""

    at_us: int
    id: int
    fate: ItemFate
    station: str


class LinkQueue:
    """The items that wait for one direction of a link: `rates` has the times in which it works
    (start, end [us], bit/s, station). `capacity`: bytes that may wait; when there is no room, what
    goes last is dropped. An item that has begun is finished, in the next contact if need be."""

    def __init__(
        self,
        rates: Sequence[tuple[int, int, int, str]],
        order: SendOrder,
        capacity: int | None = None,
    ) -> None:
        self._rates = [rate for rate in rates if rate[2] > 0]
        self._sign = 1 if order is SendOrder.OLDEST else -1
        self._capacity = capacity
        self._at = 0
        self._now = 0
        self._waiting: dict[int, QueuedItem] = {}
        self._first: list[tuple[int, int, int]] = []
        self._last: list[tuple[int, int, int]] = []
        self._expiries: list[tuple[int, int]] = []
        self._current: QueuedItem | None = None
        self._left = 0  # bits of it, times microseconds and bit/s: what rate times time takes off
        self.stored = 0

    def add(self, item: QueuedItem) -> list[ItemEvent]:
        """Add an item at its time, which does not lie before the last one; return what happened
        until then, and what had to make room."""
        events = self.advance(item.at_us)
        self._waiting[item.id] = item
        self.stored += item.size
        key = (item.priority, self._sign * item.at_us, self._sign * item.id)
        heapq.heappush(self._first, key)
        heapq.heappush(self._last, (-key[0], item.at_us, item.id))
        if item.expires_us is not None:
            heapq.heappush(self._expiries, (item.expires_us, item.id))
        while self._capacity is not None and self.stored > self._capacity and self._waiting:
            _, _, worst = heapq.heappop(self._last)
            if worst in self._waiting:
                self._forget(worst)
                events.append(ItemEvent(item.at_us, worst, ItemFate.NO_ROOM, ""))
        return events

    def advance(self, until_us: int) -> list[ItemEvent]:
        """Return what happens until a time; nothing if that is past."""
        events: list[ItemEvent] = []
        while self._now < until_us:
            while self._at < len(self._rates) and self._rates[self._at][1] <= self._now:
                self._at += 1
            if self._at == len(self._rates) or self._rates[self._at][0] >= until_us:
                self._now = until_us
            elif self._rates[self._at][0] > self._now:
                self._now = self._rates[self._at][0]
            else:
                self._send(until_us, events)
            self._expire(events)
        return events

    def _send(self, until_us: int, events: list[ItemEvent]) -> None:
        """Send one item, or a part of it, or let time pass if nothing waits."""
        _, contact_end_us, rate, station = self._rates[self._at]
        end_us = min(until_us, contact_end_us)
        self._expire(events)
        item = self._current or self._take()
        if item is None:
            self._now = end_us
            return
        done_us = self._now + -(-self._left // rate)
        if done_us > end_us:
            self._left -= (end_us - self._now) * rate
            self._now = end_us
            return
        self._now, self._current = done_us, None
        self.stored -= item.size
        events.append(ItemEvent(done_us, item.id, ItemFate.DELIVERED, station))

    def _take(self) -> QueuedItem | None:
        while self._first:
            _, _, signed = heapq.heappop(self._first)
            item = self._waiting.pop(self._sign * signed, None)
            if item is not None:
                self._current, self._left = item, item.size * 8 * _MICRO
                return item
        return None

    def _expire(self, events: list[ItemEvent]) -> None:
        while self._expiries and self._expiries[0][0] <= self._now:
            at_us, old = heapq.heappop(self._expiries)
            if old in self._waiting:
                self._forget(old)
                events.append(ItemEvent(at_us, old, ItemFate.TOO_OLD, ""))

    def _forget(self, item: int) -> None:
        self.stored -= self._waiting.pop(item).size
