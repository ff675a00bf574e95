"""Passes over ground stations: rise, culmination and set above an elevation mask."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from hil.plant.earth import EARTH_RADIUS_KM, FLATTENING
from hil.plant.orbit import Orbit

__all__ = ["GroundStation", "Pass", "elevation_deg", "find_passes", "station_position_km"]

Floats = npt.NDArray[np.float64]

_STEP_S: Final = 60.0
"""Of the search. Between two samples an elevation has at most one maximum: there is one in a
revolution, and none takes less than 85 minutes."""
_TOLERANCE_S: Final = 0.01
_AT_ONCE: Final = 20_000
"""Positions that are held at once: the search of a year takes no more memory than that of a day."""


@dataclass(frozen=True, slots=True)
class GroundStation:
    """A place on the WGS84 ellipsoid, and the lowest elevation at which it can reach a satellite.

    Raises:
        ValueError: An angle is out of range.
    """

    name: str
    latitude_deg: float
    longitude_deg: float
    altitude_km: float = 0.0
    min_elevation_deg: float = 5.0

    def __post_init__(self) -> None:
        if not -90.0 <= self.latitude_deg <= 90.0:
            raise ValueError(f"{self.name}: a latitude is -90..90 degrees, not {self.latitude_deg}")
        if not -360.0 <= self.longitude_deg <= 360.0:
            raise ValueError(f"{self.name}: a longitude is -180..180, not {self.longitude_deg}")
        if not -90.0 <= self.min_elevation_deg < 90.0:
            raise ValueError(
                f"{self.name}: a minimum elevation is below 90 degrees, not "
                f"{self.min_elevation_deg}"
            )
        if not -1.0 <= self.altitude_km <= 100.0:
            raise ValueError(f"{self.name}: an altitude of {self.altitude_km} km is not on Earth")


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass; times in seconds from the run's start.

    Where the searched time cuts a pass, `rise_s` or `set_s` is its end, and `whole` is False."""

    station: str
    rise_s: float
    culmination_s: float
    set_s: float
    max_elevation_deg: float
    whole: bool

    @property
    def duration_s(self) -> float:
        """Return the time from rise to set [s]."""
        return self.set_s - self.rise_s


def station_position_km(station: GroundStation) -> Floats:
    """Return the position (3,) of a station in ECEF [km]."""
    lat, lon = math.radians(station.latitude_deg), math.radians(station.longitude_deg)
    e2 = FLATTENING * (2.0 - FLATTENING)
    normal = EARTH_RADIUS_KM / math.sqrt(1.0 - e2 * math.sin(lat) ** 2)
    across = (normal + station.altitude_km) * math.cos(lat)
    along = (normal * (1.0 - e2) + station.altitude_km) * math.sin(lat)
    return np.array([across * math.cos(lon), across * math.sin(lon), along])


def elevation_deg(station: GroundStation, r_ecef_km: Floats) -> Floats:
    """Return the elevation (N,) [deg] above the station's horizon of positions (N, 3) in ECEF."""
    lat, lon = math.radians(station.latitude_deg), math.radians(station.longitude_deg)
    up = (math.cos(lat) * math.cos(lon), math.cos(lat) * math.sin(lon), math.sin(lat))
    e2 = FLATTENING * (2.0 - FLATTENING)
    normal = EARTH_RADIUS_KM / math.sqrt(1.0 - e2 * up[2] ** 2)
    across = normal + station.altitude_km
    x = r_ecef_km[:, 0] - across * up[0]
    y = r_ecef_km[:, 1] - across * up[1]
    z = r_ecef_km[:, 2] - (normal * (1.0 - e2) + station.altitude_km) * up[2]
    sine = (x * up[0] + y * up[1] + z * up[2]) / np.sqrt(x * x + y * y + z * z)
    out: Floats = np.degrees(np.arcsin(np.clip(sine, -1.0, 1.0)))
    return out


def find_passes(
    orbit: Orbit, station: GroundStation, start_s: float, end_s: float
) -> tuple[Pass, ...]:
    """Return all passes between two times (seconds from the run's start), in order, to 0.1 s.

    Raises:
        ValueError: The times are in the wrong order, or as `Orbit.positions_teme_km`.
    """
    if not end_s > start_s:
        raise ValueError(f"the search ends at {end_s} s, not after its start at {start_s} s")

    def elevation(t_s: Floats) -> Floats:
        pieces = [t_s[i : i + _AT_ONCE] for i in range(0, max(1, len(t_s)), _AT_ONCE)]
        return np.concatenate(
            [elevation_deg(station, orbit.positions_ecef_km(piece)) for piece in pieces]
        )

    mask = station.min_elevation_deg
    t = np.linspace(start_s, end_s, max(3, math.ceil((end_s - start_s) / _STEP_S) + 1))
    coarse = elevation(t)
    culmination = _culminations(elevation, t, coarse)
    highest = elevation(culmination)
    visible = highest > mask
    culmination, highest = culmination[visible], highest[visible]
    if not visible.any():
        return ()
    # The last sample before a culmination, and the first after it, that is below the mask.
    below = np.flatnonzero(coarse <= mask)
    at = np.searchsorted(t[below], culmination)
    padded = np.concatenate([[-1], below, [len(t)]])
    before, after = padded[at], padded[at + 1]
    rises, sets = before >= 0, after < len(t)
    rise = np.full(len(culmination), float(t[0]))
    set_ = np.full(len(culmination), float(t[-1]))
    rise[rises] = _crossings(elevation, mask, t[before[rises]], culmination[rises])
    set_[sets] = _crossings(elevation, mask, t[after[sets]], culmination[sets])
    passes: dict[int, Pass] = {}
    for i in range(len(culmination)):
        one = Pass(
            station=station.name,
            rise_s=float(rise[i]),
            culmination_s=float(culmination[i]),
            set_s=float(set_[i]),
            max_elevation_deg=float(highest[i]),
            whole=bool(rises[i] and sets[i]),
        )
        # Two maxima with no sample below the mask between them are one pass of a high orbit.
        key = int(before[i])
        if key not in passes or passes[key].max_elevation_deg < one.max_elevation_deg:
            passes[key] = one
    return tuple(passes.values())


def _culminations(elevation: Callable[[Floats], Floats], t: Floats, coarse: Floats) -> Floats:
    """Return the times of all local maxima, ends included, by golden-section search."""
    padded = np.concatenate([[-np.inf], coarse, [-np.inf]])
    peak = np.flatnonzero((coarse >= padded[:-2]) & (coarse > padded[2:]))
    low, high = t[np.maximum(peak - 1, 0)], t[np.minimum(peak + 1, len(t) - 1)]
    golden = (math.sqrt(5.0) - 1.0) / 2.0
    left, right = high - golden * (high - low), low + golden * (high - low)
    at_left, at_right = elevation(left), elevation(right)
    while float(np.max(high - low)) > _TOLERANCE_S:
        go_left = at_left > at_right
        high, low = np.where(go_left, right, high), np.where(go_left, low, left)
        inner = np.where(go_left, high - golden * (high - low), low + golden * (high - low))
        at_inner = elevation(inner)
        left, right = np.where(go_left, inner, right), np.where(go_left, left, inner)
        at_left, at_right = (
            np.where(go_left, at_inner, at_right),
            np.where(go_left, at_left, at_inner),
        )
    return (low + high) / 2.0


def _crossings(
    elevation: Callable[[Floats], Floats], mask: float, outside: Floats, inside: Floats
) -> Floats:
    """Return where the elevation crosses the mask between two times, by bisection."""
    while len(outside) and float(np.max(np.abs(inside - outside))) > _TOLERANCE_S:
        middle = (inside + outside) / 2.0
        above = elevation(middle) > mask
        inside, outside = np.where(above, middle, inside), np.where(above, outside, middle)
    return (inside + outside) / 2.0
