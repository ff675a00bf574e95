"""Spectra of large solar proton events by how seldom they are: SAPPHIRE.

Jiggens et al. (J. Space Weather Space Clim. 8 (2018) A31), table 8: Band functions in rigidity of
the fluence of a whole event and of its peak flux, for events that are exceeded once in 10 to 10,000
years of an average cycle; the parameters were read where another program quotes that table. The
power law at high rigidity is fitted to ground-level events, so the tail reaches GeV.

Against measured peaks above 10 MeV: once in 50 years 39,100 /cm2/s/sr (October 1989: 40,000), once
in 20 years 24,900 (July 2000: 24,000). Above 100 MeV once in 100 years 644 (20 January 2005, the
largest of GOES: some 650)."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

__all__ = ["RETURN_YEARS", "event_fluence_above", "peak_flux_above"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Band:
    """c R^-a exp(-R / r0) per GV and sr up to (b - a) r0, and R^-b beyond."""

    c: float
    a: float
    r0_gv: float
    b: float

    def __call__(self, rigidity_gv: Floats) -> Floats:
        steeper = self.b - self.a
        joint = steeper * self.r0_gv
        low = self.c * rigidity_gv**-self.a * np.exp(-np.minimum(rigidity_gv, joint) / self.r0_gv)
        high = self.c * rigidity_gv**-self.b * joint**steeper * np.exp(-steeper)
        out: Floats = np.where(rigidity_gv < joint, low, high)
        return out


_FLUENCES: Final = {
    10: _Band(1.33e10, 0.85, 7.22e-2, 5.7),
    20: _Band(2.81e10, 0.71, 7.01e-2, 5.7),
    50: _Band(5.85e10, 0.56, 6.81e-2, 5.7),
    100: _Band(8.73e10, 0.48, 6.71e-2, 5.7),
    300: _Band(1.45e11, 0.38, 6.58e-2, 5.7),
    1000: _Band(2.14e11, 0.315, 6.50e-2, 5.7),
    10000: _Band(3.95e11, 0.195, 6.36e-2, 5.7),
}
_PEAKS: Final = {
    10: _Band(6.03e3, 2.55, 1.30e-1, 5.25),
    20: _Band(1.55e4, 2.35, 1.21e-1, 5.25),
    50: _Band(3.58e4, 2.18, 1.14e-1, 5.25),
    100: _Band(5.64e4, 2.09, 1.11e-1, 5.25),
    300: _Band(9.60e4, 1.99, 1.07e-1, 5.25),
    1000: _Band(1.53e5, 1.90, 1.05e-1, 5.25),
    10000: _Band(2.96e5, 1.77, 1.01e-1, 5.25),
}
RETURN_YEARS: Final = tuple(_FLUENCES)

_MASS_GEV: Final = 0.938272
_GRID_MEV: Final = np.logspace(-1.0, 5.0, 3001)


def event_fluence_above(energy_mev: Floats, return_years: int) -> Floats:
    """Return the omnidirectional fluence [/cm2] of protons above an energy, outside the field.

    Raises:
        KeyError: The return period is not one of `RETURN_YEARS`.
    """
    return _above(energy_mev, _FLUENCES[return_years])


def peak_flux_above(energy_mev: Floats, return_years: int) -> Floats:
    """Return the omnidirectional peak flux [/cm2/s] of protons above an energy.

    Divided by 4 pi it is what GOES reports.

    Raises:
        KeyError: The return period is not one of `RETURN_YEARS`.
    """
    return _above(energy_mev, _PEAKS[return_years])


def _above(energy_mev: Floats, band: _Band) -> Floats:
    logs = np.log(_integral(band))
    at = np.log(np.asarray(energy_mev, dtype=np.float64))
    out: Floats = np.exp(np.interp(at, np.log(_GRID_MEV), logs))
    return out


@functools.cache
def _integral(band: _Band) -> Floats:
    """Return the flux above each point of the grid, over all directions."""
    energy = _GRID_MEV / 1000.0
    rigidity = np.sqrt(energy * (energy + 2.0 * _MASS_GEV))
    per_gev = band(rigidity) * (energy + _MASS_GEV) / rigidity
    per_log = 4.0 * np.pi * energy * per_gev
    pieces = np.diff(np.log(energy)) * (per_log[1:] + per_log[:-1]) / 2.0
    tail = per_log[-1] / (band.b - 1.0)  # of the power law
    out: Floats = np.append(np.cumsum(pieces[::-1])[::-1] + tail, tail)
    return out
