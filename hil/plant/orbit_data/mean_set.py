"""Mean elements of SGP4, checked: what a TLE, an OMM and a fitted state have in common."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from hil.plant.earth import EARTH_RADIUS_KM
from hil.plant.elements import MU_KM3_S2, check_perigee
from hil.plant.orbit_data.fault import OrbitDataError

__all__ = ["MeanSet", "semi_major_axis_km"]

_DAY_S: Final = 86_400.0
_MOON_KM: Final = 384_400.0
_FAR_KM: Final = 150_000.0


def semi_major_axis_km(revolutions_per_day: float) -> float:
    """Return the semi-major axis [km] of a mean motion."""
    n = revolutions_per_day * 2.0 * math.pi / _DAY_S
    return float((MU_KM3_S2 / (n * n)) ** (1.0 / 3.0))


@dataclass(frozen=True, slots=True)
class MeanSet:
    """Mean elements at `epoch_utc` as SGP4 has them: angles in degrees, `mean_motion` in
    revolutions a day (Kozai), `bstar` in 1/Earth radii. `source`: what they are, for messages.

    Raises:
        OrbitDataError: They are no orbit around the Earth.
    """

    epoch_utc: datetime
    mean_motion: float
    eccentricity: float
    inclination_deg: float
    raan_deg: float
    argp_deg: float
    mean_anomaly_deg: float
    bstar: float = 0.0
    name: str = ""
    number: int = 0
    source: str = "the elements"

    def __post_init__(self) -> None:
        self._check_motion()
        if self.eccentricity >= 1.0:
            if self.eccentricity >= 10.0:
                raise OrbitDataError(
                    f"an eccentricity of {self.eccentricity:g}: the digits of a TLE without their "
                    "decimal point",
                    f"write {self.eccentricity / 1e7:.7f}",
                )
            raise OrbitDataError(
                f"an eccentricity of {self.eccentricity:g} is an escape (hyperbolic), not an orbit",
                "SGP4 flies eccentricities below 1",
            )
        if self.eccentricity < 0.0:
            raise OrbitDataError(f"the eccentricity is negative: {self.eccentricity:g}")
        if not 0.0 <= self.inclination_deg <= 180.0:
            raise OrbitDataError(
                f"an inclination is 0 to 180 degrees, not {self.inclination_deg:g}"
            )
        try:
            check_perigee(self.perigee_km)
        except ValueError as error:
            raise OrbitDataError(str(error), "it has decayed, or a unit is wrong") from None

    @property
    def perigee_km(self) -> float:
        """Return the height of the perigee above the equatorial radius [km]."""
        return semi_major_axis_km(self.mean_motion) * (1.0 - self.eccentricity) - EARTH_RADIUS_KM

    def _check_motion(self) -> None:
        n = self.mean_motion
        if not n > 0.0:
            raise OrbitDataError(
                f"the mean motion is {n:g}: this is not an orbit", "expected revolutions a day"
            )
        # A few satellites do fly so far out, on long ellipses; nearly round it is a wrong unit.
        if semi_major_axis_km(n) > (_MOON_KM if self.eccentricity > 0.2 else _FAR_KM):
            a_km = semi_major_axis_km(n)
            units = {
                "radians a minute": 1440.0 / (2.0 * math.pi),
                "radians a second": _DAY_S / (2.0 * math.pi),
                "degrees a second": _DAY_S / 360.0,
            }
            fitting = [
                f"in {unit} it would be {n * factor:.6g}"
                for unit, factor in units.items()
                if 0.9 < n * factor < 17.5
            ]
            hint = "; " + ", ".join(fitting) if fitting else ""
            raise OrbitDataError(
                f"a mean motion of {n:g} revolutions a day is an orbit of {a_km:,.0f} km, which "
                f"SGP4 cannot fly{hint}",
                "expected revolutions a day, as 15.5",
            )
        if n > 18.0:
            hint = ""
            if 0.9 < n / 360.0 < 17.5:
                hint = f"; in degrees a day it would be {n / 360.0:.6g} revolutions a day"
            raise OrbitDataError(
                f"a mean motion of {n:g} revolutions a day is an orbit below ground{hint}",
                "expected revolutions a day, as 15.5",
            )
