"""The time axis of exports: the beginning of the run in UTC, plus simulated time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone

from hil.record.row_values import (
    RecordedOrbit,
    RecordedPlant,
    RecordedPlantNode,
)
from hil.record.run_follower import FollowedRow
from hil.record.run_meta import RunMeta

__all__ = ["start_us", "time_of_row"]


def start_us(meta: RunMeta) -> int:
    """Return when the run began, as microseconds since 1970 in UTC; 0 if the record lacks it."""
    try:
        began = datetime.fromisoformat(meta.started_utc)
    except ValueError:
        return 0
    if began.tzinfo is None:
        began = began.replace(tzinfo=timezone.utc)
    return round(began.timestamp() * 1_000_000)


def time_of_row(row: FollowedRow, t_us: Callable[[int], int]) -> int:
    """Return the simulated time of a row [us]; `t_us` gives that of a frame."""
    if isinstance(row, (RecordedPlant, RecordedPlantNode, RecordedOrbit)):
        return row.t_us
    return t_us(row.frame or 0)
