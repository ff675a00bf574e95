"""The file format of the AP8 tables: what the baking writes, and `hil.plant.radiation.ap8` and
`ap8_upper` read.

An npz of format 1. Per map (`min`, `max`: square roots of fluxes, (energy, altitude, latitude,
longitude); `inverse_l`: 1/L, (altitude, latitude, longitude)) the values are whole numbers of a
step, differenced along altitude, latitude and longitude modulo 2^16, folded so that small
differences of either sign become small numbers, and cut into low and high bytes. That halves the
size of what zip makes of the file, and loses nothing beyond the rounding to the step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

__all__ = [
    "ALTITUDES_KM",
    "ENERGIES_MEV",
    "FORMAT",
    "INVERSE_L_STEP",
    "LATITUDES_DEG",
    "LONGITUDES_DEG",
    "SQRT_FLUX_STEP",
    "UPPER_ALTITUDES_KM",
    "UPPER_LATITUDES_DEG",
    "UPPER_LONGITUDES_DEG",
    "decode",
    "encode",
]

FORMAT: Final = 1

# The grid, geodetic on WGS84.
ALTITUDES_KM: Final = tuple(range(100, 2001, 50))
LATITUDES_DEG: Final = tuple(range(-90, 91, 2))
LONGITUDES_DEG: Final = tuple(range(-180, 180, 3))
ENERGIES_MEV: Final = (10.0, 20.0, 30.0, 50.0, 100.0, 200.0, 300.0)

# The grid above that: coarser, for the field is smoother there. Beyond it AP8 has no protons of
# 10 MeV or more, up to its end at L 6.6.
UPPER_ALTITUDES_KM: Final = (
    *range(2000, 6000, 200),
    *range(6000, 12000, 500),
    *range(12000, 20001, 1000),
)
UPPER_LATITUDES_DEG: Final = tuple(range(-90, 91, 3))
UPPER_LONGITUDES_DEG: Final = tuple(range(-180, 180, 10))

SQRT_FLUX_STEP: Final = 1 / 48
"""Of the root of a flux in /cm2/s: a flux of 1 is kept to 2 %, one of 100 to 0.2 %."""
INVERSE_L_STEP: Final = 1 / 4096

_AXES: Final = (-3, -2, -1)


def encode(name: str, values: npt.NDArray[np.float64], step: float) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays that store a map (..., altitude, latitude, longitude).

    Raises:
        ValueError: A value is negative, not a number, or too large.
    """
    scaled = np.rint(values / step)
    if not np.all((scaled >= 0) & (scaled < 2**16)):
        raise ValueError(f"{name}: a value is outside of 0..{2**16 * step:g}")
    q = scaled.astype(np.uint16)
    for axis in _AXES:
        q = np.diff(q, axis=axis, prepend=np.uint16(0))
    signed = q.view(np.int16).astype(np.int32)
    folded = ((signed << 1) ^ (signed >> 31)).astype(np.uint16)
    return {
        f"{name}_low": (folded & 0xFF).astype(np.uint8),
        f"{name}_high": (folded >> 8).astype(np.uint8),
    }


def decode(
    name: str, stored: Mapping[str, npt.NDArray[Any]], step: float
) -> npt.NDArray[np.float32]:
    """Return the map that `encode` stored, to half a step.

    Raises:
        KeyError: The map is not in the file.
    """
    folded = stored[f"{name}_low"] | (stored[f"{name}_high"].astype(np.uint16) << 8)
    q = (folded >> 1) ^ (np.uint16(0) - (folded & 1))
    # The same as np.cumsum along each axis, but by whole rows at a time.
    np.cumsum(q, axis=-1, dtype=np.uint16, out=q)
    for i in range(1, q.shape[-2]):
        q[..., i, :] += q[..., i - 1, :]
    for i in range(1, q.shape[-3]):
        q[..., i, :, :] += q[..., i - 1, :, :]
    values: npt.NDArray[np.float32] = q * np.float32(step)
    return values
