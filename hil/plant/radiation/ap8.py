"""Trapped protons along a track: AP8MIN and AP8MAX (Sawyer and Vette 1976), by L and B/B0 in the
fields that they belong to (`belt_table`).

What it is worth. AP8 is a static mean to a factor of about two; it knows no storms, no direction,
no energy below 0.1 or above 400 MeV. Against the code that the tables were baked from
(`bake_belts`) peaks and means along orbits are right to 5 %.

Where it ends:
- Altitude: from 100 km on. Below 300 km AP8 follows the field line into an atmosphere that it knows
  only from satellites above it; what the table says there is AP8's own answer, small, and may be
  wrong by far more than two. Below 100 km it is held. Far out AP8 ends at L 6.6, and long before
  that has no protons of 10 MeV.
- Energy: 10 to 300 MeV, others are refused. Between its energies the logarithm of the flux is
  interpolated linearly in energy (an exponential spectrum), as AP8 itself nearly does: within 2 %.

`saa_drift_deg`. The map belongs to the fields of 1960 and 1970, and must. The real anomaly has
drifted west since, by about 0.3 degree a year; so the map is turned west by this angle before it
is read. 18 degrees (60 years) is right to some degrees for the 2020s, and is an estimate; 0 is
the model as published, for comparison with SPENVIS and others. It moves the time at which an orbit
meets the anomaly, hardly the mean over many days."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from hil.plant.radiation import belt_table
from hil.plant.radiation.belt_table import Places
from hil.scenario.plant.radiation import SolarPhase

__all__ = [
    "DEFAULT_SAA_DRIFT_DEG",
    "ENERGIES_MEV",
    "Trapped",
    "mcilwain_l",
    "places_of",
    "trapped",
    "trapped_at",
]

Floats = npt.NDArray[np.float64]

ENERGIES_MEV: Final = (10.0, 20.0, 30.0, 50.0, 100.0, 200.0, 300.0)
DEFAULT_SAA_DRIFT_DEG: Final = 18.0
_LOWEST_KM: Final = 100.0


@dataclass(frozen=True, slots=True)
class Trapped:
    """Trapped protons at N points. The flux is 0 except at the points `active` (indices)."""

    count: int
    active: npt.NDArray[np.intp]
    at_nodes: Floats  # (len(active), len(ENERGIES_MEV)) integral flux, /cm2/s

    def above_active(self, energies_mev: Floats) -> Floats:
        """Return the omnidirectional flux [/cm2/s] above each of the energies at the active points:
        (M, E).

        Raises:
            ValueError: An energy is outside of 10..300 MeV.
        """
        nodes = np.array(ENERGIES_MEV)
        energies = np.asarray(energies_mev, dtype=np.float64)
        if not np.all((energies >= nodes[0]) & (energies <= nodes[-1])):
            raise ValueError(
                f"energies of trapped protons are {nodes[0]:g}..{nodes[-1]:g} MeV, not {energies}"
            )
        out = np.empty((len(self.active), energies.size))
        for column, energy in enumerate(energies):
            i = min(int(np.searchsorted(nodes, energy, side="right")) - 1, len(nodes) - 2)
            x = (energy - nodes[i]) / (nodes[i + 1] - nodes[i])
            low, high = self.at_nodes[:, i], self.at_nodes[:, i + 1]
            if x in (0.0, 1.0):
                out[:, column] = high if x else low
                continue
            both = high > 0.0
            between = np.zeros(len(low))
            between[both] = low[both] ** (1.0 - x) * high[both] ** x
            out[:, column] = between
        out[out < belt_table.END] = 0.0
        return out

    def above(self, energies_mev: Floats) -> Floats:
        """Return the same at all points: (N, E)."""
        out = np.zeros((self.count, np.size(energies_mev)))
        out[self.active] = self.above_active(np.atleast_1d(energies_mev))
        return out


def trapped(
    latitude_deg: Floats,
    longitude_deg: Floats,
    altitude_km: Floats,
    *,
    phase: SolarPhase = SolarPhase.MIN,
    saa_drift_deg: float = DEFAULT_SAA_DRIFT_DEG,
) -> Trapped:
    """Return the trapped protons at geodetic positions, each (N,).

    Raises:
        ValueError: A position is not a number.
    """
    return trapped_at(places_of(latitude_deg, longitude_deg, altitude_km), phase, saa_drift_deg)


def trapped_at(places: Places, phase: SolarPhase, saa_drift_deg: float) -> Trapped:
    """Return the same at places that are known."""
    shell, b_ratio = belt_table.field(phase).coordinates(places.turned(saa_drift_deg))
    # Where the lowest energy has less than the end of the model, all others have, too.
    lowest = belt_table.belt("proton", phase, ENERGIES_MEV[:1])
    inside = lowest.inside(shell, b_ratio)
    some = lowest.flux_above(shell[inside], b_ratio[inside])[:, 0] >= belt_table.END
    inside = inside[some]
    belt = belt_table.belt("proton", phase, ENERGIES_MEV)
    return Trapped(len(shell), inside, belt.flux_above(shell[inside], b_ratio[inside]))


def mcilwain_l(places: Places) -> Floats:
    """Return McIlwain's L (N,) in the field GSFC 12/66 for 1970; some tens at the poles.

    Not turned by the drift of the anomaly: the poles did not drift so.
    """
    return belt_table.field(SolarPhase.MAX).shell(places)


def places_of(latitude_deg: Floats, longitude_deg: Floats, altitude_km: Floats) -> Places:
    """Return geodetic positions, each (N,), as places of the tables; not below 100 km.

    Raises:
        ValueError: A position is not a number.
    """
    if not np.all(np.isfinite(altitude_km + latitude_deg + longitude_deg)):
        raise ValueError("a position is not a number")
    return Places.geodetic(latitude_deg, longitude_deg, np.maximum(altitude_km, _LOWEST_KM))
