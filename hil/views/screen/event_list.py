"""The event list of the screen: the events that are shown, and the one under the cursor."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from hil.views.screen.model.facts import EventLine
from hil.views.screen.pages.events import LEVELS, Filter, ListedEvents, filtered

__all__ = ["EventList"]

_SEARCHED: Final = 1000
"""The number of newest events that are searched."""
_MAX: Final = 4000
_LEAST: Final = 100


class EventList:
    """The events of one run that were read, newest first."""

    def __init__(self) -> None:
        self.filter = Filter()
        self.events: list[EventLine] = []
        self._chosen: EventLine | None = None  # under the cursor; None: there is no cursor
        self._limit = 0

    def clear(self) -> None:
        """Forget the events, because another record is shown."""
        self.events, self._chosen, self._limit = [], None, 0

    def limit(self, height: int) -> int:
        """Return how many events to read for a page of this height.

        The newest need only what fits; searching and scrolling back need more."""
        wanted = max(_LEAST, 2 * height, 2 * self.row)
        self._limit = min(max(wanted, _SEARCHED) if self.filter.hides else wanted, _MAX)
        return self._limit

    @property
    def row(self) -> int:
        """Return the row under the cursor. The chosen event stays under it while others are added
        or hidden; if it is hidden itself, that is the next older one. Before one is chosen, it is
        the newest."""
        chosen, shown = self._chosen, filtered(self.events, self.filter)
        if chosen is None or not shown:
            return 0
        known = next((row for row, event in enumerate(shown) if event.key == chosen.key), None)
        if known is not None:
            return known
        older = (row for row, event in enumerate(shown) if event.frame <= chosen.frame)
        return next(older, len(shown) - 1)

    @property
    def listed(self) -> ListedEvents:
        """Return the events as a page shows them."""
        cursor = None if self._chosen is None else self.row
        complete = len(self.events) < self._limit
        return ListedEvents(self.events, self.filter, cursor, complete=complete)

    def move(self, step: int) -> None:
        """Move the cursor up (negative) or down; the first step down puts it on the newest."""
        shown = filtered(self.events, self.filter)
        if shown:
            start = self.row if self._chosen else -1 if step > 0 else 0
            self._chosen = shown[max(0, min(start + step, len(shown) - 1))]

    def choose(self) -> EventLine | None:
        """Put the cursor on its row and return that event; None if none is shown."""
        shown = filtered(self.events, self.filter)
        if shown:
            self._chosen = shown[self.row]
        return self._chosen if shown else None

    def to_newest(self) -> None:
        """Take the cursor away: the newest events are shown."""
        self._chosen = None

    def next_level(self) -> None:
        """Show all events, then yellow and red ones, then red ones only, and all again."""
        index = (LEVELS.index(self.filter.least) + 1) % len(LEVELS)
        self.filter = replace(self.filter, least=LEVELS[index])

    def search(self, text: str) -> None:
        """Show only events with this text."""
        self.filter = replace(self.filter, text=text)
