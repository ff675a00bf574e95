"""The position of the Sun, to about 0.01 degree. No ephemeris file, no network."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

__all__ = ["AU_KM", "J2000_JD", "SUN_RADIUS_KM", "mean_right_ascension_deg", "sun_position"]

Floats = npt.NDArray[np.float64]

AU_KM: Final = 149_597_870.7  # IAU 2012 resolution B2
SUN_RADIUS_KM: Final = 695_700.0  # nominal, IAU 2015 resolution B3
J2000_JD: Final = 2_451_545.0


def sun_position(days_since_j2000: Floats) -> tuple[Floats, Floats]:
    """Return unit vectors to the Sun (N, 3) in TEME, and its distance [AU] (N,).

    `days_since_j2000` (N,) are days of UTC since JD 2451545.0; that this should be terrestrial
    time is 0.001 degree.
    """
    n = np.asarray(days_since_j2000, dtype=np.float64)
    g = np.radians(357.528 + 0.9856003 * n)  # mean anomaly
    sin_g, cos_g = np.sin(g), np.cos(g)
    sin_2g, cos_2g = 2.0 * sin_g * cos_g, 1.0 - 2.0 * sin_g * sin_g
    longitude = np.radians(280.460 + 0.9856474 * n + 1.915 * sin_g + 0.020 * sin_2g)
    obliquity = np.radians(23.439 - 4.0e-7 * n)
    sin_longitude = np.sin(longitude)
    unit = np.empty((3, n.size))
    unit[0] = np.cos(longitude)
    unit[1] = np.cos(obliquity) * sin_longitude
    unit[2] = np.sin(obliquity) * sin_longitude
    distance_au = 1.00014 - 0.01671 * cos_g - 0.00014 * cos_2g
    return unit.T, distance_au


def mean_right_ascension_deg(days_since_j2000: float) -> float:
    """Return the right ascension of the mean Sun, 0..360, the origin of local mean solar time."""
    return (280.460 + 0.9856474 * days_since_j2000) % 360.0
