"""A satellite of the sgp4 library, from mean elements."""

from __future__ import annotations

import math
from datetime import datetime, timezone
from typing import Any, Final

from sgp4.api import WGS72, Satrec

from hil.plant.coordinate_frames import in_days
from hil.plant.orbit_data.mean_set import MeanSet

__all__ = ["SGP4_EPOCH", "satellite_of"]

SGP4_EPOCH: Final = datetime(1949, 12, 31, tzinfo=timezone.utc)
_MOST_DIGITS: Final = 99_999


def satellite_of(elements: MeanSet) -> Any:
    """Return the satellite; its `error` is not 0 if SGP4 cannot fly it."""
    satellite = Satrec()
    satellite.sgp4init(
        WGS72,
        "i",
        min(elements.number, _MOST_DIGITS),  # a label: SGP4 has no use for it
        in_days(elements.epoch_utc - SGP4_EPOCH),
        elements.bstar,
        0.0,
        0.0,
        elements.eccentricity,
        math.radians(elements.argp_deg),
        math.radians(elements.inclination_deg),
        math.radians(elements.mean_anomaly_deg),
        elements.mean_motion * 2.0 * math.pi / 1440.0,
        math.radians(elements.raan_deg),
    )
    return satellite
