"""The orbit: from a TLE or from elements to positions, sunlight and ground track, by SGP4.

Covers the satellite's motion and the Earth's rotation; not power, heat or radiation. Time is
seconds of UTC since the start of the run. The frames TEME and ECEF: see
hil.plant.coordinate_frames.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from sgp4.api import WGS72, Satrec

from hil.plant.coordinate_frames import (
    J2000,
    as_utc,
    ecef_from_teme,
    geodetic_from_ecef,
    gmst_rad,
    in_days,
)
from hil.plant.eclipse import illumination
from hil.plant.elements import MIN_PERIGEE_KM, MU_KM3_S2, Elements, check_perigee
from hil.plant.knots import KNOTS_S, hermite, linear
from hil.plant.orbit_data.mean_set import MeanSet
from hil.plant.orbit_data.sgp4_satellite import SGP4_EPOCH, satellite_of
from hil.plant.sun import J2000_JD, sun_position
from hil.plant.tle import checked_tle, without_checksum

__all__ = ["Orbit", "Track"]

Floats = npt.NDArray[np.float64]

STALE_DAYS: Final = 7.0
"""From here on the age of a TLE is reported: SGP4 drifts by 1 to 3 km a day in low orbit."""
MAX_TLE_AGE_DAYS: Final = 60.0
MAX_EPOCH_AGE_DAYS: Final = 366.0

_DAY_S: Final = 86_400.0

# What sgp4 means by its error codes (Vallado et al., AIAA 2006-6753; sgp4.api.SGP4_ERRORS).
_ERRORS: Final = {
    1: "its mean eccentricity has left the range 0 to 1 (drag or resonance beyond the model)",
    2: "its mean motion is no longer positive",
    3: "its perturbed eccentricity has left the range 0 to 1",
    4: "its semi-latus rectum is negative: this is not a closed orbit",
    5: "its epoch elements are below ground",
    6: "it has decayed: the position is below ground",
}


@dataclass(frozen=True, slots=True)
class Track:
    """Positions, sunlight and ground track at N times. All arrays are read-only."""

    start_utc: datetime
    t_s: Floats  # (N,) seconds of UTC since start_utc
    r_teme_km: Floats  # (N, 3)
    v_teme_kmps: Floats  # (N, 3)
    r_ecef_km: Floats  # (N, 3)
    latitude_deg: Floats  # (N,) geodetic
    longitude_deg: Floats  # (N,) east, -180..180
    altitude_km: Floats  # (N,) above the WGS84 ellipsoid
    sun_teme: Floats  # (N, 3) unit vectors from the Earth's centre
    sun_distance_au: Floats  # (N,)
    illumination: Floats  # (N,) visible fraction of the Sun's disc, 0 = umbra, 1 = full light
    beta_deg: Floats  # (N,) elevation of the Sun above the orbital plane, signed

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, np.ndarray):
                value.flags.writeable = False

    def __len__(self) -> int:
        return len(self.t_s)


class Orbit:
    """One satellite's orbit, tied to the start of a run.

    `notes` are remarks for the user (a stale TLE); `period_s`, `perigee_km`, `apogee_km` and
    `inclination_deg` describe the mean orbit at its epoch."""

    def __init__(self, satellite: Any, start_utc: datetime, notes: tuple[str, ...] = ()) -> None:
        """Use `from_tle` or `from_elements` instead."""
        self._satellite = satellite
        self.start_utc = start_utc
        self.notes = notes
        self._start_days = in_days(start_utc - J2000)
        self.epoch_utc = J2000 + timedelta(
            days=(satellite.jdsatepoch - J2000_JD) + satellite.jdsatepochF
        )
        self.period_s = 2.0 * math.pi / satellite.no_kozai * 60.0
        self.perigee_km = satellite.altp * satellite.radiusearthkm
        self.apogee_km = satellite.alta * satellite.radiusearthkm
        self.inclination_deg = math.degrees(satellite.inclo)

    @classmethod
    def from_tle(cls, line1: str, line2: str, *, start_utc: datetime | None = None) -> Orbit:
        """Return the orbit of a two-line element set; without `start_utc` the run starts at its
        epoch.

        An epoch more than 7 days away is reported in `notes`.

        Raises:
            ValueError: A line is damaged, the lines belong to different satellites, the epoch is
                more than 60 days from the start, or there is no such orbit.
        """
        first, second = checked_tle(line1, line2)
        satellite = Satrec.twoline2rv(first, second, WGS72)
        _check_satellite(satellite)
        epoch = J2000 + timedelta(days=(satellite.jdsatepoch - J2000_JD) + satellite.jdsatepochF)
        start = epoch if start_utc is None else as_utc(start_utc, "the start")
        notes = _age_notes(epoch, start, MAX_TLE_AGE_DAYS, "the TLE's epoch")
        if without_checksum(line1, line2):
            notes += ("the TLE has no checksums: damage would not be noticed",)
        return cls(satellite, start, notes)

    @classmethod
    def from_mean_set(cls, elements: MeanSet, *, start_utc: datetime | None = None) -> Orbit:
        """Return the orbit of mean elements of SGP4; without `start_utc` the run starts at their
        epoch.

        Raises:
            ValueError: The epoch is more than 60 days from the start, or SGP4 refuses the
                elements.
        """
        epoch = elements.epoch_utc
        start = epoch if start_utc is None else as_utc(start_utc, "the start")
        notes = _age_notes(epoch, start, MAX_TLE_AGE_DAYS, elements.source)
        satellite = satellite_of(elements)
        _check_satellite(satellite)
        return cls(satellite, start, notes)

    @classmethod
    def from_elements(cls, elements: Elements, *, start_utc: datetime | None = None) -> Orbit:
        """Return the orbit of mean elements; without `start_utc` the run starts at their epoch.

        Raises:
            ValueError: The epoch is more than 366 days from the start, or SGP4 refuses the
                elements.
        """
        epoch = as_utc(elements.epoch_utc, "the epoch")
        start = epoch if start_utc is None else as_utc(start_utc, "the start")
        _age_notes(epoch, start, MAX_EPOCH_AGE_DAYS, "the epoch of the elements")
        a, e = elements.size()
        satellite = Satrec()
        satellite.sgp4init(
            WGS72,
            "i",  # the improved mode, which is continuous where the old one jumped
            99999,
            in_days(epoch - SGP4_EPOCH),
            elements.bstar,
            0.0,
            0.0,
            e,
            math.radians(elements.argp_deg),
            math.radians(elements.inclination()),
            math.radians(elements.mean_anomaly_deg),
            60.0 * math.sqrt(MU_KM3_S2 / a**3),
            math.radians(elements.raan()),
        )
        _check_satellite(satellite)
        return cls(satellite, start)

    def positions_teme_km(self, t_s: Floats) -> tuple[Floats, Floats]:
        """Return positions [km] and velocities [km/s] (N, 3) in TEME, at `t_s` (N,) seconds from
        the start.

        Raises:
            ValueError: A time is not finite, or the orbit ends before one; names SGP4's error in
                words and the first time that it concerns.
        """
        t = np.asarray(t_s, dtype=np.float64)
        if t.ndim != 1:
            raise ValueError(f"times are one-dimensional, not of shape {t.shape}")
        if not np.all(np.isfinite(t)):
            raise ValueError("a time is not a finite number")
        jd = np.full(t.shape, self._satellite.jdsatepoch)
        offset = self._start_days - (self._satellite.jdsatepoch - J2000_JD)
        errors, r, v = self._satellite.sgp4_array(jd, t / _DAY_S + offset)
        if np.any(errors):
            first = int(np.flatnonzero(errors)[0])
            code = int(errors[first])
            self._refuse(float(t[first]), _ERRORS.get(code, f"SGP4 gives error {code}"))
        return r, v

    def positions_ecef_km(self, t_s: Floats) -> Floats:
        """Return positions [km] (N, 3) in ECEF at `t_s` (N,), as `positions_teme_km`."""
        r, _ = self.positions_teme_km(t_s)
        return ecef_from_teme(r, gmst_rad(self._start_days + np.asarray(t_s) / _DAY_S))

    def propagate(self, t_s: Floats, grazing_height_km: float = 0.0) -> Track:
        """Return the track at `t_s` (N,), seconds of UTC from the run's start, in any order.

        Sunlight that passes the Earth lower than `grazing_height_km` is lost.

        Raises:
            ValueError: As `positions_teme_km`, or the satellite is below 100 km.
        """
        t = np.array(t_s, dtype=np.float64)
        r, v = self.positions_teme_km(t)
        return self._track(t, r, v, sun_position(self._start_days + t / _DAY_S), grazing_height_km)

    def propagate_steps(
        self, first_s: float, step_s: float, count: int, grazing_height_km: float = 0.0
    ) -> Track:
        """Return the track at `count` times in steps of `step_s`, from `first_s` on: in short steps
        by interpolation (`hil.plant.knots`); a little beyond the last must be flown, too.

        Raises:
            ValueError: As `propagate`.
        """
        t: Floats = first_s + np.arange(count, dtype=np.float64) * step_s
        parts = round(KNOTS_S / step_s)
        if parts < 2:
            return self.propagate(t, grazing_height_km)
        pieces = np.arange(-(-count // parts) + 1, dtype=np.float64)
        knots: Floats = first_s + pieces * (parts * step_s)
        r, v = hermite(*self.positions_teme_km(knots), parts, step_s)
        sun, distance_au = sun_position(self._start_days + knots / _DAY_S)
        light = linear(sun, parts)[:count], linear(distance_au, parts)[:count]
        return self._track(t, r[:count], v[:count], light, grazing_height_km)

    def _track(
        self,
        t: Floats,
        r: Floats,
        v: Floats,
        sun_at: tuple[Floats, Floats],
        grazing_height_km: float,
    ) -> Track:
        sun, sun_distance_au = sun_at
        r_ecef = ecef_from_teme(r, gmst_rad(self._start_days + t / _DAY_S))
        latitude_deg, longitude_deg, altitude_km = geodetic_from_ecef(r_ecef)
        if np.any(altitude_km < MIN_PERIGEE_KM):
            first = int(np.argmax(altitude_km < MIN_PERIGEE_KM))
            self._refuse(float(t[first]), f"it is only {altitude_km[first]:.0f} km high: it decays")
        return Track(
            start_utc=self.start_utc,
            t_s=t,
            r_teme_km=r,
            v_teme_kmps=v,
            r_ecef_km=r_ecef,
            latitude_deg=latitude_deg,
            longitude_deg=longitude_deg,
            altitude_km=altitude_km,
            sun_teme=sun,
            sun_distance_au=sun_distance_au,
            illumination=illumination(r, sun, sun_distance_au, grazing_height_km=grazing_height_km),
            beta_deg=_beta_deg(r, v, sun),
        )

    def _refuse(self, t_s: float, why: str) -> None:
        when = self.start_utc + timedelta(seconds=t_s)
        raise ValueError(
            f"the orbit ends at {when:%Y-%m-%d %H:%M:%S} UTC, {t_s / _DAY_S:.2f} days into the "
            f"run: {why}"
        )


def _check_satellite(satellite: Any) -> None:
    if satellite.error:
        raise ValueError(f"this is not an orbit: {_ERRORS.get(satellite.error, satellite.error)}")
    if not math.isfinite(satellite.altp):
        raise ValueError("this is not an orbit: its size is not a number")
    check_perigee(satellite.altp * satellite.radiusearthkm)


def _age_notes(epoch: datetime, start: datetime, limit: float, what: str) -> tuple[str, ...]:
    age = in_days(start - epoch)
    side = "before" if age >= 0.0 else "after"
    text = f"{what} ({epoch:%Y-%m-%d %H:%M} UTC) is {abs(age):.1f} days {side} the run's start"
    if abs(age) > limit:
        raise ValueError(f"{text}: at most {limit:g} days are accepted")
    if abs(age) > STALE_DAYS:
        return (f"{text}: in low orbit SGP4 is off by 1 to 3 km a day",)
    return ()


def _beta_deg(r: Floats, v: Floats, sun: Floats) -> Floats:
    """Return the angle between the Sun and the orbital plane, positive on the side of r x v."""
    x, y, z = r[:, 0], r[:, 1], r[:, 2]
    vx, vy, vz = v[:, 0], v[:, 1], v[:, 2]
    nx, ny, nz = y * vz - z * vy, z * vx - x * vz, x * vy - y * vx
    sine = nx * sun[:, 0] + ny * sun[:, 1] + nz * sun[:, 2]
    sine /= np.sqrt(nx * nx + ny * ny + nz * nz)
    out: Floats = np.degrees(np.arcsin(np.clip(sine, -1.0, 1.0)))
    return out
