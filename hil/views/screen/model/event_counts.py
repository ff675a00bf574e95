"""Counts upsets, recoveries and slips up to a frame, and updates the counts during the run."""

from __future__ import annotations

from typing import Final

from hil.record.event_queries import upset_counts
from hil.record.live import LiveRecord
from hil.record.queries import recoveries
from hil.record.record_tables import RecordTable

__all__ = ["EventCounts"]

_SETTLED: Final = 1000
"""The number of frames after which no upset is added to a frame any more."""


class EventCounts:
    """Counts the events of one record."""

    def __init__(self, source: LiveRecord) -> None:
        self._source = source
        self._counts: tuple[tuple[int, int], tuple[int, int, int, int]] = ((-1, -1), (0, 0, 0, 0))
        self.restart()

    def restart(self) -> None:
        """Count from the beginning again, because rows that were counted have been removed."""
        self._upsets_by = (-1, 0, 0)
        self._recoveries_by = (0, 0)

    def up_to(self, head: int) -> tuple[int, int, int, int]:
        """Return the upsets that were injected, those that were not, recoveries and slips up to
        frame `head`."""
        source = self._source
        key = (head if head < source.last else -2, source.changed)
        if key != self._counts[0]:
            upto = source.upto(head)
            slips = source.position(RecordTable.SLIPS, upto)
            repaired = self._repaired(source.position(RecordTable.REPAIRS, upto))
            self._counts = (key, (*self._upsets(head, upto), repaired, slips))
        return self._counts[1]

    def _repaired(self, position: int) -> int:
        """Return the number of repairs up to this id that succeeded; those of the previous call are
        not counted again."""
        at, count = self._recoveries_by
        if at > position:
            at, count = 0, 0
        self._recoveries_by = (position, count + recoveries(self._source, at, position))
        return self._recoveries_by[1]

    def _upsets(self, head: int, upto: int) -> tuple[int, int]:
        """Return the numbers of upsets that were injected, and that were not. A long past is
        counted once, not with every call."""
        by, made, missed = self._upsets_by
        settled = head - _SETTLED
        if by > head:
            by, made, missed = -1, 0, 0
        if settled > by:
            more = upset_counts(self._source, by, settled)
            by, made, missed = settled, made + more[0], missed + more[1]
            self._upsets_by = (by, made, missed)
        more = upset_counts(self._source, by, upto)
        return made + more[0], missed + more[1]
