"""Reads the values of the map: the track, the anomaly at its height, upsets."""

from __future__ import annotations

from collections import Counter

from hil.record.event_queries import injected_frames
from hil.record.live import LiveRecord
from hil.record.telemetry_queries import orbit_position, orbit_rows
from hil.views.screen.model.recorded_values import place_of
from hil.views.screen.pages.map import MapSky

__all__ = ["sky"]

_BEHIND_US = 5_700_000_000
_AHEAD_US = 3_600_000_000
_STEP_DEG = 3
_UPSETS = 400


def sky(source: LiveRecord, head: int) -> MapSky:
    """Return the map as of frame `head`."""
    now_us = source.time.t_us(head)
    rows = orbit_rows(source, now_us - _BEHIND_US, now_us + _AHEAD_US)
    track = tuple(place_of(row) for row in rows)
    anomaly = {(lat // _STEP_DEG, lon // _STEP_DEG) for lat, lon in source.meta.anomaly or ()}
    return MapSky(track, frozenset(anomaly), _upsets(source, head), _STEP_DEG)


def _upsets(source: LiveRecord, head: int) -> tuple[tuple[float, float, int], ...]:
    spots: Counter[tuple[float, float]] = Counter()
    for frame in injected_frames(source, head, _UPSETS):
        place = orbit_position(source, source.time.t_us(frame))
        if place is not None:
            spots[round(place[0], 1), round(place[1], 1)] += 1
    return tuple((lat, lon, count) for (lat, lon), count in spots.items())
