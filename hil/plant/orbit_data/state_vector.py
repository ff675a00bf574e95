"""A state vector: to the mean elements with which SGP4 is there at its epoch.

The osculating elements of the state are corrected by what SGP4 makes of them, until it returns the
state: some ten steps. So the orbit flown is right at the epoch, and drifts from there as that of a
TLE does; drag is not known from a state (`bstar` is given, or 0)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
import numpy.typing as npt

from hil.plant.orbit_data.celestial_frames import state_in_teme
from hil.plant.orbit_data.fault import OrbitDataError
from hil.plant.orbit_data.mean_set import MeanSet
from hil.plant.orbit_data.sgp4_satellite import satellite_of

__all__ = ["OrbitState", "mean_set_of_state"]

Floats = npt.NDArray[np.float64]

_MU: Final = 398_600.8  # of WGS 72, the constants of SGP4
_DAY_S: Final = 86_400.0
_MOST_STEPS: Final = 100
_CLOSE_KM: Final = 1e-4
_GOOD_KM: Final = 0.5
"""Geostationary orbits of hardly any inclination converge slowly; SGP4 is no better than this."""
_RADIUS_KM: Final = 6378.135


@dataclass(frozen=True, slots=True)
class OrbitState:
    """Position [km] and velocity [km/s] at `epoch_utc` in a frame; `line`: where it stands."""

    epoch_utc: datetime
    position_km: tuple[float, float, float]
    velocity_kmps: tuple[float, float, float]
    frame: str
    line: int = 0


def mean_set_of_state(
    state: OrbitState, *, bstar: float = 0.0, name: str = "", number: int = 0
) -> MeanSet:
    """Return the mean elements with which SGP4 is at a state at its epoch, to 10 cm (0.5 km in
    geostationary orbits of hardly any inclination).

    Raises:
        OrbitDataError: It is no orbit around the Earth, or SGP4 cannot be there.
    """
    r, v = np.array(state.position_km), np.array(state.velocity_kmps)
    _check_units(r, v, state.line)
    r, v = state_in_teme(state.frame, state.epoch_utc, r, v)
    wanted = _equinoctial(r, v, state.line)
    mean = wanted.copy()
    best: tuple[float, MeanSet | None] = (_GOOD_KM, None)
    for _ in range(_MOST_STEPS):
        elements = _set_of(mean, state, bstar, name, number)
        there = _sgp4(elements)
        if there is None:
            break
        away_km = float(np.linalg.norm(there[0] - r))
        if away_km < _CLOSE_KM:
            return elements
        if away_km < best[0]:
            best = away_km, elements
        change = wanted - _equinoctial(there[0], there[1], state.line)
        change[5] = math.remainder(change[5], 2.0 * math.pi)
        mean = mean + change
    if best[1] is not None:
        return best[1]
    raise OrbitDataError(
        "no mean elements were found with which SGP4 is at this state",
        "is it an orbit that lasts? Check units (km, km/s) and frame, or give a TLE or an OMM",
        state.line,
    )


def _check_units(r: Floats, v: Floats, line: int) -> None:
    distance, speed = float(np.linalg.norm(r)), float(np.linalg.norm(v))
    if not (math.isfinite(distance) and math.isfinite(speed)):
        raise OrbitDataError("a number of the state is not finite", line=line)
    if distance > 1e6 or speed > 100.0:
        raise OrbitDataError(
            f"a position {distance:,.0f} km from the Earth's centre at {speed:,.3f} km/s",
            "in metres and m/s? Divide by 1000: expected km and km/s",
            line,
        )
    if distance < _RADIUS_KM:
        raise OrbitDataError(
            f"a position {distance:,.1f} km from the Earth's centre is inside the Earth",
            "expected km in an Earth-centred frame",
            line,
        )


def _equinoctial(r: Floats, v: Floats, line: int) -> Floats:
    """Return osculating elements without singularities: n [rad/s], e sin and e cos of the longitude
    of the perigee, tan(i/2) sin and cos of the node, and the mean longitude [rad]."""
    distance, speed2 = float(np.linalg.norm(r)), float(v @ v)
    energy = speed2 / 2.0 - _MU / distance
    if energy >= 0.0:
        raise OrbitDataError(
            f"{math.sqrt(speed2):.3f} km/s at {distance:,.0f} km is an escape (hyperbolic), not an "
            "orbit",
            line=line,
        )
    a = -_MU / (2.0 * energy)
    normal = np.cross(r, v)
    normal /= np.linalg.norm(normal)
    if normal[2] < -0.9999:
        raise OrbitDataError("a retrograde orbit over the equator is not fitted", line=line)
    p, q = float(normal[0] / (1.0 + normal[2])), float(-normal[1] / (1.0 + normal[2]))
    scale = 1.0 / (1.0 + p * p + q * q)
    f = scale * np.array([1.0 - p * p + q * q, 2.0 * p * q, -2.0 * p])
    g = scale * np.array([2.0 * p * q, 1.0 + p * p - q * q, 2.0 * q])
    excess = ((speed2 - _MU / distance) * r - float(r @ v) * v) / _MU
    h, k = float(excess @ g), float(excess @ f)
    x, y = float(r @ f), float(r @ g)
    root = math.sqrt(max(0.0, 1.0 - h * h - k * k))
    beta = 1.0 / (1.0 + root)
    cos_f = k + ((1.0 - k * k * beta) * x - h * k * beta * y) / (a * root)
    sin_f = h + ((1.0 - h * h * beta) * y - h * k * beta * x) / (a * root)
    eccentric = math.atan2(sin_f, cos_f)
    mean = eccentric + h * math.cos(eccentric) - k * math.sin(eccentric)
    return np.array([math.sqrt(_MU / a**3), h, k, p, q, mean])


def _set_of(mean: Floats, state: OrbitState, bstar: float, name: str, number: int) -> MeanSet:
    n, h, k, p, q, longitude = (float(x) for x in mean)
    node, perigee = math.atan2(p, q), math.atan2(h, k)
    try:
        return MeanSet(
            epoch_utc=state.epoch_utc,
            mean_motion=n * _DAY_S / (2.0 * math.pi),
            eccentricity=math.hypot(h, k),
            inclination_deg=math.degrees(2.0 * math.atan(math.hypot(p, q))),
            raan_deg=math.degrees(node) % 360.0,
            argp_deg=math.degrees(perigee - node) % 360.0,
            mean_anomaly_deg=math.degrees(longitude - perigee) % 360.0,
            bstar=bstar,
            name=name,
            number=number,
            source="the epoch of the state",
        )
    except OrbitDataError as error:
        raise OrbitDataError(error.message, error.remedy, state.line) from None


def _sgp4(elements: MeanSet) -> tuple[Floats, Floats] | None:
    satellite = satellite_of(elements)
    code, r, v = satellite.sgp4_tsince(0.0)
    return None if code else (np.array(r), np.array(v))
