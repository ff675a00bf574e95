"""The depth-dose kernels in aluminium that ship with this package, and their file.

The transport is that of SHIELDOSE-2 (Seltzer, NISTIR 5477, 1994): protons straight ahead in the
continuous-slowing-down approximation with their nuclear interactions left out (its option 1, which
SPENVIS takes as default), electrons and their bremsstrahlung by Monte Carlo (ETRAN). `bake_dose`
runs it once for each point of an energy grid; what is stored are the doses in a thin layer of
silicon inside a half-space of aluminium, of which any spectrum's dose is a sum. That is linear and
exact: a spectrum given here has the dose that SHIELDOSE-2 gives it.

The dose at the centre of a solid sphere follows from that of the half-space, D, by Seltzer's
relation 2 D (1 - d ln D / d ln z); the factor 2 is the other half of the directions."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final

import numpy as np
import numpy.typing as npt

__all__ = [
    "DEPTHS_MM",
    "ELECTRON_MEV",
    "FORMAT",
    "PROTON_MEV",
    "Kernels",
    "kernels",
    "sphere_dose",
]

Floats = npt.NDArray[np.float64]

FORMAT: Final = 1
DEPTHS_MM: Final = np.logspace(np.log10(0.05), np.log10(220.0), 70)
PROTON_MEV: Final = np.logspace(0.0, 3.0, 151)
ELECTRON_MEV: Final = np.logspace(np.log10(0.05), np.log10(8.0), 81)
for _grid in (DEPTHS_MM, PROTON_MEV, ELECTRON_MEV):
    _grid.flags.writeable = False


@dataclass(frozen=True, slots=True)
class Kernels:
    """Doses in a half-space [rad(Si)] of a differential fluence of 1 /cm2/MeV at a grid point.

    Each (energies, depths), the weights of the integration over the energy included.
    """

    proton: Floats
    electron: Floats
    bremsstrahlung: Floats


@functools.cache
def kernels() -> Kernels:
    """Return the shipped kernels."""
    with resources.files(__package__).joinpath("dose.npz").open("rb") as file, np.load(file) as npz:
        stored: Mapping[str, npt.NDArray[Any]] = npz
        if int(stored["format"]) != FORMAT:
            raise ValueError(f"dose.npz is of format {stored['format']}, expected {FORMAT}")
        proton, electron, photons = (
            stored[name].astype(np.float64) for name in ("proton", "electron", "bremsstrahlung")
        )
    return Kernels(proton, electron, photons)


def sphere_dose(half_space: Floats) -> Floats:
    """Return the dose at the centre of solid spheres of radius `DEPTHS_MM`.

    `half_space` (..., depths): the dose at each depth of a half-space, in the same unit.
    """
    log_z = np.log(DEPTHS_MM)
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = np.gradient(np.log(half_space), log_z, axis=-1)
        dose = 2.0 * half_space * (1.0 - slope)
    out: Floats = np.where(np.isfinite(dose) & (half_space > 0.0), np.maximum(dose, 0.0), 0.0)
    return out
