"""Trapped protons along a track: the shipped table of AP8MIN and AP8MAX (Sawyer and Vette 1976).

What it is worth. AP8 is a static mean to a factor of about two; it knows no storms, no direction,
no energy below 0.1 or above 400 MeV. Against the code that it was baked from (`bake_ap8`) the table
gives orbit means to 2 %, single points of the anomaly to some 7 % rms, worse on its steep edges.

Where it ends:
- Altitude: from 100 km on; above 2000 km by `ap8_upper`. Below 300 km AP8 follows the field line
  into an atmosphere that it knows only from satellites above it; what the table says there is AP8's
  own answer, small, and may be wrong by far more than two. Below 100 km it is held.
- Energy: 10 to 300 MeV, others are refused. Between its energies the logarithm of the flux is
  interpolated linearly in energy (an exponential spectrum), as AP8 itself nearly does: within 2 %.

`saa_drift_deg`. The map belongs to the fields of 1960 and 1970, and must. The real anomaly has
drifted west since, by about 0.3 degree a year; so the map is turned west by this angle before it
is read. 18 degrees (60 years) is right to some degrees for the 2020s, and is an estimate; 0 is
the model as published, for comparison with SPENVIS and others. It moves the time at which an orbit
meets the anomaly, hardly the mean over many days."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from importlib import resources
from typing import Final

import numpy as np
import numpy.typing as npt

from hil.plant.radiation import ap8_table, ap8_upper
from hil.scenario.plant.radiation import SolarPhase

__all__ = [
    "DEFAULT_SAA_DRIFT_DEG",
    "ENERGIES_MEV",
    "MAX_ALTITUDE_KM",
    "Trapped",
    "mcilwain_l",
    "trapped",
]

Floats = npt.NDArray[np.float64]

ENERGIES_MEV: Final = ap8_table.ENERGIES_MEV
MAX_ALTITUDE_KM: Final = float(ap8_table.ALTITUDES_KM[-1])
DEFAULT_SAA_DRIFT_DEG: Final = 18.0
_RADIUS_KM: Final = 6371.2


# --- the table ---------------------------------------------------------------------------------

_ALTITUDE_STEP = float(ap8_table.ALTITUDES_KM[1] - ap8_table.ALTITUDES_KM[0])
_LATITUDE_STEP = float(ap8_table.LATITUDES_DEG[1] - ap8_table.LATITUDES_DEG[0])
_LONGITUDE_STEP = float(ap8_table.LONGITUDES_DEG[1] - ap8_table.LONGITUDES_DEG[0])
_SHAPE = (
    len(ap8_table.ALTITUDES_KM),
    len(ap8_table.LATITUDES_DEG),
    len(ap8_table.LONGITUDES_DEG) + 1,  # the first meridian again, so that none is the last
)


def _stored(name: str, step: float) -> npt.NDArray[np.float32]:
    """Return a map of the shipped file, with its first meridian repeated at the end."""
    with resources.files(__package__).joinpath("ap8.npz").open("rb") as file, np.load(file) as npz:
        if int(npz["format"]) != ap8_table.FORMAT:
            raise ValueError(f"ap8.npz is of format {npz['format']}, expected {ap8_table.FORMAT}")
        values = ap8_table.decode(name, npz, step)
    return np.concatenate([values, values[..., :1]], axis=-1)


@dataclass(frozen=True, slots=True)
class _Map:
    rows: npt.NDArray[np.float32]  # (altitude * latitude * longitude, energy), roots of fluxes
    occupied: npt.NDArray[np.bool_]  # per lowest corner of a cell: any corner has protons


@functools.cache
def _flux_map(phase: SolarPhase) -> _Map:
    values = _stored(phase.value, ap8_table.SQRT_FLUX_STEP)
    some = values[0] > 0.0
    occupied = np.zeros(_SHAPE, dtype=np.bool_)
    cells = occupied[:-1, :-1, :-1]
    for i in (0, 1):
        for j in (0, 1):
            for k in (0, 1):
                cells |= some[i : i + _SHAPE[0] - 1, j : j + _SHAPE[1] - 1, k : k + _SHAPE[2] - 1]
    rows = np.ascontiguousarray(np.moveaxis(values, 0, -1).reshape(-1, len(ENERGIES_MEV)))
    return _Map(rows, occupied.reshape(-1))


@functools.cache
def _inverse_l_map() -> npt.NDArray[np.float32]:
    return _stored("inverse_l", ap8_table.INVERSE_L_STEP).reshape(-1, 1)


@dataclass(frozen=True, slots=True)
class _Places:
    """The places of points in the grid: the lowest corner of the cell, and fractions 0..1
    within."""

    corner: npt.NDArray[np.intp]
    fractions: tuple[Floats, Floats, Floats]  # altitude, latitude, longitude

    def only(self, which: npt.NDArray[np.intp]) -> _Places:
        """Return the places of the points `active`."""
        a, b, c = (f[which] for f in self.fractions)
        return _Places(self.corner[which], (a, b, c))

    def interpolate(self, rows: npt.NDArray[np.float32]) -> Floats:
        """Interpolate rows (cells, M) trilinearly: (N, M)."""
        (_, height, width) = _SHAPE
        a, b, c = self.fractions
        out = np.zeros((len(self.corner), rows.shape[1]))
        for i, wi in ((0, 1.0 - a), (1, a)):
            for j, wj in ((0, 1.0 - b), (1, b)):
                for k, wk in ((0, 1.0 - c), (1, c)):
                    at = self.corner + ((i * height + j) * width + k)
                    out += (wi * wj * wk)[:, None] * np.take(rows, at, axis=0)
        return out


def _places(latitude_deg: Floats, longitude_deg: Floats, altitude_km: Floats) -> _Places:
    if not np.all(np.isfinite(altitude_km + latitude_deg + longitude_deg)):
        raise ValueError("a position is not a number")
    steps = (
        np.maximum((altitude_km - ap8_table.ALTITUDES_KM[0]) / _ALTITUDE_STEP, 0.0),
        (latitude_deg - ap8_table.LATITUDES_DEG[0]) / _LATITUDE_STEP,
        np.mod(longitude_deg - ap8_table.LONGITUDES_DEG[0], 360.0) / _LONGITUDE_STEP,
    )
    whole = [np.minimum(s.astype(np.intp), n - 2) for s, n in zip(steps, _SHAPE, strict=True)]
    corner = (whole[0] * _SHAPE[1] + whole[1]) * _SHAPE[2] + whole[2]
    a, b, c = (s - w for s, w in zip(steps, whole, strict=True))
    return _Places(corner, (a, b, c))


# --- what it says --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Trapped:
    """Trapped protons at N points. The flux is 0 except at the points `active` (indices)."""

    count: int
    active: npt.NDArray[np.intp]
    at_nodes: Floats  # (len(active), len(ENERGIES_MEV)) integral flux, /cm2/s

    def above_active(self, energies_mev: Floats) -> Floats:
        """Return the omnidirectional flux [/cm2/s] above each of the energies at the active points:
        (M, E).

        Raises:
            ValueError: An energy is outside of 10..300 MeV.
        """
        nodes = np.array(ENERGIES_MEV)
        energies = np.asarray(energies_mev, dtype=np.float64)
        if not np.all((energies >= nodes[0]) & (energies <= nodes[-1])):
            raise ValueError(
                f"energies of trapped protons are {nodes[0]:g}..{nodes[-1]:g} MeV, not {energies}"
            )
        out = np.empty((len(self.active), energies.size))
        for column, energy in enumerate(energies):
            i = min(int(np.searchsorted(nodes, energy, side="right")) - 1, len(nodes) - 2)
            x = (energy - nodes[i]) / (nodes[i + 1] - nodes[i])
            low, high = self.at_nodes[:, i], self.at_nodes[:, i + 1]
            if x in (0.0, 1.0):
                out[:, column] = high if x else low
                continue
            both = high > 0.0
            between = np.zeros(len(low))
            between[both] = low[both] ** (1.0 - x) * high[both] ** x
            out[:, column] = between
        return out

    def above(self, energies_mev: Floats) -> Floats:
        """Return the same at all points: (N, E)."""
        out = np.zeros((self.count, np.size(energies_mev)))
        out[self.active] = self.above_active(np.atleast_1d(energies_mev))
        return out


def trapped(
    latitude_deg: Floats,
    longitude_deg: Floats,
    altitude_km: Floats,
    *,
    phase: SolarPhase = SolarPhase.MIN,
    saa_drift_deg: float = DEFAULT_SAA_DRIFT_DEG,
) -> Trapped:
    """Return the trapped protons at geodetic positions, each (N,).

    Raises:
        ValueError: A position is not a number.
    """
    table = _flux_map(phase)
    turned = longitude_deg + saa_drift_deg
    high = altitude_km > MAX_ALTITUDE_KM
    places = _places(latitude_deg, turned, np.minimum(altitude_km, MAX_ALTITUDE_KM))
    low = np.flatnonzero(table.occupied[places.corner] & ~high)
    roots = places.only(low).interpolate(table.rows)
    if not np.any(high):
        return Trapped(len(places.corner), low, roots * roots)
    upper = np.flatnonzero(high & (altitude_km < ap8_upper.TOP_KM))
    above = ap8_upper.upper_roots(phase, latitude_deg[upper], turned[upper], altitude_km[upper])
    both = np.concatenate([roots, above])
    return Trapped(len(places.corner), np.concatenate([low, upper]), both * both)


def mcilwain_l(latitude_deg: Floats, longitude_deg: Floats, altitude_km: Floats) -> Floats:
    """Return McIlwain's L (N,) in the field GSFC 12/66 for 1970, baked with the fluxes.

    Infinite where it is undefined, near the poles. Not turned by `saa_drift_deg`: the poles did not
    drift so.

    Above 20,000 km it grows with the distance from the Earth's centre, as in a dipole, which is
    what is left of the field there.
    """
    held_km = np.minimum(altitude_km, MAX_ALTITUDE_KM)
    inverse = _places(latitude_deg, longitude_deg, held_km).interpolate(_inverse_l_map())[:, 0]
    high = np.flatnonzero(altitude_km > MAX_ALTITUDE_KM)
    if len(high):
        held_km = np.minimum(altitude_km[high], ap8_upper.TOP_KM)
        place = latitude_deg[high], longitude_deg[high], held_km
        scale = (_RADIUS_KM + held_km) / (_RADIUS_KM + altitude_km[high])
        inverse[high] = ap8_upper.upper_inverse_l(*place) * scale
    with np.errstate(divide="ignore"):
        return 1.0 / inverse
