"""Finding the rows of a frame in a table that has no index of frames: ids grow with frames.

An index of frames would replace this search, and was measured: it makes writing 2 % slower and the
file 5 % larger, and a seek takes 11 us instead of 302 us. But older records have no index, and are
often opened read-only, so that none can be made: the query that relies on it then takes 8.5 s in a
long record. Both ways would be needed, so this one alone stays: 302 us are little in a refresh of
the screen every 100 ms."""

from __future__ import annotations

from hil.record.queries import Rows
from hil.record.record_tables import RecordTable

__all__ = ["IdSearch"]


class IdSearch:
    """Finds ids by frame in the tables of a `record`, and begins where it found the last one."""

    def __init__(self, record: Rows) -> None:
        self._record = record
        self._positions: dict[RecordTable, tuple[int, int, int]] = {}
        """By table: the state of the record, the frame, and the id that was found."""

    def clear(self) -> None:
        """Forget what was found: it was in another record."""
        self._positions.clear()

    def last_id(self, table: RecordTable, frame: int, state: int) -> int:
        """Return the last id in `table` whose frame is not after `frame`; 0 without one. `state` is
        a number that grows whenever the record changes."""
        previous = self._positions.get(table)
        if previous is not None and previous[:2] == (state, frame):
            return previous[2]
        at = self._search(table, frame, previous)
        self._positions[table] = (state, frame, at)
        return at

    def _search(self, table: RecordTable, frame: int, previous: tuple[int, int, int] | None) -> int:
        rows = self._record.rows(f"SELECT id, frame FROM {table} ORDER BY id DESC LIMIT 1")
        if not rows:
            return 0
        last, newest = int(rows[0]["id"]), rows[0]["frame"]
        if newest is None or newest <= frame:
            return last
        low, high = 0, last
        if previous is not None and previous[1] <= frame and previous[2] < last:
            low, step = previous[2], 16  # mostly not far from here
            while low + step < last and self._is_by(table, low + step, frame):
                low, step = low + step, 2 * step
            high = min(last, low + step)
        while high - low > 1:
            middle = (low + high) // 2
            if self._is_by(table, middle, frame):
                low = middle
            else:
                high = middle
        return low

    def _is_by(self, table: RecordTable, at: int, frame: int) -> bool:
        """Return whether the row `at`, or the last one before it that has a frame, is not after
        `frame`."""
        rows = self._record.rows(
            f"SELECT frame FROM {table} WHERE id <= ? AND frame IS NOT NULL "
            "ORDER BY id DESC LIMIT 1",
            at,
        )
        return not rows or bool(rows[0]["frame"] <= frame)
