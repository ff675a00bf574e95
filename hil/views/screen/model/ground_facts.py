"""The link to the ground up to a frame, from the record: rows are read once, and forgotten when a
viewer goes back."""

from __future__ import annotations

from hil.record.live import LiveRecord
from hil.record.offload_rows import (
    contact_at,
    has_contacts,
    item_events_between,
    item_sizes_between,
)
from hil.views.screen.model.facts import GroundReading
from hil.wire.ground import ItemFate, ItemKind

__all__ = ["GroundFacts"]


class GroundFacts:
    """Reads one record."""

    def __init__(self, source: LiveRecord) -> None:
        self._source = source
        self.restart()

    def restart(self) -> None:
        """Read from the beginning again."""
        self._head = -1
        self._waiting: dict[int, int] = {}
        self._results: dict[int, int] = {}
        self._newest_us = 0
        self._dropped = 0

    def at(self, head: int, t_us: int) -> GroundReading | None:
        """Return what waits after frame `head`, which begins at `t_us`; None in a run without a
        link to the ground."""
        source = self._source
        if not has_contacts(source):
            return None
        if head < self._head:
            self.restart()
        for item in item_sizes_between(source, self._head, head):
            self._waiting[item.id] = item.size
            if item.kind == ItemKind.RESULT:
                self._results[item.id] = item.at_us
        for event in item_events_between(source, self._head, head):
            if event.fate == ItemFate.ANSWERED:
                continue
            self._waiting.pop(event.item, None)
            made_us = self._results.pop(event.item, 0)
            if event.fate == ItemFate.DELIVERED:
                self._newest_us = max(self._newest_us, made_us)
            else:
                self._dropped += 1
        self._head = max(self._head, head)
        contact = contact_at(source, t_us)
        return GroundReading(
            "" if contact is None else contact.station,
            0 if contact is None else contact.down_bit_s,
            len(self._waiting),
            sum(self._waiting.values()),
            self._dropped,
            self._newest_us,
        )
