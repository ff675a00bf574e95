"""Whether anything in a stretch of a record is out of its limits, as fast as SQLite can tell.

It may answer yes where nothing is, but never no where something is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hil.record.live import LiveRecord
from hil.record.telemetry_queries import Bounds, health_beyond, health_changed, plant_extremes
from hil.views.alarm_limits import Level, Limit
from hil.wire.throttling import ALL_FLAGS

__all__ = ["COUNTERS", "LimitSearch"]

_COLUMNS: Final = {
    "cpu_temp_c": ("cpu_temp_mc", 1000.0),
    "round_trip_ms": ("round_trip_us", 1000.0),
    "rss_mib": ("rss_kib", 1024.0),
    "free_mib": ("free_mib", 1.0),
}
"""Quantities that stand in a column of `health`, and its unit."""
COUNTERS: Final = {
    "corrected_per_s": "corrected",
    "uncorrected_per_s": "uncorrected",
    "link_errors_per_s": "rx_errors",
}
_PLANT: Final = {
    "soc": ("plant", "soc"),
    "bus_v": ("plant", "bus_v"),
    "die_c": ("plant_nodes", "die_c"),
}


class LimitSearch:
    """Searches one record for values out of `limits`, pairs of a quantity and its limit."""

    def __init__(self, source: LiveRecord, limits: Sequence[tuple[str, Limit]]) -> None:
        self._source = source
        self._limits = limits
        self._bounds = self._health_bounds()

    def _health_bounds(self) -> list[Bounds] | None:
        """The bounds of the columns of `health`; None if they do not tell everything, so that all
        rows are to be looked at."""
        found: list[Bounds] = []
        for quantity, limit in self._limits:
            if quantity in _PLANT:
                continue
            highest = [b for b in (limit.yellow_high, limit.red_high) if b is not None]
            lowest = [b for b in (limit.yellow_low, limit.red_low) if b is not None]
            column = _COLUMNS.get(quantity)
            if column is not None:
                name, scale = column
                low = max(lowest) * scale if lowest else None
                found.append(Bounds(name, low, min(highest) * scale if highest else None))
            elif quantity not in COUNTERS or lowest:
                return None
        return found

    def in_health(self, after: int, last: int) -> bool:
        """Return whether any value may be out of its limits in a span of ids of `health`."""
        if self._bounds is None:
            return True
        source = self._source
        watched = (*COUNTERS.values(), "throttled")
        return health_beyond(source, after, last, self._bounds, ALL_FLAGS) or health_changed(
            source, after - len(source.nodes), last, watched
        )

    def in_plant(self, after_us: int, last_us: int) -> bool:
        """Return whether any value of the plant may be out of its limits in a span of times."""
        for quantity, (table, column) in _PLANT.items():
            limits = [limit for name, limit in self._limits if name == quantity]
            if not limits:
                continue
            extremes = plant_extremes(self._source, table, column, after_us, last_us)
            if any(
                value is not None and limit.level(value) > Level.GOOD
                for limit in limits
                for value in extremes
            ):
                return True
        return False
