"""Frames and times: sidereal time, TEME to ECEF, and geodetic coordinates.

Frames: TEME, in which SGP4 gives its results (true equator, mean equinox), and ECEF, which is TEME
turned by the Greenwich mean sidereal time (the "pseudo Earth fixed" frame). Latitude and altitude
are geodetic on the WGS84 ellipsoid. UT1 is taken as UTC and the motion of the pole is left out:
together less than 0.1 km on the ground (61 m were measured against full Earth orientation)."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Final

import numpy as np
import numpy.typing as npt

from hil.plant.earth import EARTH_RADIUS_KM, FLATTENING

__all__ = ["J2000", "as_utc", "ecef_from_teme", "geodetic_from_ecef", "gmst_rad", "in_days"]

Floats = npt.NDArray[np.float64]

J2000: Final = datetime(2000, 1, 1, 12, tzinfo=timezone.utc)


def as_utc(when: datetime, what: str) -> datetime:
    """Convert a time to UTC; `what` names it in errors.

    Raises:
        ValueError: The time has no time zone.
    """
    if when.tzinfo is None:
        raise ValueError(f"{what} {when.isoformat()} has no time zone: give UTC, as {when}+00:00")
    return when.astimezone(timezone.utc)


def in_days(delta: timedelta) -> float:
    """Convert a time difference to days."""
    return delta / timedelta(days=1)


def gmst_rad(days_since_j2000: Floats) -> Floats:
    """Return the Greenwich mean sidereal time, 0..2 pi, of days of UT1 since JD 2451545.0; any
    shape.

    Source: IAU 1982, which belongs to TEME (Vallado et al., AIAA 2006-6753, appendix C).
    """
    d = np.asarray(days_since_j2000, dtype=np.float64)
    t = d / 36525.0
    # In turns; 876600 h a century are one turn a day exactly, of which only the fraction counts.
    turns = 67310.54841 / 86400.0 + (d - np.floor(d))
    turns += t * (8640184.812866 + t * (0.093104 - t * 6.2e-6)) / 86400.0
    out: Floats = (turns - np.floor(turns)) * (2.0 * np.pi)
    return out


def ecef_from_teme(r_teme_km: Floats, gmst: Floats) -> Floats:
    """Return positions (N, 3) in ECEF of positions in TEME, by the sidereal time (N,) [rad]."""
    cos, sin = np.cos(gmst), np.sin(gmst)
    x, y = r_teme_km[:, 0], r_teme_km[:, 1]
    out = np.empty((3, len(r_teme_km)))
    out[0] = cos * x + sin * y
    out[1] = cos * y - sin * x
    out[2] = r_teme_km[:, 2]
    r_ecef_km: Floats = out.T
    return r_ecef_km


def geodetic_from_ecef(r_ecef_km: Floats) -> tuple[Floats, Floats, Floats]:
    """Return latitude, longitude (-180..180) [deg] and altitude [km] on WGS84, each (N,).

    Source: Bowring (Survey Review 1976), one step: for satellites the latitude is right to 1e-7
    degree, the altitude to a millimetre.
    """
    x, y, z = r_ecef_km[:, 0], r_ecef_km[:, 1], r_ecef_km[:, 2]
    a, b = EARTH_RADIUS_KM, EARTH_RADIUS_KM * (1.0 - FLATTENING)
    e2 = FLATTENING * (2.0 - FLATTENING)
    e2_second = e2 / (1.0 - e2)
    p = np.sqrt(x * x + y * y)
    r = np.sqrt(p * p + z * z)
    # Parametric latitude u by its tangent, as sine and cosine without trigonometry.
    up, along = z * (b / a) * (1.0 + e2_second * b / r), p
    norm = np.sqrt(up * up + along * along)
    sin_u, cos_u = up / norm, along / norm
    # Products: a power of an array takes twenty times as long.
    up = z + (e2_second * b) * (sin_u * sin_u * sin_u)
    along = p - (e2 * a) * (cos_u * cos_u * cos_u)
    norm = np.sqrt(up * up + along * along)
    sin_lat, cos_lat = up / norm, along / norm
    altitude_km = p * cos_lat + z * sin_lat - a * np.sqrt(1.0 - e2 * sin_lat * sin_lat)
    return np.degrees(np.arctan2(up, along)), np.degrees(np.arctan2(y, x)), altitude_km
