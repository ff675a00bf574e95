"""The radiation environment of a satellite, as a scenario states it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from hil.plant.radiation.ap8 import DEFAULT_SAA_DRIFT_DEG
from hil.plant.radiation.flux_table import FluxTable
from hil.plant.radiation.shielding import MAX_SHIELDING_MM
from hil.plant.radiation.spe import SolarParticleEvent
from hil.scenario.plant.radiation import SolarPhase

__all__ = ["DEFAULT_SHIELDING_MM", "RadiationEnvironment"]

DEFAULT_SHIELDING_MM: Final = 2.54
"""100 mil, the wall that published rates are usually given for."""


@dataclass(frozen=True, slots=True)
class RadiationEnvironment:
    """The radiation that a run is in.

    `phase`           solar minimum (the worse one) or maximum
    `saa_drift_deg`   how far the map of the trapped protons is turned west; see `ap8`
    `shielding_mm_al` the wall around the boards
    `events`          solar particle events
    `accel`           all rates are multiplied by it, because real ones are slow
    `trapped`, `cosmic_rays`  False leaves that source out
    `protons`         given protons, in place of the trapped ones of AP8

    Raises: ValueError if a number makes no sense."""

    phase: SolarPhase = SolarPhase.MIN
    saa_drift_deg: float = DEFAULT_SAA_DRIFT_DEG
    shielding_mm_al: float = DEFAULT_SHIELDING_MM
    events: tuple[SolarParticleEvent, ...] = ()
    accel: float = 1.0
    trapped: bool = True
    cosmic_rays: bool = True
    protons: FluxTable | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.accel) and self.accel >= 0.0):
            raise ValueError(f"accel must be 0 or more, not {self.accel}")
        if not -360.0 <= self.saa_drift_deg <= 360.0:
            raise ValueError(f"saa_drift_deg is an angle, not {self.saa_drift_deg}")
        if not 0.0 <= self.shielding_mm_al <= MAX_SHIELDING_MM:
            raise ValueError(
                f"shielding_mm_al is 0..{MAX_SHIELDING_MM:g} mm, not {self.shielding_mm_al}"
            )
