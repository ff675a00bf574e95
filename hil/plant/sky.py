"""The sky: what is known ahead of a run, as orbit, light, radiation and contacts, in blocks of
steps.

None of it depends on the boards. Values of a step hold from its beginning to its end. Columns of a
profile replace those of the models."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt

from hil.board_types.channels import Effect, Particle
from hil.plant.anomaly import anomaly_cells
from hil.plant.attitude import Faces
from hil.plant.footprint import Footprint
from hil.plant.ground import station_passes
from hil.plant.knots import KNOTS_S
from hil.plant.orbit import Track
from hil.plant.passes import Pass
from hil.plant.power import PowerSystem
from hil.plant.profile import Profile
from hil.plant.radiation.blended import Along, BlendedRadiation
from hil.plant.radiation.crosssection import KINDS, RateUnit
from hil.plant.radiation.environment import RadiationEnvironment as Radiation
from hil.plant.radiation.rates import RadiationAlong
from hil.plant.radiation.solar_cycle import activity_of_date, activity_of_f10_7, drift_deg
from hil.plant.radiation_notes import no_data
from hil.plant.scenario_orbit import no_orbit, orbit_of
from hil.plant.scenario_radiation import radiation_of
from hil.plant.sections import BoardSection, board_sections
from hil.plant.spacecraft import BuiltSpacecraft, PlacedBoard
from hil.plant.thermal import ThermalEnvironment as Light
from hil.plant.thermal import ThermalNetwork
from hil.scenario.plant.flight import PlantConfig, ThermalCaseName
from hil.scenario.plant.radiation import BY_DATE, RangeEnd, SolarPhase

__all__ = ["BLOCK_STEPS", "SAA_FLUX", "Sky", "SkyBlock"]

Floats = npt.NDArray[np.float64]
T = TypeVar("T")

BLOCK_STEPS: Final = 3600
SAA_FLUX: Final = 5.0
"""Protons /cm2/s from which on the satellite is said to be in the anomaly (or in a solar event):
cosmic rays alone never give so many (4.9 in free space at solar minimum)."""

_SATURATED_MEV: Final = 200.0
_MOST_SAMPLES: Final = 20_000


@dataclass(frozen=True, slots=True)
class SkyBlock:
    """N steps from step `first` on, computed ahead.

    All arrays are (N,), except `heat_w` (N, thermal nodes) and `array_w` (N, arrays). `track` is
    None without an orbit. `rates`: events per second by node and kind, acceleration included.
    `unit_rates`: events per second and cm2 of each particle and curve, without acceleration.
    """

    first: int
    t_s: Floats
    track: Track | None
    latitude_deg: Floats
    longitude_deg: Floats
    altitude_km: Floats
    beta_deg: Floats
    illumination: Floats
    flux_per_cm2_s: Floats
    solar_flux_per_cm2_s: Floats
    heat_w: Floats | None
    array_w: Floats | None
    rates: Mapping[str, Mapping[Effect, Floats]]
    unit_rates: Mapping[RateUnit, Floats]

    def __len__(self) -> int:
        return len(self.t_s)


class Sky:
    """Orbit, light, radiation and contacts of one run.

    Without a `system` no spacecraft is modelled, only its radiation.

    Raises:
        ConfigError: There is no such orbit, or it ends before the run does.
    """

    def __init__(
        self,
        plant: PlantConfig,
        boards: Sequence[PlacedBoard],
        *,
        duration_s: float,
        accel: float,
        built: BuiltSpacecraft | None = None,
        system: PowerSystem | None = None,
        profile: Profile | None = None,
        footprint: Footprint | None = None,
    ) -> None:
        self._plant = plant
        self._boards = tuple(boards)
        self.duration_s = duration_s
        self.accel = accel
        self._profile = profile
        self._built = built
        self._system = system
        self._network: ThermalNetwork | None = None if system is None else system.network
        self.orbit = None if plant.orbit is None else orbit_of(plant.orbit, plant)
        start_utc = None if self.orbit is None else self.orbit.start_utc
        self._radiation = radiation_of(plant.radiation, accel, start_utc, duration_s)
        self.footprint = Footprint({}, ()) if footprint is None else footprint
        self.voted_accel = self.footprint.accel
        self.sections: Mapping[str, Sequence[BoardSection]] = {
            b.name: board_sections(
                b.profile, b.data_set, self.footprint, exposed=plant.radiation.exposed
            )
            for b in boards
        }
        self.steps = math.ceil(duration_s / plant.step_s - 1e-9)
        self.passes = self._passes()
        self._cache: dict[int, SkyBlock] = {}
        if self.orbit is not None:  # does it last? At one time a minute, at most, and its end
            samples = 2 + min(round(duration_s / 60.0), _MOST_SAMPLES)
            self._propagate(np.linspace(0.0, duration_s, samples))

    @property
    def notes(self) -> tuple[str, ...]:
        """Return remarks for the user."""
        fast = (self.accel, self.voted_accel) != (1.0, 1.0)
        notes = () if self.orbit is None else self.orbit.notes
        return (*notes, *no_data(self._boards, accelerated=fast))

    @property
    def radiation(self) -> Radiation:
        """Return the radiation environment of the scenario."""
        return self._radiation

    @property
    def estimate(self) -> RangeEnd:
        """Return the end of the ranges with which the run flies."""
        return self._plant.radiation.estimate

    def acceleration(self, kind: Effect) -> float:
        """Return the factor on the real rate of a kind: that of the voted data for its hits."""
        voted = kind in (Effect.SEU, Effect.MBU)
        return self.accel * self.voted_accel if voted else self.accel

    def states(self, board: str, kind: Effect) -> bool:
        """Return whether a profile states the rate of a kind, in place of the cross-sections."""
        return f"{kind}_per_day.{board}" in self._profile_columns

    def occurs(self, board: str, kind: Effect) -> bool:
        """Return whether a board can have events of a kind."""
        if self.states(board, kind):
            return True
        sections = [one.at(self.estimate) for one in self.sections[board]]
        if kind is Effect.MBU:
            return any(section.mbu_fraction > 0.0 for section in sections)
        return any(section.kind is kind for section in sections)

    def anomaly(self) -> list[tuple[int, int]]:
        """Return the cells of the South Atlantic Anomaly at the orbit's height (see
        `anomaly_cells`).
        """
        if self.orbit is None or not self._radiation.trapped:
            return []
        height = float(np.mean(self.block_of(0).altitude_km))
        environment = self._environment(0.0, self._radiation.phase)
        return anomaly_cells(height, environment.phase, environment.saa_drift_deg)

    def _passes(self) -> tuple[Pass, ...]:
        if self.orbit is None:
            return ()
        return station_passes(self.orbit, self._plant.stations, self.duration_s)

    def contact(self, t_s: float) -> str:
        """Return the stations in contact with the satellite, separated by commas."""
        if self._profile is not None and self._profile.family("contact"):
            columns = self._profile.family("contact").items()
            at = np.array([t_s])
            return ",".join(sorted(n for n, c in columns if self._profile.at(c, at)[0] >= 0.5))
        return ",".join(sorted({p.station for p in self.passes if p.rise_s <= t_s < p.set_s}))

    # --- blocks -------------------------------------------------------------------------------

    def block_of(self, step: int) -> SkyBlock:
        """Return the block that contains `step`; the last three are cached."""
        number = step // BLOCK_STEPS
        if number not in self._cache:
            while len(self._cache) >= 3:
                del self._cache[next(iter(self._cache))]
            self._cache[number] = self._compute(number * BLOCK_STEPS, BLOCK_STEPS)
        return self._cache[number]

    def _propagate(self, t_s: Floats) -> Track:
        assert self.orbit is not None
        try:
            return self.orbit.propagate(t_s, self._plant.eclipse.grazing_height_km)
        except ValueError as error:
            raise no_orbit(str(error)) from None

    def _track(self, first: int, t_s: Floats) -> Track:
        step_s, end_s = self._plant.step_s, max(self.duration_s, self._plant.step_s)
        if t_s[-1] + KNOTS_S + step_s > end_s:  # the orbit may end soon after the run
            return self._propagate(np.minimum(t_s, end_s))
        orbit, grazing_km = self.orbit, self._plant.eclipse.grazing_height_km
        assert orbit is not None
        return self._guarded(
            lambda: orbit.propagate_steps(first * step_s, step_s, len(t_s), grazing_km)
        )

    def _compute(self, first: int, count: int) -> SkyBlock:
        # The last block is computed whole, beyond the end of the run: a profile holds there.
        t_s: Floats = np.arange(first, first + count, dtype=np.float64) * self._plant.step_s
        track = None
        if self.orbit is not None:
            track = self._track(first, t_s)
        if track is not None and "illumination" in self._profile_columns:
            track = replace(track, illumination=self._column("illumination", t_s))
        heat, array = self._light(track, t_s)
        along = None if track is None else self._radiation_along(track, t_s)
        unit = self._unit_rates(along, t_s)
        return SkyBlock(
            first=first,
            t_s=t_s,
            track=track,
            latitude_deg=self._place("latitude_deg", track, t_s),
            longitude_deg=self._place("longitude_deg", track, t_s),
            altitude_km=self._place("altitude_km", track, t_s),
            beta_deg=self._place("beta_deg", track, t_s),
            illumination=self._place("illumination", track, t_s),
            flux_per_cm2_s=self._flux(along, t_s),
            solar_flux_per_cm2_s=self._solar_flux(along, t_s),
            heat_w=heat,
            array_w=array,
            rates=self._rates(unit, t_s),
            unit_rates=unit,
        )

    @property
    def _profile_columns(self) -> tuple[str, ...]:
        return () if self._profile is None else self._profile.names

    def _column(self, name: str, t_s: Floats) -> Floats:
        assert self._profile is not None
        return self._profile.at(name, t_s)

    def _place(self, name: str, track: Track | None, t_s: Floats) -> Floats:
        if name in self._profile_columns:
            return self._column(name, t_s)
        if track is None:
            return np.full(len(t_s), np.nan)
        values: Floats = getattr(track, name)
        return values

    def _light(self, track: Track | None, t_s: Floats) -> tuple[Floats | None, Floats | None]:
        if track is None or self._built is None or self._system is None or self._network is None:
            return None, None
        faces = Faces(track)
        sun, view = faces.columns(self._built.pointings)
        # Cases are worst ones of sun and distance together; the nominal one follows the distance.
        solar: float | Floats = self._network.case.solar_w_per_m2
        if self._plant.case is ThermalCaseName.NOMINAL:
            solar = solar / (track.sun_distance_au * track.sun_distance_au)
        light = Light(track.illumination, sun, view, faces.sun_zenith_cos, solar_w_per_m2=solar)
        heat = self._network.absorbed_w(light)
        cosines, _ = faces.columns(self._built.array_pointings)
        array = self._system.array_power_w(track.illumination, cosines, solar)
        if "array_w" in self._profile_columns:
            areas = np.array([a.w_per_flux for a in self._built.power.arrays])
            array = self._column("array_w", t_s)[:, None] * (areas / np.sum(areas))
        return heat, array

    # --- radiation ----------------------------------------------------------------------------

    def _environment(self, t_s: float, phase: SolarPhase) -> Radiation:
        """Return the radiation at a time of the run, by the map of a phase of the solar cycle."""
        environment = replace(self._radiation, phase=phase)
        if self._plant.radiation.saa_drift_deg != BY_DATE or self.orbit is None:
            return environment
        when = self.orbit.start_utc + timedelta(seconds=t_s)
        return replace(environment, saa_drift_deg=drift_deg(when, phase))

    def _activity(self, t_s: float) -> float | None:
        """Return the activity of the Sun, 0 to 1, at a time of the run; None: that of the phase."""
        model = self._plant.radiation
        if model.f10_7 is not None:
            return activity_of_f10_7(model.f10_7)
        if isinstance(model.solar_activity, float):
            return model.solar_activity
        if model.solar_activity is None or self.orbit is None:
            return None
        return activity_of_date(self.orbit.start_utc + timedelta(seconds=t_s))

    def phases(self, t_s: float) -> list[tuple[Radiation, float]]:
        """Return the radiation at a time of the run: that of one phase of the solar cycle, or of
        both with their weights, quiet and active."""
        activity = self._activity(t_s)
        if activity is None:
            return [(self._environment(t_s, self._radiation.phase), 1.0)]
        shares = {SolarPhase.MIN: 1.0 - activity, SolarPhase.MAX: activity}
        return [(self._environment(t_s, phase), w) for phase, w in shares.items() if w > 0.0]

    def _radiation_along(self, track: Track, t_s: Floats) -> Along:
        """Return the radiation along a block, with phase and drift of its middle."""
        phases = self.phases(float(t_s[len(t_s) // 2]))
        along = [RadiationAlong(track, environment) for environment, _ in phases]
        if len(along) == 1:
            return along[0]
        return BlendedRadiation(along[0], along[1], phases[1][1])

    def _flux(self, along: Along | None, t_s: Floats) -> Floats:
        if "flux_per_cm2_s" in self._profile_columns:
            return self._column("flux_per_cm2_s", t_s)
        if along is None:
            return np.zeros(len(t_s))
        return self._guarded(along.proton_flux)

    def _solar_flux(self, along: Along | None, t_s: Floats) -> Floats:
        """Return the part of the flux that is of solar particle events. Of a flux that a profile
        states, nothing says what it is: it counts as none."""
        if along is None or "flux_per_cm2_s" in self._profile_columns:
            return np.zeros(len(t_s))
        return self._guarded(along.solar_proton_flux)

    def _unit_rates(self, along: Along | None, t_s: Floats) -> dict[RateUnit, Floats]:
        sections = {
            section.unit: section
            for of_board in self.sections.values()
            for one in of_board
            for section in (one.section, one.low, one.high)
        }
        if "flux_per_cm2_s" in self._profile_columns:
            flux = self._column("flux_per_cm2_s", t_s)
            return {unit: _unit_rate_of_flux(unit, flux) for unit in sections}
        if along is None:
            return {unit: np.zeros(len(t_s)) for unit in sections}
        return self._guarded(
            lambda: {unit: along.rate(section) for unit, section in sections.items()}
        )

    def _rates(
        self, unit: Mapping[RateUnit, Floats], t_s: Floats
    ) -> dict[str, dict[Effect, Floats]]:
        out: dict[str, dict[Effect, Floats]] = {}
        alike: dict[tuple[int, int], dict[Effect, Floats]] = {}
        for board in self._boards:
            key = (id(board.profile), id(board.data_set))
            if key not in alike:
                alike[key] = self._rates_of(self.sections[board.name], unit, len(t_s))
            rates = dict(alike[key])
            for kind in KINDS:
                column = f"{kind}_per_day.{board.name}"
                if column in self._profile_columns:
                    factor = self.acceleration(kind) / 86_400.0
                    rates[kind] = self._column(column, t_s) * factor
            out[board.name] = rates
        return out

    def _rates_of(
        self, sections: Sequence[BoardSection], unit: Mapping[RateUnit, Floats], count: int
    ) -> dict[Effect, Floats]:
        rates = _real_rates(sections, unit, self.estimate, count)
        return {kind: rate * self.acceleration(kind) for kind, rate in rates.items()}

    @staticmethod
    def _guarded(work: Callable[[], T]) -> T:
        try:
            return work()
        except ValueError as error:
            raise no_orbit(str(error)) from None


def _real_rates(
    sections: Sequence[BoardSection], unit: Mapping[RateUnit, Floats], end: RangeEnd, count: int
) -> dict[Effect, Floats]:
    """Return the events per second (N,) of a board by kind, without acceleration, with one end of
    the ranges of its cross-sections."""
    rates: dict[Effect, Floats] = dict.fromkeys(KINDS, np.zeros(count))
    for one in sections:
        section = one.at(end)
        rate = unit[section.unit] * getattr(one.scale, end.value)
        several = section.mbu_fraction
        for kind, share in ((section.kind, 1.0 - several), (Effect.MBU, several)):
            if share:
                rates[kind] = rates[kind] + rate * share
    return rates


def _unit_rate_of_flux(unit: RateUnit, flux: Floats) -> Floats:
    """Return the rate of a given proton flux whose energies all lie where curves are saturated."""
    if unit.particle is not Particle.PROTON:
        return np.zeros(len(flux))
    return flux * float(unit.curve(np.array([_SATURATED_MEV]))[0])
