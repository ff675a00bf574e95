"""The extent of the South Atlantic Anomaly at a height, for maps: the cells in which the trapped
protons alone (cosmic rays are many near the poles) reach a flux."""

from __future__ import annotations

from typing import Final

import numpy as np

from hil.plant.radiation.ap8 import trapped
from hil.scenario.plant.radiation import SolarPhase

__all__ = ["STEP_DEG", "anomaly_cells"]

STEP_DEG: Final = 3
_ENERGY_MEV: Final = 30.0
_FLUX_PER_CM2_S: Final = 1.0
_SOUTHERNMOST, _NORTHERNMOST = -60, 30  # the radiation belts' horns near the poles are not it


def anomaly_cells(
    altitude_km: float, phase: SolarPhase, saa_drift_deg: float
) -> list[tuple[int, int]]:
    """Return the south and west edges [deg] of the cells of `STEP_DEG` within the anomaly.

    Empty above the altitude of the table.
    """
    latitudes = np.arange(_SOUTHERNMOST, _NORTHERNMOST, STEP_DEG, dtype=np.float64)
    longitudes = np.arange(-180, 180, STEP_DEG, dtype=np.float64)
    lat, lon = (a.ravel() for a in np.meshgrid(latitudes, longitudes, indexing="ij"))
    middle = np.float64(STEP_DEG / 2)
    try:
        protons = trapped(
            lat + middle,
            lon + middle,
            np.full(lat.shape, altitude_km, np.float64),
            phase=phase,
            saa_drift_deg=saa_drift_deg,
        )
    except ValueError:
        return []
    inside = protons.above(np.array([_ENERGY_MEV]))[:, 0] >= _FLUX_PER_CM2_S
    return [(int(a), int(b)) for a, b in zip(lat[inside], lon[inside], strict=True)]
