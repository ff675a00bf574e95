"""Bakes belts.npz, the tables of AE8 and AP8 that ship with this package. Run it only to change
them:

    pip install aep8 && python -m hil.plant.radiation.bake_belts [FILE]

AE8 (Vette, NSSDC/WDC-A-R&S 91-24, 1991) and AP8 (Sawyer and Vette, 76-06, 1976) must be used with
the fields that they were made with: Jensen and Cain 1960 at solar minimum, GSFC 12/66 extrapolated
to 1970 at maximum. With the field of today the anomaly would be three to five times too strong. So
the maps are fixed to the Earth and depend on no date.

The code is IRBEM's, as wrapped by `aep8`, called below its public interface: that scales positions
by 6378.1 km where IRBEM expects Earth radii of 6371.2 km, and comes out 7 to 9 % low (an altitude
bias of 7 km). Checked: 45 W, 30 S, 500 km, > 20 MeV gives 915.62 (MIN) and 846.73 /cm2/s (MAX), as
SpacePy's IRBEM does. The same build of it gives the same file. It takes some four minutes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from hil.plant.radiation import belt_table as table
from hil.scenario.plant.radiation import SolarPhase

__all__ = ["bake", "coordinates", "flux"]

Floats = npt.NDArray[np.float64]

FIELDS: Final = {SolarPhase.MIN: "geomag3", SolarPhase.MAX: "geomag4"}
FLUXES: Final = {
    ("electron", SolarPhase.MIN): "flux1",
    ("electron", SolarPhase.MAX): "flux2",
    ("proton", SolarPhase.MIN): "flux3",
    ("proton", SolarPhase.MAX): "flux4",
}
"""Functions of aep8._irbem."""

_FAR: Final = 40.0  # beyond, IRBEM's L means little, and there are no particles


def coordinates(phase: SolarPhase, x_re: Floats) -> tuple[Floats, Floats]:
    """Return L and B/B0 by IRBEM at Earth-fixed positions (N, 3) [Earth radii].

    L is infinite where IRBEM finds none.
    """
    import aep8._irbem as irbem  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415

    ratio, shell = getattr(irbem, FIELDS[phase])(0, *np.ascontiguousarray(x_re.T))
    none = ~((shell > 0.0) & (shell < _FAR) & (ratio > 0.0))
    return np.where(none, np.inf, shell), np.where(none, 1.0, ratio)


def flux(
    particle: str, phase: SolarPhase, energy_mev: float, shell: Floats, b_ratio: Floats
) -> Floats:
    """Return the omnidirectional flux [/cm2/s] above an energy by IRBEM; 0 without an L."""
    import aep8._irbem as irbem  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415

    known = np.isfinite(shell)
    function: Any = getattr(irbem, FLUXES[particle, phase])
    with np.errstate(all="ignore"):
        values = np.asarray(
            function(
                energy_mev,
                np.ascontiguousarray(np.where(known, shell, 2.0)),
                np.ascontiguousarray(b_ratio),
            )
        )
    return np.where(known & np.isfinite(values), values, 0.0)


def bake() -> dict[str, npt.NDArray[Any]]:
    """Return all arrays of the file."""
    out: dict[str, npt.NDArray[Any]] = {"format": np.array(table.FORMAT)}
    for phase in SolarPhase:
        out[f"field_{phase.value}"] = _field(phase)
    for particle, phase in FLUXES:
        b_max, fluxes = _fluxes(particle, phase)
        out[f"{particle}_{phase.value}"] = fluxes
        out[f"{particle}_{phase.value}_b_max"] = b_max
    return out


def _field(phase: SolarPhase) -> npt.NDArray[np.uint16]:
    inverse_r, latitude, longitude = np.meshgrid(
        table.INVERSE_R, table.LATITUDES_DEG, table.LONGITUDES_DEG, indexing="ij"
    )
    north, east = np.radians(latitude), np.radians(longitude)
    x = np.stack([np.cos(north) * np.cos(east), np.cos(north) * np.sin(east), np.sin(north)], -1)
    places = (x / inverse_r[..., None]).reshape(-1, 3)
    shell, ratio = coordinates(phase, places)
    dipole_shell, dipole_b = table.dipole(places)
    known = np.isfinite(shell)
    with np.errstate(invalid="ignore"):
        pair = np.stack([shell / dipole_shell, ratio / shell**3 / dipole_b], -1)
    pair[~known] = 1.0  # near the poles, where L is beyond all tables
    stored = np.rint(pair.reshape(*inverse_r.shape, 2) / table.RATIO_STEP)
    return table.differences(_whole(stored))


def _fluxes(
    particle: str, phase: SolarPhase
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint16]]:
    energies = table.ELECTRON_ENERGIES_MEV if particle == "electron" else table.PROTON_ENERGIES_MEV
    shells = table.L_SHELLS
    b_max = np.array([_b_max(particle, phase, energies[0], float(s)) for s in shells])
    b_max = b_max.astype(np.float32)
    share = np.linspace(0.0, 1.0, table.B_STEPS) ** 2
    b_ratio = 1.0 + (b_max[:, None].astype(np.float64) - 1.0) * share
    shell = np.broadcast_to(shells[:, None], b_ratio.shape)
    grid = [flux(particle, phase, e, shell.ravel(), b_ratio.ravel()) for e in energies]
    logs = _continued(np.stack(grid, -1).reshape(*b_ratio.shape, len(energies)))
    stored = np.rint((logs - np.log(table.FLOOR)) / table.LOG_STEP)
    return b_max, table.differences(_whole(stored))


def _continued(grid: Floats) -> Floats:
    """Return the logarithm of fluxes (L, u, E), continued along u beyond the end of the models.

    They end at one particle, between two nodes: a straight line on from the last two keeps that end
    where it is, where a fall to nothing would bring it to the node before."""
    logs = np.log(np.maximum(grid, table.FLOOR))
    ended = grid < table.END
    for u in range(2, grid.shape[1]):
        fall = np.minimum(logs[:, u - 1] - logs[:, u - 2], 0.0)
        on = np.clip(logs[:, u - 1] + fall, np.log(table.FLOOR), np.log(table.END))
        logs[:, u] = np.where(ended[:, u], on, logs[:, u])
    falling: Floats = np.minimum.accumulate(logs, axis=-1)  # with energy, there too
    return falling


def _whole(stored: Floats) -> npt.NDArray[np.uint16]:
    """Return whole numbers of 16 bits. Raises: ValueError if one does not fit."""
    if not np.all((stored >= 0) & (stored < 2**16)):
        raise ValueError("a value does not fit into 16 bits")
    return stored.astype(np.uint16)


def _b_max(particle: str, phase: SolarPhase, energy_mev: float, shell: float) -> float:
    """Return the B/B0 at which the flux of the lowest energy ends on a shell."""
    ground = 1.2 * shell**3 * np.sqrt(max(4.0 - 3.0 / shell, 1.0))
    b_ratio = np.linspace(1.0, ground, 8000)
    there = flux(particle, phase, energy_mev, np.full(len(b_ratio), shell), b_ratio)
    last = np.flatnonzero(there > table.FLOOR)
    return float(ground if not len(last) else b_ratio[min(last[-1] + 1, len(b_ratio) - 1)])


def main(arguments: list[str]) -> None:
    """Write the tables to the given path, or over the shipped ones."""
    path = Path(arguments[0]) if arguments else Path(__file__).with_name("belts.npz")
    arrays: dict[str, Any] = bake()
    np.savez_compressed(path, **arrays)
    sys.stdout.write(f"{path}: {path.stat().st_size} bytes\n")


if __name__ == "__main__":
    main(sys.argv[1:])
