"""What the map shows, from the record: the track, the anomaly at its height, upsets."""

from __future__ import annotations

from collections import Counter

from hil.record.live import LiveRecord
from hil.views.screen.model.scene import anomaly_cells, place_of
from hil.views.screen.pages.map import MapSky

__all__ = ["sky"]

_BEHIND_US = 5_700_000_000
_AHEAD_US = 3_600_000_000
_STEP_DEG = 3
_UPSETS = 400


def sky(source: LiveRecord, head: int) -> MapSky:
    """The map as of frame `head`."""
    now_us = source.time.t_us(head)
    rows = source.rows(
        "SELECT * FROM orbit WHERE t_us BETWEEN ? AND ? ORDER BY t_us",
        now_us - _BEHIND_US,
        now_us + _AHEAD_US,
    )
    track = tuple(place_of(row) for row in rows)
    anomaly = {(lat // _STEP_DEG, lon // _STEP_DEG) for lat, lon in anomaly_cells(source.meta)}
    return MapSky(track, frozenset(anomaly), _upsets(source, head), _STEP_DEG)


def _upsets(source: LiveRecord, head: int) -> tuple[tuple[float, float, int], ...]:
    spots: Counter[tuple[float, float]] = Counter()
    for row in source.rows(
        "SELECT frame FROM upsets WHERE frame <= ? AND state = 'injected' "
        "ORDER BY frame DESC LIMIT ?",
        head,
        _UPSETS,
    ):
        place = source.one(
            "SELECT latitude_deg, longitude_deg FROM orbit WHERE t_us <= ? "
            "AND latitude_deg IS NOT NULL ORDER BY t_us DESC LIMIT 1",
            source.time.t_us(row["frame"]),
        )
        if place is not None:
            spots[round(place[0], 1), round(place[1], 1)] += 1
    return tuple((lat, lon, count) for (lat, lon), count in spots.items())
