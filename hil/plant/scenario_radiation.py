"""The radiation environment of a scenario, with the fluxes of the file that it names."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from hil.errors import UsageError
from hil.plant.radiation.ap8 import DEFAULT_SAA_DRIFT_DEG
from hil.plant.radiation.environment import RadiationEnvironment as Radiation
from hil.plant.radiation.flux_file import read_flux
from hil.plant.radiation.spe import SolarParticleEvent
from hil.scenario.plant.radiation import RadiationModel, SolarEventModel, onset_s

__all__ = ["radiation_of"]


def _strength(event: SolarEventModel) -> float:
    """Return how strong an event is: as given, else 1 of its size, or a tenth of August 1972."""
    if event.strength is not None:
        return event.strength
    return 0.1 if event.return_years is None else 1.0


def radiation_of(
    model: RadiationModel, accel: float, start_utc: datetime | None, duration_s: float
) -> Radiation:
    """Return the radiation of a run that begins at `start_utc` and lasts `duration_s`.

    Raises:
        UsageError: A number makes no sense.
        ConfigError: The file of fluxes cannot be used.
    """
    events = tuple(
        SolarParticleEvent(
            onset_s(e.onset),
            _strength(e),
            e.rise_h,
            e.decay_h,
            e.storm_factor,
            e.return_years,
        )
        for e in model.events
    )
    drift = model.saa_drift_deg
    given = None
    if model.flux_file is not None:
        given = read_flux(Path(model.flux_file), start_utc, duration_s)
    try:
        return Radiation(
            model.solar_phase,
            DEFAULT_SAA_DRIFT_DEG if isinstance(drift, str) else drift,
            model.shielding_mm_al,
            events,
            accel,
            model.trapped,
            model.cosmic_rays,
            given,
        )
    except ValueError as error:
        raise UsageError(f"plant.radiation: {error}") from None
