"""The figures of a survey: the results of a flight without boards, in numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from hil.json_values import JsonObject

if TYPE_CHECKING:
    from hil.board_types.channels import Effect

__all__ = ["BoardFigures", "OrbitFigures", "SpacecraftFigures", "SurveyFigures"]


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
    """The mean upset rates of one node's board by kind, multiplied by the flight's `accel`."""

    profile: str
    upsets_per_day: Mapping[Effect, float]


@dataclass(frozen=True, slots=True)
class SurveyFigures:
    """The results of a flight without boards.

    `sunlit` and `saa_share` are shares of the time, 0 to 1; `saa_passes` counts the passes of high
    flux. `beta_deg` is the lowest and the highest angle of the sun to the plane of the orbit.
    `boards` are by node. `orbit` and `spacecraft` are None in a flight that only a profile
    describes, `beta_deg` and `sunlit` if that does not state them. `case`: the thermal case."""

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
