"""Bakes ap8.npz and ap8_upper.npz, the tables of AP8 that ship with this package. Run it only to
change a table:

    pip install aep8 && python -m hil.plant.radiation.bake_ap8 [ap8.npz] [ap8_upper.npz]

AP8MIN and AP8MAX (Sawyer and Vette, NSSDC/WDC-A-R&S 76-06, 1976) are functions of energy, L and
B/B0 and must be used with the field models that they were made with: Jensen and Cain 1960 for
MIN, GSFC 12/66 extrapolated to 1970 for MAX. With the field of today the anomaly would be three
to five times too strong. So the map is fixed to the Earth and depends on no date.

The code is IRBEM's, as wrapped by `aep8`, called below its public interface: that scales positions
by 6378.1 km where IRBEM expects Earth radii of 6371.2 km, and comes out 7 to 9 % low (an altitude
bias of 7 km). Checked: 45 W, 30 S, 500 km, > 20 MeV gives 915.62 (MIN) and 846.73 /cm2/s (MAX), as
SpacePy's IRBEM does.

The tables depend on nothing but that code: the same build of it gives the same files. It takes
about five minutes for each."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from hil.plant.radiation import ap8_table
from hil.scenario.plant.radiation import SolarPhase

__all__ = ["PHASES", "bake", "bake_upper", "field_coordinates", "flux"]

Floats = npt.NDArray[np.float64]

IRBEM_EARTH_RADIUS_KM: Final = 6371.2
EQUATORIAL_RADIUS_KM: Final = 6378.137
FLATTENING: Final = 1.0 / 298.257223563

PHASES: Final = {SolarPhase.MIN: ("geomag3", "flux3"), SolarPhase.MAX: ("geomag4", "flux4")}
"""Functions of aep8._irbem: field model and table of AP8MIN and AP8MAX."""

_MAX_L: Final = 1000.0  # beyond, and where it fails near the poles, IRBEM's L means nothing


def ecef_km(latitude_deg: Floats, longitude_deg: Floats, altitude_km: Floats) -> list[Floats]:
    """Return the coordinates x, y, z [km] of geodetic positions of any shape."""
    e2 = FLATTENING * (2.0 - FLATTENING)
    lat, lon = np.radians(latitude_deg), np.radians(longitude_deg)
    normal = EQUATORIAL_RADIUS_KM / np.sqrt(1.0 - e2 * np.sin(lat) ** 2)
    across = (normal + altitude_km) * np.cos(lat)
    return [
        across * np.cos(lon),
        across * np.sin(lon),
        (normal * (1.0 - e2) + altitude_km) * np.sin(lat),
    ]


def field_coordinates(
    phase: SolarPhase, latitude_deg: Floats, longitude_deg: Floats, altitude_km: Floats
) -> tuple[Floats, Floats]:
    """Return L and B/B0 in the field of that phase; L is infinite where IRBEM finds none.

    Raises:
        ModuleNotFoundError: The package aep8 is not installed.
    """
    import aep8._irbem as irbem  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415

    xyz = [c / IRBEM_EARTH_RADIUS_KM for c in ecef_km(latitude_deg, longitude_deg, altitude_km)]
    b_ratio, l_shell = getattr(irbem, PHASES[phase][0])(0, *xyz)
    none = ~((l_shell > 0.0) & (l_shell < _MAX_L) & (b_ratio > 0.0))
    return np.where(none, np.inf, l_shell), np.where(none, 1.0, b_ratio)


def flux(phase: SolarPhase, energy_mev: float, l_shell: Floats, b_ratio: Floats) -> Floats:
    """Return the omnidirectional proton flux [/cm2/s] above `energy_mev`; 0 without an L."""
    import aep8._irbem as irbem  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415

    known = np.isfinite(l_shell)
    table: Any = getattr(irbem, PHASES[phase][1])
    with np.errstate(all="ignore"):
        values = table(energy_mev, np.where(known, l_shell, 2.0), b_ratio)
    return np.where(known, values, 0.0)


Axis = Sequence[float]


def bake() -> dict[str, npt.NDArray[Any]]:
    """Return all arrays of the file of the table up to 2000 km."""
    return _bake(ap8_table.ALTITUDES_KM, ap8_table.LATITUDES_DEG, ap8_table.LONGITUDES_DEG)


def bake_upper() -> dict[str, npt.NDArray[Any]]:
    """Return all arrays of the file of the table above."""
    return _bake(
        ap8_table.UPPER_ALTITUDES_KM,
        ap8_table.UPPER_LATITUDES_DEG,
        ap8_table.UPPER_LONGITUDES_DEG,
    )


def _bake(altitudes: Axis, latitudes: Axis, longitudes: Axis) -> dict[str, npt.NDArray[Any]]:
    axes = (np.array(axis, dtype=np.float64) for axis in (altitudes, latitudes, longitudes))
    altitude_km, latitude_deg, longitude_deg = np.meshgrid(*axes, indexing="ij")
    out: dict[str, npt.NDArray[Any]] = {"format": np.array(ap8_table.FORMAT)}
    for phase in PHASES:
        l_shell, b_ratio = field_coordinates(phase, latitude_deg, longitude_deg, altitude_km)
        fluxes = [flux(phase, energy, l_shell, b_ratio) for energy in ap8_table.ENERGIES_MEV]
        out |= ap8_table.encode(phase, np.sqrt(np.stack(fluxes)), ap8_table.SQRT_FLUX_STEP)
        if phase is SolarPhase.MAX:  # the later of the two fields
            out |= ap8_table.encode("inverse_l", 1.0 / l_shell, ap8_table.INVERSE_L_STEP)
    return out


_TABLES: Final = {"ap8.npz": bake, "ap8_upper.npz": bake_upper}


def main(arguments: list[str]) -> None:
    """Write the named tables into this package; without names, all."""
    for name in arguments or list(_TABLES):
        path = Path(__file__).with_name(name)
        arrays: dict[str, Any] = _TABLES[name]()
        np.savez_compressed(path, **arrays)
        sys.stdout.write(f"{path}: {path.stat().st_size} bytes\n")


if __name__ == "__main__":
    main(sys.argv[1:])
