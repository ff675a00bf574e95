"""Upset rates along a track: the radiation there, times the cross-sections of a board.

The wall slows protons down before they meet the part (`shielding`); a part's curve is folded with
what is left of the spectrum. Protons come from the belt, from the galaxy and from the Sun; heavy
ions from the galaxy and, in events by `return_years`, from the Sun."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from hil.board_types.channels import Effect, Particle
from hil.plant.orbit import Track
from hil.plant.radiation import ap8, gcr
from hil.plant.radiation.belt_table import Places
from hil.plant.radiation.crosssection import (
    KINDS,
    CrossSectionCurve,
    Plateau,
    RateUnit,
    Section,
    fold,
)
from hil.plant.radiation.environment import RadiationEnvironment
from hil.plant.radiation.flux_table import GivenProtons
from hil.plant.radiation.irpp import DEFAULT_DEPTH_UM, Box, ion_rate
from hil.plant.radiation.let_spectrum import CUTOFFS_GV, LETS, galactic_let_spectrum
from hil.plant.radiation.shielding import outside_energy_mev, residual_energy_mev
from hil.plant.radiation.spe import SolarParticleEvent
from hil.scenario.plant.radiation import SolarPhase

__all__ = ["RadiationAlong", "cutoff_gv", "proton_flux", "section_rate", "upset_rates"]

Floats = npt.NDArray[np.float64]

_BELT_POINTS = 17
_PROTONS_GV: Final = gcr.rigidity_gv(gcr.PROTON_ENERGIES_MEV)
_TABLES: Final = 256
"""Tables that are kept: one for each curve and environment."""


def upset_rates(
    track: Track, environment: RadiationEnvironment, sections: Sequence[Section]
) -> dict[Effect, Floats]:
    """Return the rates of a board along a track: see `RadiationAlong.rates`."""
    return RadiationAlong(track, environment).rates(sections)


def section_rate(track: Track, environment: RadiationEnvironment, section: Section) -> Floats:
    """Return the events per second (N,) of one section, of all its kinds."""
    return RadiationAlong(track, environment).rate(section) * environment.accel


def proton_flux(track: Track, environment: RadiationEnvironment, above_mev: float = 0.0) -> Floats:
    """Return the protons [/cm2/s] (N,) of all sources with more than `above_mev` behind the wall.

    Acceleration is included. Trapped protons of less than 10 MeV outside of the wall are not known.
    """
    return RadiationAlong(track, environment).proton_flux(above_mev) * environment.accel


def cutoff_gv(track: Track) -> Floats:
    """Return the vertical cut-off rigidity (N,) [GV] along the track."""
    places = ap8.places_of(track.latitude_deg, track.longitude_deg, track.altitude_km)
    return gcr.vertical_cutoff_gv(ap8.mcilwain_l(places))


@dataclass(frozen=True, slots=True)
class _Located:
    """Places (N,) in a rising grid: the point below each, and how far above it each is. Curves over
    the grid are read there linearly, as `numpy.interp` reads them, which looks for the places anew
    for each curve."""

    grid: Floats
    below: npt.NDArray[np.intp]
    above: Floats

    @classmethod
    def of(cls, x: Floats, grid: Floats) -> _Located:
        """Return where `x` (N,) is; values beyond the ends are held there."""
        held = np.clip(x, grid[0], grid[-1])
        below = np.minimum(np.searchsorted(grid, held, side="right") - 1, len(grid) - 2)
        return cls(grid, below, held - grid[below])

    def read(self, curve: Floats) -> Floats:
        """Return a curve over the grid at the places (N,)."""
        slope = np.diff(curve) / np.diff(self.grid)
        out: Floats = np.take(slope, self.below) * self.above + np.take(curve, self.below)
        return out


class RadiationAlong:
    """The radiation along one track, computed once for all boards that ask for it."""

    def __init__(self, track: Track, environment: RadiationEnvironment) -> None:
        self._track = track
        self._environment = environment
        self._places: Places | None = None
        self._belt: ap8.Trapped | GivenProtons | None = None
        self._cutoff_gv: Floats | None = None
        self._in_protons: _Located | None = None
        self._in_ions: _Located | None = None
        self._open_sky: Floats | None = None

    def rates(self, sections: Sequence[Section]) -> dict[Effect, Floats]:
        """Return the events per second (N,) of each of `KINDS`, acceleration included; 0 without a
        section.

        A section's `mbu_fraction` counts as `mbu`, the rest as `seu`.
        """
        rates = {kind: np.zeros(len(self._track)) for kind in KINDS}
        for section in sections:
            rate = self.rate(section) * self._environment.accel
            rates[section.kind] += (1.0 - section.mbu_fraction) * rate
            if section.mbu_fraction:
                rates[Effect.MBU] += section.mbu_fraction * rate
        return rates

    def proton_flux(self, above_mev: float = 0.0) -> Floats:
        """Return the protons [/cm2/s] (N,) of all sources with more than `above_mev` behind the
        wall, without acceleration."""
        every = Plateau(1.0, above_mev)
        return self.rate(Section(Effect.SEU, Particle.PROTON, every, "counts every proton", "M"))

    def solar_proton_flux(self) -> Floats:
        """Return the protons [/cm2/s] (N,) of solar particle events behind the wall, without
        acceleration."""
        if not self._environment.events:
            return np.zeros(len(self._track))
        return self._solar_protons(Plateau(1.0, 0.0))

    def rate(self, section: Section) -> Floats:
        """Return the events per second (N,) of a section from all sources, without acceleration."""
        out = np.zeros(len(self._track))
        if section.particle is Particle.HEAVY_ION:
            if self._environment.cosmic_rays:
                out += self._heavy_ions(section.unit)
            out += self._solar_ions(section.unit)
        else:
            if self._environment.trapped:
                self._add_belt(section.curve, out)
            if self._environment.cosmic_rays:
                out += self._galactic_protons(section.curve)
            if self._environment.events:
                out += self._solar_protons(section.curve)
        out *= section.bits
        return out

    # --- what is computed once ---

    def _at(self) -> Places:
        if self._places is None:
            track = self._track
            self._places = Places.of_track(track.r_ecef_km, track.latitude_deg, track.longitude_deg)
        return self._places

    def _trapped(self) -> ap8.Trapped | GivenProtons:
        if self._belt is None:
            given, environment = self._environment.protons, self._environment
            self._belt = (
                ap8.trapped_at(self._at(), environment.phase, environment.saa_drift_deg)
                if given is None
                else given.at(self._track.t_s)
            )
        return self._belt

    def _cutoff(self) -> Floats:
        if self._cutoff_gv is None:
            self._cutoff_gv = gcr.vertical_cutoff_gv(ap8.mcilwain_l(self._at()))
        return self._cutoff_gv

    def _sky(self) -> Floats:
        if self._open_sky is None:
            r = self._track.r_teme_km
            radius = np.sqrt(r[:, 0] ** 2 + r[:, 1] ** 2 + r[:, 2] ** 2)
            self._open_sky = gcr.earth_shadow(radius)
        return self._open_sky

    # --- one source, one curve ---

    def _add_belt(self, curve: CrossSectionCurve, out: Floats) -> None:
        given, wall = self._environment.protons, self._environment.shielding_mm_al
        nodes = ap8.ENERGIES_MEV if given is None else given.energies_mev
        table = _belt_grid(curve, wall, float(nodes[0]), float(nodes[-1]))
        if table is None:
            return
        belt = self._trapped()
        grid, sigma = table
        out[belt.active] += fold(sigma, belt.above_active(grid))

    def _galactic_protons(self, curve: CrossSectionCurve) -> Floats:
        environment = self._environment
        rate_above = _galactic_above(curve, environment.phase, environment.shielding_mm_al)
        if self._in_protons is None:
            self._in_protons = _Located.of(self._cutoff(), _PROTONS_GV)
        return self._sky() * self._in_protons.read(rate_above)

    def _solar_protons(self, curve: CrossSectionCurve) -> Floats:
        total = np.zeros(len(self._track))
        for event in self._environment.events:
            rate_above = _solar_above(curve, event, self._environment.shielding_mm_al)
            reached = _passed(rate_above, event.storm_factor * self._cutoff())
            total += event.course_per_s(self._track.t_s) * reached
        return self._sky() * total

    def _heavy_ions(self, unit: RateUnit) -> Floats:
        environment = self._environment
        by_cutoff = _ions_by_cutoff(unit, environment.phase, environment.shielding_mm_al)
        if self._in_ions is None:
            self._in_ions = _Located.of(self._cutoff(), CUTOFFS_GV)
        return self._sky() * self._in_ions.read(by_cutoff)

    def _solar_ions(self, unit: RateUnit) -> Floats:
        total = np.zeros(len(self._track))
        for event in self._environment.events:
            by_cutoff = _solar_ions_by_cutoff(unit, event, self._environment.shielding_mm_al)
            if by_cutoff is not None:
                reached = np.interp(event.storm_factor * self._cutoff(), CUTOFFS_GV, by_cutoff)
                total += event.course_per_s(self._track.t_s) * reached
        return self._sky() * total if np.any(total) else total


# --- tables that depend on a curve and the environment, not on the track --------------------------


@functools.lru_cache(maxsize=_TABLES)
def _belt_grid(
    curve: CrossSectionCurve, wall_mm: float, lowest: float, highest: float
) -> tuple[Floats, Floats] | None:
    """Return energies outside of the wall [MeV], and the cross-sections from each to the next; None
    if none of the belt, from `lowest` to `highest`, gets through."""
    start = max(lowest, outside_energy_mev(curve.threshold, wall_mm))
    if start >= highest and not start == highest == lowest:
        return None
    if isinstance(curve, Plateau):
        grid = np.array([start])
    else:
        grid = np.exp(np.linspace(np.log(start), np.log(highest), _BELT_POINTS))
        grid = np.clip(grid, start, highest)  # not a rounding error beyond
    return grid, _sigma(curve, grid, wall_mm)


@functools.lru_cache(maxsize=_TABLES)
def _galactic_above(curve: CrossSectionCurve, phase: SolarPhase, wall_mm: float) -> Floats:
    return _rate_above(curve, gcr.proton_flux_above(phase), wall_mm)


@functools.lru_cache(maxsize=_TABLES)
def _solar_above(curve: CrossSectionCurve, event: SolarParticleEvent, wall_mm: float) -> Floats:
    return _rate_above(curve, event.fluence_above(gcr.PROTON_ENERGIES_MEV), wall_mm)


def _rate_above(curve: CrossSectionCurve, above: Floats, wall_mm: float) -> Floats:
    """Return the rate from the part of a spectrum `above` beyond each of its energies."""
    sigma = _sigma(curve, gcr.PROTON_ENERGIES_MEV, wall_mm)
    pieces = np.append(sigma[:-1] * (above[:-1] - above[1:]), sigma[-1] * above[-1])
    rate_above: Floats = np.cumsum(pieces[::-1])[::-1]
    return rate_above


def _passed(rate_above: Floats, cutoff: Floats) -> Floats:
    """Return the rate (N,) from the part of a spectrum that a cut-off (N,) [GV] passes."""
    rate: Floats = np.interp(cutoff, _PROTONS_GV, rate_above)
    return rate


@functools.lru_cache(maxsize=_TABLES)
def _ions_by_cutoff(unit: RateUnit, phase: SolarPhase, wall_mm: float) -> Floats:
    return _ion_rates(unit, galactic_let_spectrum(phase, wall_mm).by_cutoff)


@functools.lru_cache(maxsize=_TABLES)
def _solar_ions_by_cutoff(
    unit: RateUnit, event: SolarParticleEvent, wall_mm: float
) -> Floats | None:
    """Return the events in a whole solar event behind each of `CUTOFFS_GV`; None if its ions are
    not known."""
    ions = event.ions(wall_mm)
    return None if ions is None else event.strength * _ion_rates(unit, ions.by_cutoff)


def _ion_rates(unit: RateUnit, above: Floats) -> Floats:
    """Return the rate of ions of each spectrum (..., LETs) above `LETS`: of a bit by IRPP; of a
    device the cross-section times the omnidirectional flux, which is at most twice too much."""
    if unit.volume is not None:
        depth_um = unit.volume.depth_um or DEFAULT_DEPTH_UM
        return ion_rate(unit.curve, Box.of_face(unit.volume.face_cm2, depth_um), LETS, above)
    return fold(unit.curve(np.append(np.sqrt(LETS[:-1] * LETS[1:]), LETS[-1])), above)


def _sigma(curve: CrossSectionCurve, outside_mev: Floats, wall_mm: float) -> Floats:
    """Return the cross-sections for `fold`: at the energies behind the wall of protons between grid
    points outside of it.
    """
    middle = np.append(np.sqrt(outside_mev[:-1] * outside_mev[1:]), outside_mev[-1] * 1.001)
    return curve(residual_energy_mev(middle, wall_mm))
