"""The orbit: from a TLE or from elements to positions, sunlight and ground track, by SGP4.

Knows the satellite's motion and the Earth's rotation; nothing of power, heat or radiation. Time is
seconds of UTC since the start of the run. UT1 is taken as UTC and the motion of the pole is left
out: together less than 0.1 km on the ground (61 m were measured against full Earth orientation).

Frames: TEME, in which SGP4 gives its results (true equator, mean equinox), and ECEF, which is TEME
turned by the Greenwich mean sidereal time (the "pseudo Earth fixed" frame). Latitude and altitude
are geodetic on the WGS84 ellipsoid."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, fields
from datetime import datetime, timedelta, timezone
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
from sgp4.api import WGS72, Satrec

from hil.plant.earth import EARTH_RADIUS_KM, FLATTENING
from hil.plant.eclipse import illumination
from hil.plant.sun import J2000_JD, mean_right_ascension_deg, sun_position

__all__ = [
    "SUN_SYNCHRONOUS",
    "Elements",
    "Orbit",
    "Track",
    "ecef_from_teme",
    "geodetic_from_ecef",
    "gmst_rad",
    "sun_synchronous_inclination_deg",
]

Floats = npt.NDArray[np.float64]

SUN_SYNCHRONOUS: Final = "sun-synchronous"

# EGM96/WGS84; the numbers of verification cases O1 to O5.
MU_KM3_S2: Final = 398_600.4418
J2: Final = 1.08263e-3

MIN_PERIGEE_KM: Final = 100.0
"""Below this nothing completes an orbit (the Karman line is the customary round number)."""
STALE_DAYS: Final = 7.0
"""From here on the age of a TLE is reported: SGP4 drifts by 1 to 3 km a day in low orbit."""
MAX_TLE_AGE_DAYS: Final = 60.0
MAX_EPOCH_AGE_DAYS: Final = 366.0

_DAY_S: Final = 86_400.0
_J2000: Final = datetime(2000, 1, 1, 12, tzinfo=timezone.utc)
_SGP4_EPOCH: Final = datetime(1949, 12, 31, tzinfo=timezone.utc)
_SGP4_EPOCH_JD: Final = 2_433_281.5
_SUN_DRIFT_RADPS: Final = math.radians(0.9856) / _DAY_S  # once around in a year

# What sgp4 means by its error codes (Vallado et al., AIAA 2006-6753; sgp4.api.SGP4_ERRORS).
_ERRORS: Final = {
    1: "its mean eccentricity has left the range 0 to 1 (drag or resonance beyond the model)",
    2: "its mean motion is no longer positive",
    3: "its perturbed eccentricity has left the range 0 to 1",
    4: "its semi-latus rectum is negative: this is no closed orbit",
    5: "its epoch elements are below ground",
    6: "it has decayed: the position is below ground",
}


# --- time and frames --------------------------------------------------------------------------


def _utc(when: datetime, what: str) -> datetime:
    if when.tzinfo is None:
        raise ValueError(f"{what} {when.isoformat()} has no time zone: give UTC, as {when}+00:00")
    return when.astimezone(timezone.utc)


def _days(delta: timedelta) -> float:
    return delta / timedelta(days=1)


def gmst_rad(days_since_j2000: Floats) -> Floats:
    """Greenwich mean sidereal time in 0..2 pi, of days of UT1 since JD 2451545.0; any shape.

    IAU 1982, the one that belongs to TEME (Vallado et al., AIAA 2006-6753, appendix C)."""
    d = np.asarray(days_since_j2000, dtype=np.float64)
    t = d / 36525.0
    # In turns; 876600 h a century are one turn a day exactly, of which only the fraction counts.
    turns = 67310.54841 / 86400.0 + np.mod(d, 1.0)
    turns += t * (8640184.812866 + t * (0.093104 - t * 6.2e-6)) / 86400.0
    out: Floats = np.mod(turns, 1.0) * (2.0 * np.pi)
    return out


def ecef_from_teme(r_teme_km: Floats, gmst: Floats) -> Floats:
    """Positions (N, 3) turned from TEME into ECEF by the sidereal time (N,) in radians."""
    cos, sin = np.cos(gmst), np.sin(gmst)
    x, y = r_teme_km[:, 0], r_teme_km[:, 1]
    out = np.empty((3, len(r_teme_km)))
    out[0] = cos * x + sin * y
    out[1] = cos * y - sin * x
    out[2] = r_teme_km[:, 2]
    r_ecef_km: Floats = out.T
    return r_ecef_km


def geodetic_from_ecef(r_ecef_km: Floats) -> tuple[Floats, Floats, Floats]:
    """Latitude, longitude (-180..180) in degrees and altitude in km on WGS84, each (N,).

    Bowring's formula (Survey Review 1976), one step: for satellites the latitude is right to
    1e-7 degree, the altitude to a millimetre."""
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
    up, along = z + e2_second * b * sin_u**3, p - e2 * a * cos_u**3
    norm = np.sqrt(up * up + along * along)
    sin_lat, cos_lat = up / norm, along / norm
    altitude_km = p * cos_lat + z * sin_lat - a * np.sqrt(1.0 - e2 * sin_lat * sin_lat)
    return np.degrees(np.arctan2(up, along)), np.degrees(np.arctan2(y, x)), altitude_km


def sun_synchronous_inclination_deg(semi_major_axis_km: float, eccentricity: float = 0.0) -> float:
    """The inclination at which J2 turns the node by 0.9856 degree a day, as the Sun goes.

    Vallado, equation 11-13. ValueError where no inclination does."""
    n = math.sqrt(MU_KM3_S2 / semi_major_axis_km**3)
    p = semi_major_axis_km * (1.0 - eccentricity**2)
    cos_i = -_SUN_DRIFT_RADPS / (1.5 * n * J2 * (EARTH_RADIUS_KM / p) ** 2)
    if cos_i < -1.0:
        raise ValueError(
            f"no orbit with a semi-major axis of {semi_major_axis_km:.0f} km is sun-synchronous: "
            "a circular one must be below 5975 km of altitude"
        )
    return math.degrees(math.acos(cos_i))


# --- what the orbit is given as ---------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Elements:
    """Mean elements at `epoch_utc`, angles in degrees.

    Size: `altitude_km` (semi-major axis less the equatorial radius) with `eccentricity`, or
    `perigee_km` and `apogee_km` (heights above the equatorial radius). Plane:
    `inclination_deg` (or "sun-synchronous") with `raan_deg`, or with
    `ascending_node_local_time_h`, the mean solar time 0..24 h at the ascending node (18 is dusk).
    ValueError if they are contradictory, incomplete, or no orbit around the Earth."""

    epoch_utc: datetime
    inclination_deg: float | Literal["sun-synchronous"]
    altitude_km: float | None = None
    perigee_km: float | None = None
    apogee_km: float | None = None
    eccentricity: float | None = None
    raan_deg: float | None = None
    ascending_node_local_time_h: float | None = None
    argp_deg: float = 0.0
    mean_anomaly_deg: float = 0.0
    bstar: float = 0.0  # drag term of SGP4, 1/Earth radii

    def __post_init__(self) -> None:
        _utc(self.epoch_utc, "the epoch")
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, (int, float)) and not math.isfinite(value):
                raise ValueError(f"{field.name} is {value}: it must be a number")
        self._check_plane()
        a, e = self.size()
        if e >= 1.0:
            raise ValueError(f"an eccentricity of {e:g} is an escape, not an orbit: it must be < 1")
        if e < 0.0:
            raise ValueError(f"the eccentricity must not be negative, is {e:g}")
        if a <= 0.0:
            raise ValueError(f"the semi-major axis must be positive, is {a:g} km")
        _check_perigee(a * (1.0 - e) - EARTH_RADIUS_KM)
        self.inclination()

    def _check_plane(self) -> None:
        if isinstance(self.inclination_deg, str):
            if self.inclination_deg != SUN_SYNCHRONOUS:
                raise ValueError(
                    f'the inclination is a number of degrees or "{SUN_SYNCHRONOUS}", '
                    f"not {self.inclination_deg!r}"
                )
        elif not 0.0 <= self.inclination_deg <= 180.0:
            raise ValueError(f"an inclination is 0..180 degrees, not {self.inclination_deg:g}")
        if self.raan_deg is not None and self.ascending_node_local_time_h is not None:
            raise ValueError("give raan_deg or ascending_node_local_time_h, not both")
        hours = self.ascending_node_local_time_h
        if hours is not None and not 0.0 <= hours <= 24.0:
            raise ValueError(f"a local time is 0..24 hours, not {hours:g}")

    def size(self) -> tuple[float, float]:
        """Semi-major axis in km, and eccentricity."""
        if self.altitude_km is not None:
            if self.perigee_km is not None or self.apogee_km is not None:
                raise ValueError("give altitude_km or perigee_km and apogee_km, not both")
            return EARTH_RADIUS_KM + self.altitude_km, self.eccentricity or 0.0
        if self.perigee_km is None or self.apogee_km is None:
            raise ValueError("an orbit needs altitude_km, or perigee_km and apogee_km")
        if self.eccentricity is not None:
            raise ValueError("perigee_km and apogee_km already say the eccentricity")
        if self.apogee_km < self.perigee_km:
            raise ValueError(
                f"the apogee ({self.apogee_km:g} km) is below the perigee ({self.perigee_km:g} km)"
            )
        a = EARTH_RADIUS_KM + (self.perigee_km + self.apogee_km) / 2.0
        return a, (self.apogee_km - self.perigee_km) / (2.0 * a) if a > 0.0 else 0.0

    def inclination(self) -> float:
        """Inclination in degrees."""
        if isinstance(self.inclination_deg, str):
            return sun_synchronous_inclination_deg(*self.size())
        return float(self.inclination_deg)

    def raan(self) -> float:
        """Right ascension of the ascending node, in degrees 0..360."""
        if self.ascending_node_local_time_h is None:
            return (self.raan_deg or 0.0) % 360.0
        sun = mean_right_ascension_deg(_days(_utc(self.epoch_utc, "the epoch") - _J2000))
        return (sun + 15.0 * (self.ascending_node_local_time_h - 12.0)) % 360.0


def _check_perigee(perigee_km: float) -> None:
    if perigee_km < 0.0:
        raise ValueError(f"this orbit goes below ground: its perigee is {perigee_km:.0f} km high")
    if perigee_km < MIN_PERIGEE_KM:
        raise ValueError(
            f"the perigee is {perigee_km:.1f} km high: below {MIN_PERIGEE_KM:.0f} km "
            "the air ends an orbit within one revolution"
        )


_TLE_LINES: Final = (
    # Vallado et al., AIAA 2006-6753, appendix B; columns count from 1 in the messages.
    re.compile(
        r"1 (?P<number>[0-9A-HJ-NP-Z ][0-9 ]{4})[UCS ] .{8} (?P<epoch>[0-9]{2}[0-9 ]{3}\.[0-9]{8}) "
        r"[-+ ]\.[0-9]{8} [-+ ][0-9]{5}[-+ ][0-9] [-+ ][0-9]{5}[-+ ][0-9] [0-9 ] [0-9 ]{4}[0-9]"
    ),
    re.compile(
        r"2 (?P<number>[0-9A-HJ-NP-Z ][0-9 ]{4}) [0-9 ]{3}\.[0-9]{4} [0-9 ]{3}\.[0-9]{4} [0-9 ]{7} "
        r"[0-9 ]{3}\.[0-9]{4} [0-9 ]{3}\.[0-9]{4} [0-9 ]{2}\.[0-9]{8}[0-9 ]{5}[0-9]"
    ),
)


def _check_tle_line(text: str, number: int) -> str:
    """The line without surrounding blanks; ValueError that says what is wrong with it."""
    line = text.strip()
    if len(line) == 68 and _TLE_LINES[number - 1].fullmatch(line + "0"):
        raise ValueError(
            f"line {number} of the TLE has no checksum, its last digit: add {_checksum(line)}"
        )
    if re.match(r"[12] +[0-9]{6,}", line):
        raise ValueError(
            f"line {number} of the TLE has a number of more than five digits, for which a TLE has "
            "no room: give the elements (epoch_utc, altitude_km, ...) instead"
        )
    if len(line) != 69:
        raise ValueError(f"line {number} of the TLE has {len(line)} characters instead of 69")
    if line[0] != str(number):
        raise ValueError(f"line {number} of the TLE begins with {line[0]!r}: lines swapped?")
    if not line.isascii() or not _TLE_LINES[number - 1].fullmatch(line):
        raise ValueError(f"line {number} of the TLE has something in the wrong column: {line!r}")
    checksum = _checksum(line[:-1])
    if checksum != int(line[-1]):
        raise ValueError(
            f"the checksum of line {number} of the TLE is {checksum}, but its last digit says "
            f"{line[-1]}: the line is damaged"
        )
    return line


def _checksum(line: str) -> int:
    """The last digit of the sum of all digits, a minus being 1."""
    return sum(int(c) if c.isdigit() else c == "-" for c in line) % 10


# --- the orbit ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Track:
    """Where the satellite is and what the Sun does, at N times. All arrays are read-only."""

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
        """Use `from_tle` or `from_elements`."""
        self._satellite = satellite
        self.start_utc = start_utc
        self.notes = notes
        self._start_days = _days(start_utc - _J2000)
        self.epoch_utc = _J2000 + timedelta(
            days=(satellite.jdsatepoch - J2000_JD) + satellite.jdsatepochF
        )
        self.epoch_age_days = _days(start_utc - self.epoch_utc)
        self.period_s = 2.0 * math.pi / satellite.no_kozai * 60.0
        self.perigee_km = satellite.altp * satellite.radiusearthkm
        self.apogee_km = satellite.alta * satellite.radiusearthkm
        self.inclination_deg = math.degrees(satellite.inclo)

    @classmethod
    def from_tle(cls, line1: str, line2: str, *, start_utc: datetime | None = None) -> Orbit:
        """The orbit of a two-line element set; `start_utc` None starts at its epoch.

        ValueError if a line is damaged, if the lines belong to different satellites, if the
        epoch is more than 60 days from the start, or if there is no such orbit. An epoch more
        than 7 days away is reported in `notes`."""
        first, second = _check_tle_line(line1, 1), _check_tle_line(line2, 2)
        if first[2:7] != second[2:7]:
            raise ValueError(
                f"the lines of the TLE belong to different satellites: "
                f"{first[2:7].strip()} and {second[2:7].strip()}"
            )
        year = int(first[18:20])  # 57 to 56 are 1957 to 2056; of these every fourth is a leap year
        if not 1.0 <= float(first[20:32]) < (366.0 if year % 4 else 367.0):
            raise ValueError(f"day {first[20:32].strip()} of the TLE's epoch is in no year")
        if float(second[52:63]) <= 0.0:
            raise ValueError("the mean motion of the TLE is 0: this is no orbit")
        satellite = Satrec.twoline2rv(first, second, WGS72)
        _check_satellite(satellite)
        epoch = _J2000 + timedelta(days=(satellite.jdsatepoch - J2000_JD) + satellite.jdsatepochF)
        start = epoch if start_utc is None else _utc(start_utc, "the start")
        notes = _age_notes(epoch, start, MAX_TLE_AGE_DAYS, "the TLE's epoch")
        return cls(satellite, start, notes)

    @classmethod
    def from_elements(cls, elements: Elements, *, start_utc: datetime | None = None) -> Orbit:
        """The orbit of mean elements; `start_utc` None starts at their epoch.

        ValueError if the epoch is more than 366 days from the start, or SGP4 refuses."""
        epoch = _utc(elements.epoch_utc, "the epoch")
        start = epoch if start_utc is None else _utc(start_utc, "the start")
        _age_notes(epoch, start, MAX_EPOCH_AGE_DAYS, "the epoch of the elements")
        a, e = elements.size()
        satellite = Satrec()
        satellite.sgp4init(
            WGS72,
            "i",  # the improved mode, which is continuous where the old one jumped
            99999,
            _days(epoch - _SGP4_EPOCH),
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
        """Position in km and velocity in km/s (N, 3), TEME, at `t_s` (N,) seconds from the start.

        ValueError if a time is not finite, or if the orbit ends before one: SGP4's error in
        words and the first time that it concerns."""
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
        """Positions (N, 3), ECEF, at `t_s` (N,) seconds from the start. Errors as above."""
        r, _ = self.positions_teme_km(t_s)
        return ecef_from_teme(r, gmst_rad(self._start_days + np.asarray(t_s) / _DAY_S))

    def propagate(self, t_s: Floats, grazing_height_km: float = 0.0) -> Track:
        """The track at `t_s` (N,), seconds of UTC from the run's start, in any order.

        Sunlight that passes the Earth lower than `grazing_height_km` is lost.

        ValueError as for `positions_teme_km`, and if the satellite is below 100 km."""
        t = np.array(t_s, dtype=np.float64)
        r, v = self.positions_teme_km(t)
        days = self._start_days + t / _DAY_S
        r_ecef = ecef_from_teme(r, gmst_rad(days))
        latitude_deg, longitude_deg, altitude_km = geodetic_from_ecef(r_ecef)
        if np.any(altitude_km < MIN_PERIGEE_KM):
            first = int(np.argmax(altitude_km < MIN_PERIGEE_KM))
            self._refuse(float(t[first]), f"it is only {altitude_km[first]:.0f} km high: it decays")
        sun, sun_distance_au = sun_position(days)
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
        raise ValueError(f"this is no orbit: {_ERRORS.get(satellite.error, satellite.error)}")
    if not math.isfinite(satellite.altp):
        raise ValueError("this is no orbit: its size is not a number")
    _check_perigee(satellite.altp * satellite.radiusearthkm)


def _age_notes(epoch: datetime, start: datetime, limit: float, what: str) -> tuple[str, ...]:
    age = _days(start - epoch)
    side = "before" if age >= 0.0 else "after"
    text = f"{what} ({epoch:%Y-%m-%d %H:%M} UTC) is {abs(age):.1f} days {side} the run's start"
    if abs(age) > limit:
        raise ValueError(f"{text}: at most {limit:g} days are accepted")
    if abs(age) > STALE_DAYS:
        return (f"{text}: in low orbit SGP4 is off by 1 to 3 km a day",)
    return ()


def _beta_deg(r: Floats, v: Floats, sun: Floats) -> Floats:
    """Angle between the Sun's direction and the orbital plane, positive on the side of r x v."""
    x, y, z = r[:, 0], r[:, 1], r[:, 2]
    vx, vy, vz = v[:, 0], v[:, 1], v[:, 2]
    nx, ny, nz = y * vz - z * vy, z * vx - x * vz, x * vy - y * vx
    sine = nx * sun[:, 0] + ny * sun[:, 1] + nz * sun[:, 2]
    sine /= np.sqrt(nx * nx + ny * ny + nz * nz)
    out: Floats = np.degrees(np.arcsin(np.clip(sine, -1.0, 1.0)))
    return out
