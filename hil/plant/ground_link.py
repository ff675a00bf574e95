"""The link to the ground, in both directions: items come down, the ground works on those that ask
for something, and its answers go up.

Pure, as `store_and_forward`: a function of the items and the contacts. The loop of a run advances
it; verification feeds it the recorded items and compares what it says."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, replace

from hil.plant.store_and_forward import ItemEvent, LinkQueue, QueuedItem
from hil.scenario.offload import SendOrder
from hil.wire.ground import Contact, ItemFate

__all__ = ["GroundItem", "GroundLink"]


@dataclass(frozen=True, slots=True)
class GroundItem:
    """An item for the ground. `answer_size`: the bytes that come up for it after the ground has
    worked on it for `ground_us`; None: nothing does."""

    queued: QueuedItem
    answer_size: int | None = None
    ground_us: int = 0


class GroundLink:
    """Both directions of a link with these contacts. `capacity`: bytes that may wait on board."""

    def __init__(
        self, contacts: Sequence[Contact], order: SendOrder, capacity: int | None = None
    ) -> None:
        self._down = LinkQueue(
            [(c.start_us, c.end_us, c.down_bit_s, c.station) for c in contacts], order, capacity
        )
        self._up = LinkQueue(
            [(c.start_us, c.end_us, c.up_bit_s, c.station) for c in contacts], order
        )
        self._asking: dict[int, GroundItem] = {}
        self._at_work: list[tuple[int, int]] = []

    @property
    def stored(self) -> int:
        """Return the bytes that wait on board."""
        return self._down.stored

    def add(self, item: GroundItem) -> list[ItemEvent]:
        """Add an item at its time, which does not lie before the last one; return what happened
        until then, and what had to make room."""
        events = self.advance(item.queued.at_us)
        if item.answer_size is not None:
            self._asking[item.queued.id] = item
        return events + self._forget(self._down.add(item.queued))

    def advance(self, until_us: int) -> list[ItemEvent]:
        """Return what happens until a time, in order."""
        events = self._forget(self._down.advance(until_us))
        for event in events:
            item = self._asking.get(event.id)
            if item is not None:
                heapq.heappush(self._at_work, (event.at_us + item.ground_us, event.id))
        up: list[ItemEvent] = []
        while self._at_work and self._at_work[0][0] <= until_us:
            at_us, number = heapq.heappop(self._at_work)
            item = self._asking.pop(number)
            size = item.answer_size or 0
            up += self._up.add(QueuedItem(number, at_us, size, priority=item.queued.priority))
        up += self._up.advance(until_us)
        return sorted(events + [replace(event, fate=ItemFate.ANSWERED) for event in up])

    def _forget(self, events: list[ItemEvent]) -> list[ItemEvent]:
        """Forget what items that were dropped would have asked for."""
        for event in events:
            if event.fate is not ItemFate.DELIVERED:
                self._asking.pop(event.id, None)
        return events
