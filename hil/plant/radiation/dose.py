"""The total ionising dose in silicon along an orbit, behind aluminium, at the centre of a sphere.

Trapped protons (AP8) and electrons with their bremsstrahlung (AE8), averaged over the places of the
flight, and solar protons of active years at a confidence level (SOLPRO), through the geomagnetic
cut-off; the depth-dose kernels are those of SHIELDOSE-2 (`dose_kernels`). Left out: cosmic rays,
some 0.01 krad a year, and what nuclear reactions add behind thick walls.

Given protons (`RadiationEnvironment.protons`) take the place of AP8's; their spectrum goes on
beyond its energies as it ends. Between the phases of the solar cycle every source is weighted with
the Sun's activity, the solar protons too [A].

What it is worth: the transport some 10 %, AP8 and AE8 a factor of two each, SOLPRO its one cycle. A
sphere around a point counts the same wall in every direction; a real box is thicker in most."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from hil.plant.radiation import belt_table, gcr, solpro
from hil.plant.radiation.belt_table import Places
from hil.plant.radiation.dose_kernels import (
    DEPTHS_MM,
    ELECTRON_MEV,
    PROTON_MEV,
    kernels,
    sphere_dose,
)
from hil.plant.radiation.environment import RadiationEnvironment
from hil.plant.radiation.shielding import outside_energy_mev
from hil.scenario.plant.radiation import SolarPhase

__all__ = ["SOLAR_CONFIDENCE", "SOURCES", "DoseRates", "DoseSums", "Phases", "differential"]

Floats = npt.NDArray[np.float64]
Phases: TypeAlias = Sequence[tuple[RadiationEnvironment, float]]
"""Environments of the phases of the solar cycle, with their weights."""

SOLAR_CONFIDENCE: Final = 90
"""Per cent: so likely there are no more solar protons."""
SOURCES: Final = ("trapped protons", "trapped electrons", "bremsstrahlung", "solar protons")

_EVENT_NODES_MEV: Final = np.logspace(0.5, 3.0, 41)
_YEAR_S: Final = 365.25 * 86_400.0
_KRAD: Final = 1e-3


def differential(nodes_mev: Floats, above: Floats, grid_mev: Floats) -> Floats:
    """Return the differential flux at the points of a grid, from an integral one above nodes.

    Between the nodes the integral flux is exponential in energy, and so it goes on beyond them.
    Each point gets the mean of its cell, so that the particles of the grid are those of the nodes.
    """
    edges = np.sqrt(grid_mev[1:] * grid_mev[:-1])
    edges = np.concatenate([[grid_mev[0] ** 2 / edges[0]], edges, [grid_mev[-1] ** 2 / edges[-1]]])
    positive = above > 0.0
    if np.count_nonzero(positive) < 2:
        return np.zeros(len(grid_mev))
    x, y = nodes_mev[positive], np.log(above[positive])
    flux = np.exp(np.interp(edges, x, y))
    for end, inner in ((0, 1), (-1, -2)):
        slope = (y[inner] - y[end]) / (x[inner] - x[end])
        beyond = edges < x[0] if end == 0 else edges > x[-1]
        flux = np.where(beyond, np.exp(y[end] + slope * (edges - x[end])), flux)
    out: Floats = np.maximum(flux[:-1] - flux[1:], 0.0) / np.diff(edges)
    return out


@dataclass(frozen=True, slots=True)
class DoseRates:
    """Doses by depth of aluminium (`DEPTHS_MM`) and source [krad(Si) a year], and the protons that
    arrive behind the wall [/cm2 a year]."""

    by_source: dict[str, Floats]
    protons_per_cm2_year: float

    def behind(self, wall_mm: float) -> dict[str, float]:
        """Return the dose of each source behind a wall [krad(Si) a year].

        A wall thinner than the first of `DEPTHS_MM` counts as that.
        """
        at = math.log(max(wall_mm, float(DEPTHS_MM[0])))
        out = {}
        for source, curve in self.by_source.items():
            logs = np.log(np.maximum(curve, 1e-12))
            value = math.exp(float(np.interp(at, np.log(DEPTHS_MM), logs)))
            out[source] = value if value > 2e-12 else 0.0
        return out


class DoseSums:
    """Sums the radiation at the places of a flight, and returns the dose that follows.

    `environment`: the wall, the events and the sources that count."""

    def __init__(self, environment: RadiationEnvironment) -> None:
        self._environment = environment
        self._count = 0
        given = environment.protons
        nodes = belt_table.PROTON_ENERGIES_MEV if given is None else given.energies_mev
        self._proton_nodes = np.array(nodes)
        self._protons = np.zeros(len(self._proton_nodes))
        self._electrons = np.zeros(len(belt_table.ELECTRON_ENERGIES_MEV))
        self._open = np.zeros(len(PROTON_MEV))  # shares of the solar protons that arrive
        self._events = np.zeros(len(PROTON_MEV))  # fluence of the environment's events
        self.active = False
        """Whether solar protons of active years were counted."""

    def add(
        self,
        latitude_deg: Floats,
        longitude_deg: Floats,
        altitude_km: Floats,
        t_s: Floats | None = None,
        each_s: float = 0.0,
        phases: Phases | None = None,
    ) -> None:
        """Add places (N,), each for an equal time; geodetic.

        With their times from the start of the flight, and how long each stands for, the solar
        particle events of the environment are counted too, and protons that were given. `phases`:
        environments of the solar cycle with their weights, in place of the one of this object.
        """
        environment = self._environment
        self._count += len(latitude_deg)
        places = Places.geodetic(latitude_deg, longitude_deg, altitude_km)
        cutoff: Floats | None = None
        for one, weight in ((environment, 1.0),) if phases is None else phases:
            self._add_belts(places, one, weight)
            if one.phase is SolarPhase.MAX and weight > 0.0:
                self.active = True
                cutoff = _cutoff(places) if cutoff is None else cutoff
                self._open += weight * _open_shares(cutoff, _sky(altitude_km))
        if t_s is None:
            return
        if environment.trapped and environment.protons is not None:
            self._protons += environment.protons.at(t_s).at_nodes.sum(axis=0)
        for event in environment.events:
            cutoff = _cutoff(places) if cutoff is None else cutoff
            weights = event.course_per_s(t_s) * each_s * _sky(altitude_km)
            above = event.fluence_above(_EVENT_NODES_MEV)
            fluence = differential(_EVENT_NODES_MEV, above, PROTON_MEV)
            self._events += fluence * _open_shares(event.storm_factor * cutoff, weights)

    def _add_belts(self, places: Places, environment: RadiationEnvironment, weight: float) -> None:
        if not environment.trapped or weight == 0.0:
            return
        turned = places.turned(environment.saa_drift_deg)
        shell, b_ratio = belt_table.field(environment.phase).coordinates(turned)
        phase = environment.phase
        if self._environment.protons is None:
            self._protons += weight * _sum_of("proton", phase, shell, b_ratio)
        self._electrons += weight * _sum_of("electron", phase, shell, b_ratio)

    def events_krad(self, wall_mm: float) -> float:
        """Return the dose [krad(Si)] of the solar particle events of the flight, behind a wall."""
        curve = sphere_dose(self._events @ kernels().proton) * _KRAD
        return DoseRates({"events": curve}, 0.0).behind(wall_mm)["events"]

    def rates(self, years: float) -> DoseRates:
        """Return the doses a year; solar protons of a mission of so many years (at least one)."""
        count = max(self._count, 1)
        protons = self._protons / count * _YEAR_S
        electrons = self._electrons / count * _YEAR_S
        trapped = differential(self._proton_nodes, protons, PROTON_MEV)
        electron = differential(np.array(belt_table.ELECTRON_ENERGIES_MEV), electrons, ELECTRON_MEV)
        solar = self._open / count * _solar_protons(years)
        k = kernels()
        doses = (trapped @ k.proton, electron @ k.electron, electron @ k.bremsstrahlung)
        halves = dict(zip(SOURCES, (*doses, solar @ k.proton), strict=True))
        wall = outside_energy_mev(0.0, self._environment.shielding_mm_al)
        widths = np.gradient(PROTON_MEV)
        through = np.where(wall <= PROTON_MEV, widths, 0.0)
        return DoseRates(
            {source: sphere_dose(half) * _KRAD for source, half in halves.items()},
            float(np.sum((trapped + solar) * through)),
        )


def _cutoff(places: Places) -> Floats:
    """Return the vertical cut-off rigidity [GV] at places, as for the rates of upsets."""
    return gcr.vertical_cutoff_gv(belt_table.field(SolarPhase.MAX).shell(places))


def _sum_of(particle: str, phase: SolarPhase, shell: Floats, b_ratio: Floats) -> Floats:
    """Return the sum over places of the fluxes above each energy of a belt."""
    belt = belt_table.belt(particle, phase)
    inside = belt.inside(shell, b_ratio)
    total: Floats = belt.flux_above(shell[inside], b_ratio[inside]).sum(axis=0)
    return total


def _sky(altitude_km: Floats) -> Floats:
    return gcr.earth_shadow(belt_table.EARTH_RADIUS_KM + altitude_km)


def _open_shares(cutoff: Floats, weights: Floats) -> Floats:
    """Return, at each energy, the sum of the weights of the places that its protons reach."""
    order = np.argsort(cutoff)
    running = np.concatenate([[0.0], np.cumsum(weights[order])])
    reached = np.searchsorted(cutoff[order], gcr.rigidity_gv(PROTON_MEV), side="right")
    out: Floats = running[reached]
    return out


def _solar_protons(years: float) -> Floats:
    """Return the differential fluence of a year outside the field [/cm2/MeV]."""
    mission = max(years, 1.0)
    nodes = np.array([10.0, 30.0, 100.0])
    above = solpro.fluence_above(nodes, mission, SOLAR_CONFIDENCE) / mission
    return differential(nodes, above, PROTON_MEV)
