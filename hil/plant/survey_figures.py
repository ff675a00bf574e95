"""The figures of a survey: the results of a flight without boards, in numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from hil.board_types.spread import Spread
from hil.json_values import JsonObject
from hil.plant.board_rates import BoardRates

if TYPE_CHECKING:
    from hil.board_types.channels import Effect

__all__ = [
    "BoardFigures",
    "CycleFigures",
    "DoseFigures",
    "DoseLimit",
    "OrbitFigures",
    "SpacecraftFigures",
    "SurveyFigures",
]


@dataclass(frozen=True, slots=True)
class OrbitFigures:
    """The orbit of a flight at its start."""

    start_utc: str
    """ISO 8601."""
    period_s: float
    inclination_deg: float
    perigee_km: float
    apogee_km: float


@dataclass(frozen=True, slots=True)
class SpacecraftFigures:
    """The size of the spacecraft, and the extremes of its power and heat during the flight.

    `min_soc`: the lowest state of charge, 0 to 1. `max_die_c`: the hottest chip.
    `energy_residual`: how far the energy balance fails to close, as a share of the throughput.
    """

    array_m2: float
    battery_wh: float
    radiating_m2: float
    min_soc: float
    max_die_c: float
    energy_residual: float


@dataclass(frozen=True, slots=True)
class BoardFigures:
    """The mean rates of one node's board by kind, multiplied by the flight's acceleration; and
    without it, with their ranges, in `rates`."""

    profile: str
    upsets_per_day: Mapping[Effect, float]
    rates: BoardRates


@dataclass(frozen=True, slots=True)
class DoseLimit:
    """The time at which a node's board reaches the dose limit of its profile.

    `years` at the limit's best value, `soonest_years` and `latest_years` at the ends of its range;
    None where there is no dose. `within_flight`: before the flight ends."""

    node: str
    profile: str
    limit_krad: Spread
    soonest_years: float | None
    years: float | None
    latest_years: float | None
    within_flight: bool


@dataclass(frozen=True, slots=True)
class DoseFigures:
    """The total ionising dose in silicon, behind the wall and by depth of aluminium.

    `krad_per_year`: behind `wall_mm_al`. `by_source`: its parts, by source. `depth_mm_al` and
    `krad_per_year_by_depth` have one entry for each thickness of the depth-dose curve, and so have
    its parts in `curves`. `protons_per_cm2_year` arrive behind the wall.
    `solar_confidence_percent`: how likely there are no more solar protons; None where none are
    counted. `flight_krad`: the dose of the flight's own `duration_d` days, with `events_krad` of
    its solar particle events. What is said of a year is scaled up from these days. `unlimited`: the
    profiles of nodes of which no limit is known. `protons_of`: the file with the protons, which are
    above each of `proton_energies_mev`; None for those of AP8."""

    wall_mm_al: float
    krad_per_year: float
    by_source: Mapping[str, float]
    depth_mm_al: tuple[float, ...] = ()
    krad_per_year_by_depth: tuple[float, ...] = ()
    curves: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    protons_per_cm2_year: float = 0.0
    solar_confidence_percent: int | None = None
    flight_krad: float = 0.0
    duration_d: float = 0.0
    events_krad: float = 0.0
    limits: tuple[DoseLimit, ...] = ()
    unlimited: Mapping[str, str] = field(default_factory=dict)
    protons_of: str | None = None
    proton_energies_mev: tuple[float, ...] = ()

    def as_json(self) -> JsonObject:
        """Return the dose as a JSON object."""
        return {
            "wall_mm_al": self.wall_mm_al,
            "krad_per_year": self.krad_per_year,
            "by_source": dict(self.by_source),
            "depth_mm_al": list(self.depth_mm_al),
            "krad_per_year_by_depth": list(self.krad_per_year_by_depth),
            "curves": {source: list(curve) for source, curve in self.curves.items()},
            "protons_per_cm2_year": self.protons_per_cm2_year,
            "solar_confidence_percent": self.solar_confidence_percent,
            "flight_krad": self.flight_krad,
            "duration_d": self.duration_d,
            "events_krad": self.events_krad,
            "limits": {
                limit.node: {
                    "limit_krad": limit.limit_krad.best,
                    "limit_krad_range": [limit.limit_krad.low, limit.limit_krad.high],
                    "years": limit.years,
                    "years_range": [limit.soonest_years, limit.latest_years],
                    "within_flight": limit.within_flight,
                }
                for limit in self.limits
            },
            "no_limit_known": dict(self.unlimited),
            "protons_of": self.protons_of,
        }


@dataclass(frozen=True, slots=True)
class CycleFigures:
    """The thermal cycles of a node's board, counted by rainflow: how many a day, the largest swing
    [K], and the years after which its solder has used up its life, from soonest to latest; None if
    the profile does not state it, or nothing cycles."""

    profile: str
    per_day: float
    largest_k: float
    years: tuple[float, float, float] | None

    def as_json(self) -> JsonObject:
        """Return the cycles as a JSON object."""
        years = self.years
        return {
            "per_day": self.per_day,
            "largest_k": self.largest_k,
            "life_years": None if years is None else years[1],
            "life_years_range": None if years is None else [years[0], years[2]],
        }


@dataclass(frozen=True, slots=True)
class SurveyFigures:
    """The results of a flight without boards.

    `sunlit` and `saa_share` are shares of the time, 0 to 1; `saa_passes` counts the passes of high
    flux. `beta_deg` is the lowest and the highest angle of the sun to the plane of the orbit.
    `boards` are by node. `orbit` and `spacecraft` are None in a flight that only a profile
    describes, `beta_deg` and `sunlit` if that does not state them. `case`: the thermal case.
    `dose`: None where it was not computed. `cycles`: by node; none in a flight of few hours."""

    duration_s: float
    accel: float
    orbit: OrbitFigures | None
    beta_deg: tuple[float, float] | None
    sunlit: float | None
    eclipses: int
    longest_eclipse_s: float
    mean_flux_per_cm2_s: float
    peak_flux_per_cm2_s: float
    saa_passes: int
    saa_share: float
    contacts: int
    contact_s: float
    boards: Mapping[str, BoardFigures]
    spacecraft: SpacecraftFigures | None
    case: str
    dose: DoseFigures | None = None
    cycles: Mapping[str, CycleFigures] = field(default_factory=dict)

    def as_json(self) -> JsonObject:
        """Return the figures as the JSON object of `hil orbit --json`."""
        orbit, craft = self.orbit, self.spacecraft
        return {
            "duration_s": self.duration_s,
            "accel": self.accel,
            **(dict.fromkeys(OrbitFigures.__slots__) if orbit is None else asdict(orbit)),
            "beta_deg": None if self.beta_deg is None else list(self.beta_deg),
            "sunlit": self.sunlit,
            "eclipses": self.eclipses,
            "longest_eclipse_s": self.longest_eclipse_s,
            "mean_flux_per_cm2_s": self.mean_flux_per_cm2_s,
            "peak_flux_per_cm2_s": self.peak_flux_per_cm2_s,
            "saa_passes": self.saa_passes,
            "saa_share": self.saa_share,
            "contacts": self.contacts,
            "contact_s": self.contact_s,
            "upsets_per_day": {
                node: dict(board.upsets_per_day) for node, board in self.boards.items()
            },
            "boards": {node: board.profile for node, board in self.boards.items()},
            "rates_per_day": {node: board.rates.as_json() for node, board in self.boards.items()},
            "dose": None if self.dose is None else self.dose.as_json(),
            "thermal_cycles": {node: cycles.as_json() for node, cycles in self.cycles.items()},
            "spacecraft": {}
            if craft is None
            else {
                "array_m2": craft.array_m2,
                "battery_wh": craft.battery_wh,
                "radiating_m2": craft.radiating_m2,
            },
            "min_soc": None if craft is None else craft.min_soc,
            "max_die_c": None if craft is None else craft.max_die_c,
            "energy_residual": None if craft is None else craft.energy_residual,
            "case": self.case,
        }
