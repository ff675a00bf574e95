"""Spectra of the LET of ions behind a wall of aluminium, by geomagnetic cut-off.

Ions fly straight ahead through a shell of one thickness, continuously slowed down (`stopping`).
Some are destroyed by nuclear collisions on the way, with the cross-section of Westfall et al.
(Phys. Rev. C 19 (1979) 1309), and their fragments are not counted: behind 2.5 mm iron loses 3 %,
behind 10 mm 11 %, behind 50 mm 45 %, which is the error of this at its low end; fragments would
return at most as many ions, at smaller LETs. The cut-off is a sharp one for all directions, that
of the vertical.

LETs are those in silicon, in MeV cm2/mg. Protons are left out as CREME96 leaves them out for upsets
by direct ionisation: their LET stays below 0.54."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from hil.plant.radiation import galactic_ions
from hil.plant.radiation.shielding import ALUMINIUM_G_CM3, MAX_SHIELDING_MM
from hil.plant.radiation.stopping import (
    ALUMINIUM,
    ENERGIES_MEV_U,
    SILICON,
    ion_range_g_cm2,
    ion_stopping,
)
from hil.scenario.plant.radiation import SolarPhase

__all__ = [
    "CUTOFFS_GV",
    "LETS",
    "IonFlux",
    "LetSpectrum",
    "absorption_g_cm2",
    "galactic_let_spectrum",
    "let_spectrum",
]

Floats = npt.NDArray[np.float64]

LETS: Final = np.logspace(-3.0, math.log10(120.0), 256)
"""Edges, MeV cm2/mg: from 1 MeV cm2/g, where every ion counts, to 120, where none does."""
CUTOFFS_GV: Final = np.concatenate([[0.0], np.logspace(-2.0, math.log10(20.0), 100)])
for _edges in (LETS, CUTOFFS_GV):
    _edges.flags.writeable = False

_NUCLEON_GEV: Final = 0.931494
_LIGHTEST: Final = 2


@dataclass(frozen=True, slots=True)
class IonFlux:
    """Ions of one element outside of the wall: the flux above each of `ENERGIES_MEV_U`.

    Omnidirectional, per cm2 and any unit of time. `charge`: that with which they meet the Earth's
    field; None: of the bare nucleus."""

    z: int
    a: float
    above: Floats
    charge: float | None = None


@dataclass(frozen=True, slots=True)
class LetSpectrum:
    """Ions above each of `LETS` that come through each of `CUTOFFS_GV`: (cut-offs, LETs), /cm2/s.

    Omnidirectional, in an open sky: multiply by what the Earth leaves of it."""

    by_cutoff: Floats

    def above(self, let: Floats, cutoff_gv: Floats) -> Floats:
        """Return the flux (M, N) above LETs (N,) at cut-offs (M,); 0 above the last of `LETS`."""
        log_let = np.log(np.maximum(np.asarray(let, dtype=np.float64), LETS[0]))
        rows = np.stack(
            [
                np.interp(cutoff_gv, CUTOFFS_GV, column)
                for column in self.by_cutoff.T  # one LET each
            ],
            axis=-1,
        )
        with np.errstate(divide="ignore"):
            logs = np.log(rows)
        out = np.stack([np.exp(np.interp(log_let, np.log(LETS), row)) for row in logs])
        return np.where(np.asarray(let) > LETS[-1], 0.0, out)


def absorption_g_cm2(a: float) -> float:
    """Return the mean free path [g/cm2] in aluminium of nuclei of mass `a` against collisions."""
    radii: float = a ** (1.0 / 3.0) + ALUMINIUM.a ** (1.0 / 3.0) - 0.83
    cross_section_cm2 = math.pi * (1.35e-13 * radii) ** 2
    return ALUMINIUM.a / (6.02214e23 * cross_section_cm2)


def let_spectrum(ions: Iterable[IonFlux], wall_mm: float) -> LetSpectrum:
    """Return the LET spectrum of ions behind a wall.

    Raises:
        ValueError: The wall is outside of 0..200 mm.
    """
    if not 0.0 <= wall_mm <= MAX_SHIELDING_MM:
        raise ValueError(
            f"a wall of {wall_mm:g} mm of aluminium: it must be 0..{MAX_SHIELDING_MM:g} mm"
        )
    across = 0.1 * wall_mm * ALUMINIUM_G_CM3
    counts = np.zeros((len(CUTOFFS_GV), len(LETS)))
    for ion in ions:
        _count(ion, across, counts)
    above = np.cumsum(np.cumsum(counts[::-1, ::-1], axis=0), axis=1)[::-1, ::-1]
    above.flags.writeable = False
    return LetSpectrum(above)


def _count(ion: IonFlux, across_g_cm2: float, counts: Floats) -> None:
    """Add an element to `counts`, by the cut-off that it overcomes and its LET behind the wall."""
    energy = ENERGIES_MEV_U
    ranges = ion_range_g_cm2(ion.z, ion.a, ALUMINIUM)
    outside = np.exp(np.interp(np.log(ranges + across_g_cm2), np.log(ranges), np.log(energy)))
    with np.errstate(divide="ignore"):
        log_above = np.log(ion.above)
    arriving = np.exp(np.interp(np.log(outside), np.log(energy), log_above))
    arriving *= math.exp(-across_g_cm2 / absorption_g_cm2(ion.a))
    number = np.maximum(arriving[:-1] - arriving[1:], 0.0)
    inside_mid, outside_mid = (np.sqrt(e[:-1] * e[1:]) for e in (energy, outside))
    let = ion_stopping(ion.z, inside_mid, SILICON) / 1000.0
    t = outside_mid / 1000.0
    charge = ion.z if ion.charge is None else ion.charge
    rigidity = ion.a / charge * np.sqrt(t * (t + 2.0 * _NUCLEON_GEV))
    row = np.searchsorted(CUTOFFS_GV, rigidity, side="right") - 1
    column = np.searchsorted(LETS, let, side="right") - 1
    np.add.at(counts, (row[column >= 0], column[column >= 0]), number[column >= 0])


@functools.cache
def galactic_let_spectrum(phase: SolarPhase, wall_mm: float) -> LetSpectrum:
    """Return the LET spectrum of the galactic cosmic rays from helium to uranium.

    Raises:
        ValueError: The wall is outside of 0..200 mm.
    """
    return let_spectrum(
        (
            IonFlux(e.z, e.a, galactic_ions.flux_above(e, phase))
            for e in galactic_ions.elements(_LIGHTEST)
        ),
        wall_mm,
    )
