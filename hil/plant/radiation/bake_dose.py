"""Bakes dose.npz, the depth-dose kernels that ship with this package. Run it only to change them:

    pip install spacepy && python -m hil.plant.radiation.bake_dose [FILE]

SpacePy's IRBEM has SHIELDOSE-2, version 2.10, of its author. For a unit spectrum at one point of
the energy grid and nothing elsewhere it returns that point's share of its own integral, so that the
sum over the points is its answer for any spectrum on that grid. The same build gives the same
file. It takes a few seconds."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from hil.plant.radiation.dose_kernels import DEPTHS_MM, ELECTRON_MEV, FORMAT, PROTON_MEV

__all__ = ["bake", "half_space_doses"]

Floats = npt.NDArray[np.float64]

_NOTHING: Final = 1e-30
_SILICON, _NO_NUCLEAR = 3, 1


def half_space_doses(protons: Floats, electrons: Floats) -> dict[str, Floats]:
    """Return the doses [rad(Si)] (depths,) of differential fluences on the two energy grids.

    Raises:
        ModuleNotFoundError: The package spacepy is not installed.
    """
    import spacepy.irbempy  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415

    run: Any = spacepy.irbempy.Shieldose2()
    run.set_shielding(depths=DEPTHS_MM, units="mm")
    run.set_flux(electrons, ELECTRON_MEV, "e")
    run.set_flux(protons, PROTON_MEV, "p_tr")
    run.set_flux(protons, PROTON_MEV, "p_un")
    run.get_dose(detector=_SILICON, nucmeth=_NO_NUCLEAR)
    names = {
        "proton": "dose_proton_untrapped",
        "electron": "dose_electron",
        "bremsstrahlung": "dose_bremsstrahlung",
    }
    return {name: np.array(run.results[key])[:, 0] for name, key in names.items()}


def bake() -> dict[str, npt.NDArray[Any]]:
    """Return all arrays of the file."""
    points = max(len(PROTON_MEV), len(ELECTRON_MEV))
    rows: dict[str, list[Floats]] = {"proton": [], "electron": [], "bremsstrahlung": []}
    for point in range(points):
        doses = half_space_doses(_unit(len(PROTON_MEV), point), _unit(len(ELECTRON_MEV), point))
        if point < len(PROTON_MEV):
            rows["proton"].append(doses["proton"])
        if point < len(ELECTRON_MEV):
            rows["electron"].append(doses["electron"])
            rows["bremsstrahlung"].append(doses["bremsstrahlung"])
    out: dict[str, npt.NDArray[Any]] = {
        name: np.array(values).astype(np.float32) for name, values in rows.items()
    }
    return {"format": np.array(FORMAT), **out}


def _unit(length: int, point: int) -> Floats:
    spectrum = np.full(length, _NOTHING)
    if point < length:
        spectrum[point] = 1.0
    return spectrum


def main(arguments: list[str]) -> None:
    """Write the kernels to the given path, or over the shipped ones."""
    path = Path(arguments[0]) if arguments else Path(__file__).with_name("dose.npz")
    arrays: dict[str, Any] = bake()
    np.savez_compressed(path, **arrays)
    sys.stdout.write(f"{path}: {path.stat().st_size} bytes\n")


if __name__ == "__main__":
    main(sys.argv[1:])
