"""Galactic protons by the force-field model, behind the Earth's field (vertical cut-off rigidity)
and the Earth's body; for heavier ions see `galactic_ions`.

What it is worth: protons to some 30 %, the cut-off to 20 % (compared with traced rigidities)."""

from __future__ import annotations

import functools
from typing import Final

import numpy as np
import numpy.typing as npt

from hil.plant.earth import EARTH_RADIUS_KM
from hil.scenario.plant.radiation import SolarPhase

__all__ = [
    "MODULATION_GV",
    "PROTON_ENERGIES_MEV",
    "earth_shadow",
    "proton_flux_above",
    "proton_spectrum",
    "rigidity_gv",
    "vertical_cutoff_gv",
]

Floats = npt.NDArray[np.float64]

PROTON_MASS_GEV: Final = 0.938272
MODULATION_GV: Final = {SolarPhase.MIN: 0.4, SolarPhase.MAX: 1.0}
"""Modulation potential of the force-field model; a mean Sun has about 0.6."""


# --- the Earth in the way -----------------------------------------------------------------------


def vertical_cutoff_gv(l_shell: Floats) -> Floats:
    """Return the vertical geomagnetic cut-off rigidity 14.5/L^2 [GV] (Smart and Shea 1994); 0 at
    the poles.

    Against rigidities traced through IGRF at 420 km it is right to about 20 %.
    """
    out: Floats = 14.5 / np.square(l_shell)
    return out


def earth_shadow(radius_km: Floats) -> Floats:
    """Return the part of the sphere of directions, 0.5..1, that the Earth does not cover."""
    sine = np.minimum(EARTH_RADIUS_KM / radius_km, 1.0)
    out: Floats = 0.5 * (1.0 + np.sqrt(1.0 - sine * sine))
    return out


def rigidity_gv(proton_mev: Floats) -> Floats:
    """Return the rigidity [GV] of protons of that kinetic energy."""
    t = np.asarray(proton_mev, dtype=np.float64) / 1000.0
    return np.sqrt(t * (t + 2.0 * PROTON_MASS_GEV))


# --- protons -----------------------------------------------------------------------------------

PROTON_ENERGIES_MEV: Final = np.logspace(1.0, 6.0, 501)
PROTON_ENERGIES_MEV.flags.writeable = False


def proton_spectrum(energy_gev: Floats, modulation_gv: float) -> Floats:
    """Return the flux of protons [/(m2 s sr GeV)] near the Earth, outside its field.

    Force field (Gleeson and Axford 1968) over the local interstellar spectrum of Burger et al.
    2000 as used by Usoskin et al., J. Geophys. Res. 110 (2005) A12108.
    """
    t = np.asarray(energy_gev, dtype=np.float64)
    outer = t + modulation_gv
    p2 = outer * (outer + 2.0 * PROTON_MASS_GEV)
    p = np.sqrt(p2)
    interstellar = 1.9e4 * p**-2.78 / (1.0 + 0.4866 * p**-2.51)
    out: Floats = interstellar * t * (t + 2.0 * PROTON_MASS_GEV) / p2
    return out


@functools.cache
def proton_flux_above(phase: SolarPhase) -> Floats:
    """Return the omnidirectional flux [/cm2/s] above each of PROTON_ENERGIES_MEV, outside the
    field.
    """
    t = PROTON_ENERGIES_MEV / 1000.0
    j = proton_spectrum(t, MODULATION_GV[phase]) * (4.0 * np.pi * 1e-4)
    pieces = np.diff(t) * (j[1:] + j[:-1]) / 2.0
    tail = j[-1] * t[-1] / 1.78  # of a power law of index 2.78
    above = np.append(np.cumsum(pieces[::-1])[::-1] + tail, tail)
    above.flags.writeable = False
    return above
