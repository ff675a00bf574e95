"""States of other frames in TEME, the frame of SGP4: J2000 (EME2000, GCRF, ICRF) and Earth-fixed.

Precession of IAU 1976 and the thirteen largest terms of the nutation of IAU 1980 (Seidelmann,
Celest. Mech. 27 (1982) 79): within 0.1 arc seconds of the whole theory, some 3 m in low orbit. That
GCRF differs from J2000 by 0.02 arc seconds, and UT1 from UTC by less than a second, is left out."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Final

import numpy as np
import numpy.typing as npt

from hil.plant.coordinate_frames import J2000, gmst_rad, in_days
from hil.plant.orbit_data.fault import OrbitDataError

__all__ = ["FRAMES", "state_in_teme"]

Floats = npt.NDArray[np.float64]

_J2000: Final = frozenset({"EME2000", "J2000", "GCRF", "ICRF", "ECI", "EARTHMJ2000EQ"})
_FIXED: Final = frozenset({"ITRF", "ECEF", "EARTHFIXED", "WGS84", "GTOD", "PEF", "TDR"})
_TEME: Final = frozenset({"TEME", "TEMEOFDATE"})
FRAMES: Final = "TEME, EME2000 (J2000), GCRF, ICRF, ITRF (Earth-fixed) or TOD"

_EARTH_RADPS: Final = 7.292115e-5
_TERRESTRIAL_S: Final = 69.184  # terrestrial time less UTC since 2017
_ARCSEC: Final = math.pi / 648_000.0

# Multiples of l, l', F, D, Omega; longitude [0.0001"] and its change a century; obliquity and its.
_NUTATION: Final = (
    (0, 0, 0, 0, 1, -171_996.0, -174.2, 92_025.0, 8.9),
    (0, 0, 2, -2, 2, -13_187.0, -1.6, 5_736.0, -3.1),
    (0, 0, 2, 0, 2, -2_274.0, -0.2, 977.0, -0.5),
    (0, 0, 0, 0, 2, 2_062.0, 0.2, -895.0, 0.5),
    (0, 1, 0, 0, 0, 1_426.0, -3.4, 54.0, -0.1),
    (1, 0, 0, 0, 0, 712.0, 0.1, -7.0, 0.0),
    (0, 1, 2, -2, 2, -517.0, 1.2, 224.0, -0.6),
    (0, 0, 2, 0, 1, -386.0, -0.4, 200.0, 0.0),
    (1, 0, 2, 0, 2, -301.0, 0.0, 129.0, -0.1),
    (0, -1, 2, -2, 2, 217.0, -0.5, -95.0, 0.3),
    (1, 0, 0, -2, 0, -158.0, 0.0, -1.0, 0.0),
    (0, 0, 2, -2, 1, 129.0, 0.1, -70.0, 0.0),
    (-1, 0, 2, 0, 2, 123.0, 0.0, -53.0, 0.0),
)


def state_in_teme(
    frame: str, epoch: datetime, r_km: Floats, v_kmps: Floats
) -> tuple[Floats, Floats]:
    """Return position [km] and velocity [km/s] in TEME of a state in `frame` at `epoch` (UTC).

    Raises:
        OrbitDataError: The frame is not known.
    """
    name = frame.upper().replace(" ", "").replace("-", "").replace("_", "")
    if name.startswith("ITRF"):  # of any year: they agree to centimetres
        name = "ITRF"
    days = in_days(epoch - J2000)
    if name in _TEME:
        return r_km, v_kmps
    if name in _FIXED:
        turn = _about_z(-float(gmst_rad(np.array(days))))
        spin = np.array([0.0, 0.0, _EARTH_RADPS])
        return turn @ r_km, turn @ (v_kmps + np.cross(spin, r_km))
    if name in _J2000 or name in ("TOD", "TRUEOFDATE"):
        to_true, equinoxes = _true_of_date(days)
        turn = _about_z(equinoxes)
        if name in _J2000:
            turn = turn @ to_true
        return turn @ r_km, turn @ v_kmps
    raise OrbitDataError(f"the frame {frame} is not known", f"expected {FRAMES}")


def _about_x(angle: float) -> Floats:
    """Return the matrix that turns the axes by an angle [rad] about x."""
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[1.0, 0.0, 0.0], [0.0, c, s], [0.0, -s, c]])


def _about_y(angle: float) -> Floats:
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, 0.0, -s], [0.0, 1.0, 0.0], [s, 0.0, c]])


def _about_z(angle: float) -> Floats:
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]])


def _true_of_date(days: float) -> tuple[Floats, float]:
    """Return the matrix from J2000 to true equator and equinox of date, and the equation of the
    equinoxes [rad]."""
    t = (days + _TERRESTRIAL_S / 86_400.0) / 36_525.0
    zeta = (2306.2181 + (0.30188 + 0.017998 * t) * t) * t * _ARCSEC
    z = (2306.2181 + (1.09468 + 0.018203 * t) * t) * t * _ARCSEC
    theta = (2004.3109 - (0.42665 + 0.041833 * t) * t) * t * _ARCSEC
    precession = _about_z(-z) @ _about_y(theta) @ _about_z(-zeta)
    mean = (84_381.448 - (46.8150 + (0.00059 - 0.001813 * t) * t) * t) * _ARCSEC
    longitude, obliquity = _nutation(t)
    nutation = _about_x(-mean - obliquity) @ _about_z(-longitude) @ _about_x(mean)
    return nutation @ precession, longitude * math.cos(mean)


def _nutation(t: float) -> tuple[float, float]:
    """Return the nutation in longitude and in obliquity [rad]."""
    arguments = [
        math.radians(first + (second * t) % 360.0)
        for first, second in (
            (134.96340251, 477_198.867398),
            (357.52910918, 35_999.050291),
            (93.27209062, 483_202.017458),
            (297.85019547, 445_267.111517),
            (125.04455501, -1_934.136261),
        )
    ]
    longitude = obliquity = 0.0
    for *multiples, psi, psi_t, eps, eps_t in _NUTATION:
        angle = sum(m * a for m, a in zip(multiples, arguments, strict=True))
        longitude += (psi + psi_t * t) * math.sin(angle)
        obliquity += (eps + eps_t * t) * math.cos(angle)
    return longitude * 1e-4 * _ARCSEC, obliquity * 1e-4 * _ARCSEC
