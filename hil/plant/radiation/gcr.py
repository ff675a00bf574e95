"""Galactic cosmic rays in low orbit: protons by the force-field model, heavy ions by a LET table,
both behind the Earth's field (vertical cut-off rigidity) and the Earth's body.

What it is worth: protons to some 30 %, the cut-off to 20 % (compared with traced rigidities), heavy
ions to a factor of two to three at best."""

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
    "heavy_ions_above",
    "let_transmission",
    "proton_flux_above",
    "proton_spectrum",
    "rigidity_gv",
    "vertical_cutoff_gv",
]

Floats = npt.NDArray[np.float64]

PROTON_MASS_GEV: Final = 0.938272
MODULATION_GV: Final = {SolarPhase.MIN: 0.4, SolarPhase.MAX: 1.0}
"""Modulation potential of the force-field model; a mean Sun has about 0.6."""

_DAY_S: Final = 86_400.0


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


# --- heavy ions ----------------------------------------------------------------------------------

WORST_WEEK_LET43_PER_CM2_DAY: Final = {"leo": 6.40e-4, "geo": 2.2e-3}
"""CREME96 worst week behind 2.54 mm of aluminium, LET > 43 (TI SBOK044B, table 10-1; grade S)."""

# Integral LET spectrum (Si) of galactic heavy ions behind 2.5 mm of aluminium, outside the Earth's
# field, solar minimum: LET in MeV cm2/mg, ions /cm2/day. To 28, where iron ends: own model (Z up
# to 28, Bethe, straight ahead, no fragmentation); a factor of 2 to 3, not validated against CREME96
# (grade M). At 43: an upper bound, the worst week of CREME96 at GEO; a quiet day has far fewer,
# which no source that was read puts a number to. So latch-ups, of which this decides, come out
# too often, by a factor of ten or so (grade A), but not never.
_LET: Final = np.array([0.1, 0.5, 1.0, 3.0, 5.0, 10.0, 15.0, 20.0, 25.0, 28.0, 43.0])
_FREE_SPACE: Final = np.array(
    [
        2650.0,
        421.0,
        220.0,
        18.7,
        5.8,
        1.03,
        0.30,
        0.10,
        0.029,
        0.009,
        WORST_WEEK_LET43_PER_CM2_DAY["geo"],
    ]
)
# The same model at solar maximum, as a fraction of minimum; known only for the ISS's orbit, where
# soft ions are cut off anyhow: outside the field the fraction would be smaller (grade A).
_AT_MAXIMUM: Final = np.array([0.58, 0.56, 0.58, 0.23, 0.21, 0.21, 0.22, 0.22, 0.21, 0.22, 0.22])
# Rigidity at which half of the ions get through. Fitted here to that model's means over two
# orbits, 420 km 51.6 deg and 650 km sun-synchronous, which it returns to 10 % at every LET. Heavier
# ions are taken to be as stiff as iron.
_HALF_GV: Final = np.array([2.57, 2.27, 2.48, 0.82, 0.77, 0.75, 0.75, 0.77, 0.77, 0.75, 0.75])
_STEEPNESS: Final = 2.5

LET_RANGE: Final = (float(_LET[0]), float(_LET[-1]))


def heavy_ions_above(let: Floats, phase: SolarPhase) -> Floats:
    """Return the heavy ions [/cm2/s] above `let`, outside the Earth's field, behind 2.5 mm Al.

    Log-log between the table's points. Below 0.1 MeV cm2/mg it is held, so lighter hits are not
    counted. From 28 on, beyond iron, it is an upper bound, and 0 above 43: of parts that need more
    nothing is known. Ions of solar events are not in it otherwise.
    """
    x = np.asarray(let, dtype=np.float64)
    log_x = np.log(np.maximum(x, _LET[0]))
    flux = np.exp(np.interp(log_x, np.log(_LET), np.log(_FREE_SPACE))) / _DAY_S
    if phase is SolarPhase.MAX:
        flux = flux * np.interp(log_x, np.log(_LET), _AT_MAXIMUM)
    out: Floats = np.where(x > _LET[-1], 0.0, flux)
    return out


def let_transmission(let: Floats, cutoff_gv: Floats) -> Floats:
    """Return the part 0..1 of the ions above a LET that a vertical cut-off lets through.
    Broadcasts.
    """
    half = np.interp(np.log(np.maximum(let, _LET[0])), np.log(_LET), _HALF_GV)
    out: Floats = 1.0 / (1.0 + (np.asarray(cutoff_gv) / half) ** _STEEPNESS)
    return out
