"""Mean orbital elements: size, shape and plane of an orbit, checked; and sun-synchronous orbits."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Final, Literal

from hil.plant.coordinate_frames import J2000, as_utc, in_days
from hil.plant.earth import EARTH_RADIUS_KM
from hil.plant.sun import mean_right_ascension_deg

__all__ = [
    "J2",
    "MIN_PERIGEE_KM",
    "MU_KM3_S2",
    "SUN_SYNCHRONOUS",
    "Elements",
    "check_perigee",
    "sun_synchronous_inclination_deg",
]

SUN_SYNCHRONOUS: Final = "sun-synchronous"

# EGM96/WGS84; the numbers of verification cases O1 to O5.
MU_KM3_S2: Final = 398_600.4418
J2: Final = 1.08263e-3

MIN_PERIGEE_KM: Final = 100.0
"""Below this nothing completes an orbit (the Karman line is the customary round number)."""

_DAY_S: Final = 86_400.0
_SUN_DRIFT_RADPS: Final = math.radians(0.9856) / _DAY_S  # once around in a year


def sun_synchronous_inclination_deg(semi_major_axis_km: float, eccentricity: float = 0.0) -> float:
    """Return the inclination at which J2 turns the node by 0.9856 degree a day, as the mean Sun
    moves.

    Source: Vallado, equation 11-13.

    Raises:
        ValueError: No inclination makes an orbit of this size sun-synchronous.
    """
    n = math.sqrt(MU_KM3_S2 / semi_major_axis_km**3)
    p = semi_major_axis_km * (1.0 - eccentricity**2)
    cos_i = -_SUN_DRIFT_RADPS / (1.5 * n * J2 * (EARTH_RADIUS_KM / p) ** 2)
    if cos_i < -1.0:
        raise ValueError(
            f"no orbit with a semi-major axis of {semi_major_axis_km:.0f} km is sun-synchronous: "
            "a circular one must be below 5975 km of altitude"
        )
    return math.degrees(math.acos(cos_i))


@dataclass(frozen=True, slots=True)
class Elements:
    """Mean elements at `epoch_utc`, angles in degrees.

    Size: `altitude_km` (semi-major axis less the equatorial radius) with `eccentricity`, or
    `perigee_km` and `apogee_km` (heights above the equatorial radius). Plane: `inclination_deg` (or
    "sun-synchronous") with `raan_deg`, or with `ascending_node_local_time_h`, the mean solar time
    0..24 h at the ascending node (18 is dusk).

    Raises:
        ValueError: The elements are contradictory, incomplete, or not an orbit around the Earth.
    """

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
        as_utc(self.epoch_utc, "the epoch")
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
        check_perigee(a * (1.0 - e) - EARTH_RADIUS_KM)
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
        """Return the semi-major axis [km] and the eccentricity. Raises: ValueError if neither a
        height nor an apsis is given."""
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
        """Return the inclination [deg]."""
        if isinstance(self.inclination_deg, str):
            return sun_synchronous_inclination_deg(*self.size())
        return float(self.inclination_deg)

    def raan(self) -> float:
        """Return the right ascension of the ascending node, 0..360 [deg]."""
        if self.ascending_node_local_time_h is None:
            return (self.raan_deg or 0.0) % 360.0
        sun = mean_right_ascension_deg(in_days(as_utc(self.epoch_utc, "the epoch") - J2000))
        return (sun + 15.0 * (self.ascending_node_local_time_h - 12.0)) % 360.0


def check_perigee(perigee_km: float) -> None:
    """Check a perigee at this height [km]. Raises: ValueError if it is below ground or in dense
    air."""
    if perigee_km < 0.0:
        raise ValueError(f"this orbit goes below ground: its perigee is {perigee_km:.0f} km high")
    if perigee_km < MIN_PERIGEE_KM:
        raise ValueError(
            f"the perigee is {perigee_km:.1f} km high: below {MIN_PERIGEE_KM:.0f} km "
            "the air ends an orbit within one revolution"
        )
