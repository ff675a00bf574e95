"""Fluxes of the elements of the galactic cosmic rays near the Earth, outside its field.

The model is that of ISO 15390 (Nymmik; Moscow State University) in the form of Matthiä, Berger,
Mrigakshi and Reitz (Adv. Space Res. 51 (2013) 329): the coefficients of the standard for Z = 1 to
28, and one number W for the modulation, close to the sunspot number, fitted to ACE and to neutron
monitors. Per nucleon, with rigidity R in GV and speed beta,

    C beta^alpha / R^gamma (R / (R + 0.37 + 0.0003 W^1.45))^(0.02 W + 4.7) (A/Z) / beta

particles /(m2 s sr MeV). W is taken as 10 at solar minimum and 110 at maximum: the relation to the
neutron monitor of Oulu in the same paper gives 6 for 2009, 10 for 2020, 30 for 1997, and 92 to 103
for 2001 to 2003, 134 for 1990. The authors find their fit within some 20 % of measurements;
anomalous cosmic rays, below 50 MeV per nucleon, are not in it.

Elements heavier than nickel have the spectrum of iron and the composition of the solar system
(Asplund et al., Annu. Rev. Astron. Astrophys. 47 (2009) 481, table 1: meteorites, krypton and xenon
from the photosphere's column). HEAO 3 found the cosmic rays from arsenic to neodymium consistent
with such a source apart from fractionation by ionisation potential, and platinum richer (Binns et
al., Astrophys. J. 346 (1989) 997). So LETs above that of iron, 29 MeV cm2/mg, have a factor of two
more of doubt."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from hil.plant.radiation.stopping import ENERGIES_MEV_U
from hil.scenario.plant.radiation import SolarPhase

__all__ = [
    "HEAVIEST",
    "WOLF_NUMBER",
    "Element",
    "element_spectrum",
    "elements",
    "flux_above",
    "solar_system_ratio",
]

Floats = npt.NDArray[np.float64]

WOLF_NUMBER: Final = {SolarPhase.MIN: 10.0, SolarPhase.MAX: 110.0}
"""W of the model at the ends of a cycle."""

HEAVIEST: Final = 92
_NUCLEON_GEV: Final = 0.938279  # the value that the model was fitted with
_IRON: Final = 26


@dataclass(frozen=True, slots=True)
class Element:
    """An element of the cosmic rays: charge, mass, and the three coefficients of its spectrum."""

    z: int
    a: float
    c: float
    gamma: float
    alpha: float


_ISO_15390: Final = (
    Element(1, 1.0, 18.5, 2.74, 2.85),
    Element(2, 4.0, 3.69, 2.77, 3.12),
    Element(3, 6.9, 0.0195, 2.82, 3.41),
    Element(4, 9.0, 0.0177, 3.05, 4.30),
    Element(5, 10.8, 0.0492, 2.96, 3.93),
    Element(6, 12.0, 0.103, 2.76, 3.18),
    Element(7, 14.0, 0.0367, 2.89, 3.77),
    Element(8, 16.0, 0.0874, 2.70, 3.11),
    Element(9, 19.0, 0.00319, 2.82, 4.05),
    Element(10, 20.2, 0.0164, 2.76, 3.11),
    Element(11, 23.0, 0.00443, 2.84, 3.14),
    Element(12, 24.3, 0.0193, 2.70, 3.65),
    Element(13, 27.0, 0.00417, 2.77, 3.46),
    Element(14, 28.1, 0.0134, 2.66, 3.00),
    Element(15, 31.0, 0.00115, 2.89, 4.04),
    Element(16, 32.1, 0.00306, 2.71, 3.30),
    Element(17, 35.4, 0.00130, 3.00, 4.40),
    Element(18, 39.9, 0.00233, 2.93, 4.33),
    Element(19, 39.1, 0.00187, 3.05, 4.49),
    Element(20, 40.1, 0.00217, 2.77, 2.93),
    Element(21, 44.9, 0.00074, 2.97, 3.78),
    Element(22, 47.9, 0.00263, 2.99, 3.79),
    Element(23, 50.9, 0.00123, 2.94, 3.50),
    Element(24, 52.0, 0.00212, 2.89, 3.28),
    Element(25, 54.9, 0.00114, 2.74, 3.29),
    Element(26, 55.8, 0.00932, 2.63, 3.01),
    Element(27, 58.9, 0.00010, 2.63, 4.25),
    Element(28, 58.7, 0.00048, 2.63, 3.52),
)

_IRON_ABUNDANCE: Final = 7.45
# Z, atomic weight, abundance as 12 + log10(N/N_H).
_HEAVIER: Final = (
    (29, 63.5, 4.25),
    (30, 65.4, 4.63),
    (31, 69.7, 3.08),
    (32, 72.6, 3.58),
    (33, 74.9, 2.30),
    (34, 79.0, 3.34),
    (35, 79.9, 2.54),
    (36, 83.8, 3.25),
    (37, 85.5, 2.36),
    (38, 87.6, 2.88),
    (39, 88.9, 2.17),
    (40, 91.2, 2.53),
    (41, 92.9, 1.41),
    (42, 96.0, 1.94),
    (44, 101.1, 1.76),
    (45, 102.9, 1.06),
    (46, 106.4, 1.65),
    (47, 107.9, 1.20),
    (48, 112.4, 1.71),
    (49, 114.8, 0.76),
    (50, 118.7, 2.07),
    (51, 121.8, 1.01),
    (52, 127.6, 2.18),
    (53, 126.9, 1.55),
    (54, 131.3, 2.24),
    (55, 132.9, 1.08),
    (56, 137.3, 2.18),
    (57, 138.9, 1.17),
    (58, 140.1, 1.58),
    (59, 140.9, 0.76),
    (60, 144.2, 1.45),
    (62, 150.4, 0.94),
    (63, 152.0, 0.51),
    (64, 157.2, 1.05),
    (65, 158.9, 0.32),
    (66, 162.5, 1.13),
    (67, 164.9, 0.47),
    (68, 167.3, 0.92),
    (69, 168.9, 0.12),
    (70, 173.0, 0.92),
    (71, 175.0, 0.09),
    (72, 178.5, 0.71),
    (73, 180.9, -0.12),
    (74, 183.8, 0.65),
    (75, 186.2, 0.26),
    (76, 190.2, 1.35),
    (77, 192.2, 1.32),
    (78, 195.1, 1.62),
    (79, 197.0, 0.80),
    (80, 200.6, 1.17),
    (81, 204.4, 0.77),
    (82, 207.2, 2.04),
    (83, 209.0, 0.65),
    (90, 232.0, 0.06),
    (92, 238.0, -0.54),
)


def elements(lightest: int = 1, heaviest: int = HEAVIEST) -> tuple[Element, ...]:
    """Return the elements of the model from `lightest` to `heaviest`, by charge."""
    iron = _ISO_15390[_IRON - 1]
    heavier = tuple(
        Element(
            z,
            a,
            # The coefficient counts per rigidity: at one speed A/Z enters the flux by itself.
            iron.c
            * 10.0 ** (abundance - _IRON_ABUNDANCE)
            * ((a / z) / (iron.a / iron.z)) ** (iron.gamma - 1.0),
            iron.gamma,
            iron.alpha,
        )
        for z, a, abundance in _HEAVIER
    )
    every = _ISO_15390 + heavier
    return tuple(e for e in every if lightest <= e.z <= heaviest)


def solar_system_ratio(z: int) -> float:
    """Return the number of atoms of an element beyond nickel for each of iron, in the solar system.

    Raises:
        KeyError: The element is not one of them.
    """
    abundance: float = {number: value for number, _, value in _HEAVIER}[z]
    return float(10.0 ** (abundance - _IRON_ABUNDANCE))


def element_spectrum(element: Element, energy_mev_u: Floats, wolf_number: float) -> Floats:
    """Return the flux of an element [/(m2 s sr MeV/nucleon)] at energies per nucleon."""
    t = np.asarray(energy_mev_u, dtype=np.float64) / 1000.0
    momentum = np.sqrt(t * (t + 2.0 * _NUCLEON_GEV))
    beta = momentum / (t + _NUCLEON_GEV)
    rigidity = element.a / element.z * momentum
    outer = 0.37 + 3e-4 * wolf_number**1.45
    modulation = (rigidity / (rigidity + outer)) ** (0.02 * wolf_number + 4.7)
    per_rigidity = element.c * beta**element.alpha * rigidity**-element.gamma * modulation
    out: Floats = per_rigidity * (element.a / element.z) / beta
    return out


def flux_above(element: Element, phase: SolarPhase) -> Floats:
    """Return the omnidirectional flux [/cm2/s] of an element above each of `ENERGIES_MEV_U`."""
    energy = ENERGIES_MEV_U
    per_log = energy * element_spectrum(element, energy, WOLF_NUMBER[phase]) * (4e-4 * math.pi)
    pieces = np.diff(np.log(energy)) * (per_log[1:] + per_log[:-1]) / 2.0
    tail = per_log[-1] / (element.gamma - 1.0)  # of a power law
    out: Floats = np.append(np.cumsum(pieces[::-1])[::-1] + tail, tail)
    return out
