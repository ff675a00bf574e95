"""The part of the AP8 table above 2000 km: transfer orbits, Molniya orbits, the middle orbits.

There the field is smoother, and the grid coarser: 200 to 1000 km by 3 by 10 degrees. It ends at
20,000 km (L 4 at the equator): above, up to its own end at L 6.6, AP8 has no protons of 10 MeV or
more, and beyond it knows nothing; so the flux is 0 there. Against the code that it was baked from
the table gives means of transfer and Molniya orbits to 2 %."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from importlib import resources
from typing import Final

import numpy as np
import numpy.typing as npt

from hil.plant.radiation import ap8_table
from hil.scenario.plant.radiation import SolarPhase

__all__ = ["BOTTOM_KM", "TOP_KM", "upper_inverse_l", "upper_roots"]

Floats = npt.NDArray[np.float64]
Table = npt.NDArray[np.float32]

_ALTITUDES: Final = np.array(ap8_table.UPPER_ALTITUDES_KM, dtype=np.float64)
BOTTOM_KM: Final = float(_ALTITUDES[0])
TOP_KM: Final = float(_ALTITUDES[-1])
_LATITUDE_STEP: Final = float(ap8_table.UPPER_LATITUDES_DEG[1] - ap8_table.UPPER_LATITUDES_DEG[0])
_LONGITUDE_STEP: Final = float(
    ap8_table.UPPER_LONGITUDES_DEG[1] - ap8_table.UPPER_LONGITUDES_DEG[0]
)
_ROWS: Final = len(ap8_table.UPPER_LATITUDES_DEG)
_COLUMNS: Final = len(ap8_table.UPPER_LONGITUDES_DEG) + 1  # the first meridian again


@functools.cache
def _table(name: str, step: float) -> Table:
    """Return a map of the shipped file, (altitude * latitude * longitude, energy)."""
    file = resources.files(__package__).joinpath("ap8_upper.npz")
    with file.open("rb") as stream, np.load(stream) as npz:
        if int(npz["format"]) != ap8_table.FORMAT:
            raise ValueError(f"ap8_upper.npz is of format {npz['format']}")
        values = ap8_table.decode(name, npz, step)
    whole = np.concatenate([values, values[..., :1]], axis=-1)
    energies = whole.shape[0] if whole.ndim == 4 else 1
    return np.ascontiguousarray(whole.reshape(energies, -1).T)


@dataclass(frozen=True, slots=True)
class _Cell:
    """The lowest corners of the cells (N,) in the table, and fractions 0..1 within them."""

    corner: npt.NDArray[np.intp]
    fractions: tuple[Floats, Floats, Floats]


def _cells(latitude_deg: Floats, longitude_deg: Floats, altitude_km: Floats) -> _Cell:
    level = np.clip(np.searchsorted(_ALTITUDES, altitude_km, side="right") - 1, 0, None)
    level = np.minimum(level, len(_ALTITUDES) - 2)
    below = _ALTITUDES[level]
    a = (altitude_km - below) / (_ALTITUDES[level + 1] - below)
    north = (latitude_deg + 90.0) / _LATITUDE_STEP
    east = np.mod(longitude_deg + 180.0, 360.0) / _LONGITUDE_STEP
    row = np.minimum(north.astype(np.intp), _ROWS - 2)
    column = np.minimum(east.astype(np.intp), _COLUMNS - 2)
    corner = (level * _ROWS + row) * _COLUMNS + column
    return _Cell(corner, (np.clip(a, 0.0, 1.0), north - row, east - column))


def _interpolated(cell: _Cell, table: Table) -> Floats:
    a, b, c = cell.fractions
    out = np.zeros((len(cell.corner), table.shape[1]))
    for i, wi in ((0, 1.0 - a), (1, a)):
        for j, wj in ((0, 1.0 - b), (1, b)):
            for k, wk in ((0, 1.0 - c), (1, c)):
                at = cell.corner + ((i * _ROWS + j) * _COLUMNS + k)
                out += (wi * wj * wk)[:, None] * np.take(table, at, axis=0)
    return out


def upper_roots(
    phase: SolarPhase, latitude_deg: Floats, longitude_deg: Floats, altitude_km: Floats
) -> Floats:
    """Return the square roots (N, energies) of the fluxes at places from `BOTTOM_KM` to `TOP_KM`;
    the place of the map is not turned."""
    table = _table(phase.value, ap8_table.SQRT_FLUX_STEP)
    return _interpolated(_cells(latitude_deg, longitude_deg, altitude_km), table)


def upper_inverse_l(latitude_deg: Floats, longitude_deg: Floats, altitude_km: Floats) -> Floats:
    """Return 1/L (N,) at places from `BOTTOM_KM` to `TOP_KM`."""
    table = _table("inverse_l", ap8_table.INVERSE_L_STEP)
    return _interpolated(_cells(latitude_deg, longitude_deg, altitude_km), table)[:, 0]
