"""The tables of the trapped particles: the field that AE8 and AP8 belong to, and their fluxes by
L and B/B0. The file `belts.npz` is what `bake_belts` writes and this module reads.

The models are functions of energy, L and B/B0 in the field of their own time; so are the tables. Of
each field (1960 for solar minimum, 1970 for maximum) the file has two maps over latitude, longitude
and 1/r: of L, and of B/B0/L^3, each divided by what a dipole off the Earth's centre has there.
These ratios are smooth, so that a coarse grid suffices: L is right to 0.03 % rms, B/B0 to 0.1 %.
The fluxes stand on a grid of L and of sqrt((B/B0 - 1)/(b_max(L) - 1)), which ends at 1, where the
atmosphere ends the belt. Against the code that it was baked from, peaks and means along orbits are
right to 5 %, most of them to 2 %; electrons of 5 MeV and more, which hardly are, less."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import resources
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from hil.scenario.plant.radiation import SolarPhase

__all__ = [
    "B_STEPS",
    "DIPOLE_CENTRE",
    "EARTH_RADIUS_KM",
    "ELECTRON_ENERGIES_MEV",
    "END",
    "FLOOR",
    "FORMAT",
    "INVERSE_R",
    "LATITUDES_DEG",
    "LOG_STEP",
    "LONGITUDES_DEG",
    "L_SHELLS",
    "PROTON_ENERGIES_MEV",
    "RATIO_STEP",
    "Belt",
    "Field",
    "Places",
    "belt",
    "differences",
    "dipole",
    "field",
    "undo",
]

Floats = npt.NDArray[np.float64]

FORMAT: Final = 1
EARTH_RADIUS_KM: Final = 6371.2
"""That of the models."""

INVERSE_R: Final = np.linspace(0.12, 1.02, 19)  # in Earth radii: from 47,000 km down to the ground
LATITUDES_DEG: Final = np.linspace(-90.0, 90.0, 61)  # geocentric
LONGITUDES_DEG: Final = np.linspace(-180.0, 180.0, 61)
RATIO_STEP: Final = 1.0 / 32768.0

L_SHELLS: Final = np.concatenate(
    [
        np.arange(110, 150) / 100.0,
        np.arange(75, 100) / 50.0,
        np.arange(20, 70) / 10.0,
        np.arange(28, 48) / 4.0,
    ]
)
B_STEPS: Final = 81
ELECTRON_ENERGIES_MEV: Final = (
    0.05,
    0.1,
    0.25,
    0.5,
    0.75,
    1.0,
    1.5,
    2.0,
    2.5,
    3.0,
    3.5,
    4.0,
    5.0,
    6.0,
)
PROTON_ENERGIES_MEV: Final = (1.0, 2.0, 4.0, 6.0, 10.0, 20.0, 30.0, 50.0, 100.0, 200.0, 300.0)
END: Final = 1.0
"""The flux [/cm2/s] at which the models end. The tables go on a little beyond, so that this end is
where theirs is, also between two energies."""
FLOOR: Final = 1e-3
"""The smallest flux [/cm2/s] that is kept; below, it is 0."""
LOG_STEP: Final = 1.0 / 2048.0

# Centre [Earth radii] and axis of a dipole near the real one of 1970. Only a reference: the ratios
# to it carry the field.
DIPOLE_CENTRE: Final = (-0.0626, 0.0415, 0.0197)
_NORTH_DEG, _EAST_DEG = 78.6, -70.1
_EQUATOR_KM, _E2 = 6378.137, 6.694379990141e-3  # WGS 84


def dipole(x_re: Floats) -> tuple[Floats, Floats]:
    """Return L and B (in units of its B on the equator at one radius) of the reference dipole.

    `x_re` (N, 3): Earth-fixed position [Earth radii].
    """
    north, east = np.radians(_NORTH_DEG), np.radians(_EAST_DEG)
    axis = (np.cos(north) * np.cos(east), np.cos(north) * np.sin(east), np.sin(north))
    dx, dy, dz = (x_re[:, k] - DIPOLE_CENTRE[k] for k in range(3))
    r2 = dx * dx + dy * dy + dz * dz
    along = dx * axis[0] + dy * axis[1] + dz * axis[2]
    sine2 = along * along / r2
    r = np.sqrt(r2)
    with np.errstate(divide="ignore"):
        shell = r / (1.0 - sine2)
    return shell, np.sqrt(1.0 + 3.0 * sine2) / (r2 * r)


@dataclass(frozen=True, slots=True)
class Places:
    """Places (N,) as the maps of the fields need them: Earth-fixed `x`, `y` and `z` [Earth radii],
    `longitude_deg`, and the `ring` of cells around the axis, by its lowest corner in the maps, with
    the parts 0..1 of 1/r and latitude within it."""

    x: Floats
    y: Floats
    z: Floats
    longitude_deg: Floats
    ring: npt.NDArray[np.intp]
    parts: tuple[Floats, Floats]

    @classmethod
    def geodetic(cls, latitude_deg: Floats, longitude_deg: Floats, altitude_km: Floats) -> Places:
        """Return places on and above the ellipsoid WGS 84."""
        north = np.radians(latitude_deg)
        sine, cosine = np.sin(north), np.cos(north)
        normal = _EQUATOR_KM / np.sqrt(1.0 - _E2 * sine * sine)
        across = (normal + altitude_km) * cosine / EARTH_RADIUS_KM
        z = (normal * (1.0 - _E2) + altitude_km) * sine / EARTH_RADIUS_KM
        east = np.radians(longitude_deg)
        r = np.sqrt(across * across + z * z)
        xyz = (across * np.cos(east), across * np.sin(east), z)
        return cls._at(xyz, r, longitude_deg, latitude_deg, sine * cosine * normal)

    @classmethod
    def of_track(cls, r_ecef_km: Floats, latitude_deg: Floats, longitude_deg: Floats) -> Places:
        """Return places (N, 3) whose geodetic coordinates are known, too."""
        x, y, z = (r_ecef_km[:, k] / EARTH_RADIUS_KM for k in range(3))
        north = np.radians(latitude_deg)
        sine = np.sin(north)
        tilt_km = sine * np.cos(north) * _EQUATOR_KM / np.sqrt(1.0 - _E2 * sine * sine)
        return cls._at(
            (x, y, z), np.sqrt(x * x + y * y + z * z), longitude_deg, latitude_deg, tilt_km
        )

    @classmethod
    def _at(
        cls,
        xyz: tuple[Floats, Floats, Floats],
        r: Floats,
        longitude_deg: Floats,
        latitude_deg: Floats,
        tilt_km: Floats,
    ) -> Places:
        """Return places by position, and by their geodetic latitude less its tilt: with that the
        latitude is geocentric, to 0.01 degrees."""
        inverse_r = 1.0 / r
        tilt = np.degrees(_E2) / EARTH_RADIUS_KM * tilt_km * inverse_r
        latitude = np.clip(latitude_deg - tilt, -90.0, 90.0)
        level, a = _cells(INVERSE_R, inverse_r)
        row, b = _cells(LATITUDES_DEG, latitude)
        ring = (level * len(LATITUDES_DEG) + row) * len(LONGITUDES_DEG)
        return cls(*xyz, longitude_deg, ring, (a, b))

    def turned(self, east_deg: float) -> Places:
        """Return the places so far to the east of these."""
        cosine, sine = math.cos(math.radians(east_deg)), math.sin(math.radians(east_deg))
        return replace(
            self,
            x=self.x * cosine - self.y * sine,
            y=self.x * sine + self.y * cosine,
            longitude_deg=self.longitude_deg + east_deg,
        )

    def earth_fixed(self) -> Floats:
        """Return the Earth-fixed positions (N, 3) [Earth radii]."""
        out: Floats = np.stack([self.x, self.y, self.z]).T
        return out


def _cells(axis: Floats, values: Floats) -> tuple[npt.NDArray[np.intp], Floats]:
    """Return the lower corners on an axis of equal steps, and the parts above; held at its ends."""
    step = np.clip((values - axis[0]) * (1.0 / (axis[1] - axis[0])), 0.0, len(axis) - 1)
    low = np.minimum(step.astype(np.intp), len(axis) - 2)
    return low, step - low


@dataclass(frozen=True, slots=True)
class Field:
    """The two maps of one field, (1/r, latitude, longitude): of the ratios of L and of B.

    From 100 km to 47,000 km; farther out the ratios of the edge are held."""

    ratio_l: npt.NDArray[np.float32]
    ratio_b: npt.NDArray[np.float32]

    def shell(self, places: Places) -> Floats:
        """Return L (N,)."""
        (ratio,) = _interpolated(places, self.ratio_l)
        out: Floats = dipole(places.earth_fixed())[0] * ratio
        return out

    def coordinates(self, places: Places) -> tuple[Floats, Floats]:
        """Return L and B/B0 (N,)."""
        shell, strength = dipole(places.earth_fixed())
        ratio_l, ratio_b = _interpolated(places, self.ratio_l, self.ratio_b)
        shell = shell * ratio_l
        with np.errstate(over="ignore"):
            return shell, ratio_b * strength * (shell * shell * shell)


def _interpolated(places: Places, *maps: npt.NDArray[np.float32]) -> list[Floats]:
    height, width = len(LATITUDES_DEG), len(LONGITUDES_DEG)
    east = places.longitude_deg + 180.0
    column, c = _cells(LONGITUDES_DEG, east - 360.0 * np.floor(east / 360.0) - 180.0)
    corner = places.ring + column
    a, b = places.parts
    out = []
    for values in maps:
        edges = [
            np.take(values, at) + c * (np.take(values, at + 1) - np.take(values, at))
            for i in (0, height * width)
            for at in (corner + i, corner + (i + width))
        ]
        low, high = (edges[k] + b * (edges[k + 1] - edges[k]) for k in (0, 2))
        out.append(low + a * (high - low))
    return out


@dataclass(frozen=True, slots=True)
class Belt:
    """The fluxes of one particle in one phase: `log_flux` rows (L, u) by energy, `b_max` (L,)."""

    energies_mev: tuple[float, ...]
    log_b_max: Floats
    log_flux: npt.NDArray[np.float32]

    def inside(self, shell: Floats, b_ratio: Floats) -> npt.NDArray[np.intp]:
        """Return the indices of the places where there may be particles."""
        near = (shell >= L_SHELLS[0]) & (shell < L_SHELLS[-1])
        near &= b_ratio < np.exp(np.interp(shell, L_SHELLS, self.log_b_max))
        return np.flatnonzero(near)

    def flux_above(self, shell: Floats, b_ratio: Floats) -> Floats:
        """Return the omnidirectional flux [/cm2/s] above each energy (N, E), at places `inside`."""
        low = np.clip(np.searchsorted(L_SHELLS, shell, side="right") - 1, 0, len(L_SHELLS) - 2)
        a = (shell - L_SHELLS[low]) / (L_SHELLS[low + 1] - L_SHELLS[low])
        top = np.exp((1.0 - a) * self.log_b_max[low] + a * self.log_b_max[low + 1])
        u = np.sqrt(np.clip((b_ratio - 1.0) / (top - 1.0), 0.0, 1.0)) * (B_STEPS - 1)
        step = np.minimum(u.astype(np.intp), B_STEPS - 2)
        c = u - step
        out = np.zeros((len(shell), len(self.energies_mev)))
        for i, wi in ((0, 1.0 - a), (1, a)):
            for j, wj in ((0, 1.0 - c), (1, c)):
                at = (low + i) * B_STEPS + step + j
                out += (wi * wj)[:, None] * np.take(self.log_flux, at, axis=0)
        flux: Floats = np.exp(out)
        flux[flux < 1.5 * FLOOR] = 0.0
        return flux


# --- the file -------------------------------------------------------------------------------------


@functools.cache
def _file() -> Mapping[str, npt.NDArray[Any]]:
    with (
        resources.files(__package__).joinpath("belts.npz").open("rb") as file,
        np.load(file) as npz,
    ):
        if int(npz["format"]) != FORMAT:
            raise ValueError(f"belts.npz is of format {npz['format']}, expected {FORMAT}")
        return {name: npz[name] for name in npz.files}


def undo(stored: npt.NDArray[np.uint16]) -> npt.NDArray[np.uint16]:
    """Return the whole numbers that `differences` stored."""
    out = stored
    for axis in range(out.ndim - 1):
        out = np.cumsum(out, axis=axis, dtype=np.uint16)
    return out


def differences(values: npt.NDArray[np.uint16]) -> npt.NDArray[np.uint16]:
    """Return differences modulo 2^16 along all axes but the last, which compress better."""
    out = values
    for axis in range(out.ndim - 2, -1, -1):
        out = np.diff(out, axis=axis, prepend=np.uint16(0))
    return out


@functools.cache
def field(phase: SolarPhase) -> Field:
    """Return the field of the models of a phase."""
    stored = undo(_file()[f"field_{phase.value}"])
    ratios = stored.reshape(-1, 2) * np.float32(RATIO_STEP)
    return Field(np.ascontiguousarray(ratios[:, 0]), np.ascontiguousarray(ratios[:, 1]))


@functools.cache
def belt(particle: str, phase: SolarPhase, only: tuple[float, ...] = ()) -> Belt:
    """Return the fluxes of `electron` or `proton` in a phase; `only`: above these energies."""
    if only:
        whole = belt(particle, phase)
        columns = [whole.energies_mev.index(energy) for energy in only]
        return Belt(only, whole.log_b_max, np.ascontiguousarray(whole.log_flux[:, columns]))
    energies = ELECTRON_ENERGIES_MEV if particle == "electron" else PROTON_ENERGIES_MEV
    name = f"{particle}_{phase.value}"
    stored = undo(_file()[name]).astype(np.float32) * np.float32(LOG_STEP)
    log_flux = stored.reshape(-1, len(energies)) + np.float32(np.log(FLOOR))
    return Belt(energies, np.log(_file()[f"{name}_b_max"].astype(np.float64)), log_flux)
