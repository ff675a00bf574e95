"""Ions of large solar particle events, from helium to uranium, beside their protons.

Per nucleon an ion has the spectrum of the protons at the energy E (A/Q)^0.3, times its abundance:
ions that are less stripped reach less energy. The abundances are those of gradual events relative
to oxygen (Reames, Space Sci. Rev. 214 (2018) 61; protons 1570 times oxygen), beyond nickel those of
the solar system relative to iron (see `galactic_ions`); the charges Q are those that were measured
at some 30 MeV per nucleon (iron 15). Abundances and charges are remembered from these sources,
grade R.

The exponent is fitted, to one number: CREME96's worst week at GEO behind 2.54 mm of aluminium, with
2.2e-3 ions /cm2/day above 43 MeV cm2/mg. A week with the event of once in 50 years, which has the
protons of October 1989, gives 2.4e-3. CREME96's 6.4e-4 at the ISS is then a check: it comes out as
5.4e-4 to 7.1e-4, by how far the storm opens the field. Single events differ by a factor of ten."""

from __future__ import annotations

import functools
from typing import Final

import numpy as np

from hil.plant.radiation import sapphire
from hil.plant.radiation.galactic_ions import elements, solar_system_ratio
from hil.plant.radiation.let_spectrum import IonFlux, LetSpectrum, let_spectrum
from hil.plant.radiation.stopping import ENERGIES_MEV_U

__all__ = ["event_let_spectrum"]

_PROTONS: Final = 1.57e6  # on the scale of oxygen = 1000
_ABUNDANCES: Final = {
    2: 57000.0,
    6: 420.0,
    7: 128.0,
    8: 1000.0,
    10: 157.0,
    11: 10.4,
    12: 178.0,
    13: 15.7,
    14: 151.0,
    15: 0.65,
    16: 25.0,
    17: 0.24,
    18: 4.3,
    19: 0.55,
    20: 11.0,
    22: 0.34,
    24: 2.1,
    26: 131.0,
    28: 6.4,
}
_CHARGES: Final = (
    (2.0, 6.0, 8.0, 12.0, 14.0, 20.0, 26.0, 92.0),
    (2.0, 5.7, 7.2, 10.3, 11.0, 12.0, 15.2, 25.0),
)
_EXPONENT: Final = 0.3
_IRON, _NICKEL = 26, 28


@functools.lru_cache(maxsize=32)
def event_let_spectrum(return_years: int, wall_mm: float) -> LetSpectrum:
    """Return the fluence [/cm2] of a whole event's ions by LET and cut-off, behind a wall.

    Raises:
        KeyError: The return period is not one of `sapphire.RETURN_YEARS`.
        ValueError: The wall is outside of 0..200 mm.
    """
    ions = []
    for element in elements(lightest=2):
        abundance = _ABUNDANCES.get(element.z)
        if abundance is None and element.z > _NICKEL:
            abundance = _ABUNDANCES[_IRON] * solar_system_ratio(element.z)
        if abundance is None:
            continue
        charge = float(np.interp(element.z, *_CHARGES))
        shifted = ENERGIES_MEV_U * (element.a / charge) ** _EXPONENT
        above = sapphire.event_fluence_above(shifted, return_years) * (abundance / _PROTONS)
        ions.append(IonFlux(element.z, element.a, above, charge))
    return let_spectrum(ions, wall_mm)
