"""Searches a span of a record for values beyond their limits, as fast as SQLite can.

It may report one where there is none, but never misses one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hil.record.live import LiveRecord
from hil.record.telemetry_queries import (
    Bounds,
    HealthQuantity,
    PlantQuantity,
    counters_changed,
    health_beyond,
    plant_extremes,
)
from hil.views.alarm_limits import Level, Limit
from hil.wire.throttling import ALL_FLAGS

__all__ = ["COUNTERS", "LimitSearch"]

_HEALTH: Final = frozenset(HealthQuantity)
_PLANT: Final = frozenset(PlantQuantity)
COUNTERS: Final = {
    "corrected_per_s": "corrected",
    "uncorrected_per_s": "uncorrected",
    "link_errors_per_s": "rx_errors",
}
"""Rates that have limits, and the counters in a reading of a node that they are computed from."""


class LimitSearch:
    """Searches one record for values out of `limits`, pairs of a quantity and its limit."""

    def __init__(self, source: LiveRecord, limits: Sequence[tuple[str, Limit]]) -> None:
        self._source = source
        self._limits = limits
        self._bounds = self._health_bounds()

    def _health_bounds(self) -> list[Bounds] | None:
        """Return the bounds of the readings of boards; None if there are limits of other values, so
        that all rows must be checked."""
        bounds: list[Bounds] = []
        for quantity, limit in self._limits:
            if quantity in _PLANT:
                continue
            highest = [b for b in (limit.yellow_high, limit.red_high) if b is not None]
            lowest = [b for b in (limit.yellow_low, limit.red_low) if b is not None]
            if quantity in _HEALTH:
                bounds.append(
                    Bounds(
                        HealthQuantity(quantity),
                        max(lowest, default=None),
                        min(highest, default=None),
                    )
                )
            elif quantity not in COUNTERS or lowest:
                return None
        return bounds

    def in_health(self, after: int, last: int) -> bool:
        """Return whether any value may be out of its limits in a span of ids of `health`."""
        if self._bounds is None:
            return True
        source = self._source
        return health_beyond(source, after, last, self._bounds, ALL_FLAGS) or counters_changed(
            source, after - len(source.nodes), last
        )

    def in_plant(self, after_us: int, last_us: int) -> bool:
        """Return whether any value of the plant may be out of its limits in a span of times."""
        for quantity in PlantQuantity:
            limits = [limit for name, limit in self._limits if name == quantity]
            if not limits:
                continue
            extremes = plant_extremes(self._source, quantity, after_us, last_us)
            if any(
                value is not None and limit.level(value) > Level.GOOD
                for limit in limits
                for value in extremes
            ):
                return True
        return False
