"""The orbit of a scenario, in whichever form it is written there or in a file beside it."""

from __future__ import annotations

from pathlib import Path

from hil.errors import ConfigError, Problem
from hil.plant.elements import Elements
from hil.plant.orbit import Orbit
from hil.plant.orbit_data.fault import OrbitDataError
from hil.plant.orbit_data.reader import FoundOrbit, decoded, find_orbit
from hil.plant.orbit_data.state_vector import OrbitState, mean_set_of_state
from hil.scenario.load import UNPLACED
from hil.scenario.plant.flight import PlantConfig
from hil.scenario.plant.orbit import OrbitModel

__all__ = ["no_orbit", "orbit_of"]


def orbit_of(model: OrbitModel, plant: PlantConfig) -> Orbit:
    """Return the orbit of a scenario.

    Raises:
        ConfigError: There is no such orbit, or its file cannot be read; with the line in that file.
    """
    try:
        if model.tle is not None:
            return Orbit.from_tle(*model.tle, start_utc=plant.start_utc)
        if model.file is not None:
            return _of_file(Path(model.file), model, plant)
        if model.omm is not None:
            return _of_found(find_orbit(model.omm, model.object, plant.start_utc), plant)
        if model.position_km is not None:
            return _of_state(model, plant)
        return Orbit.from_elements(_elements(model), start_utc=plant.start_utc)
    except ConfigError:
        raise
    except OrbitDataError as error:
        raise no_orbit(error.message, error.remedy) from None
    except ValueError as error:
        raise no_orbit(str(error)) from None


def no_orbit(why: str, remedy: str = "") -> ConfigError:
    """Return the error of an orbit that cannot be flown."""
    return ConfigError([Problem(UNPLACED, 0, 0, "$.plant.orbit", why, remedy)])


def _of_file(path: Path, model: OrbitModel, plant: PlantConfig) -> Orbit:
    try:
        found = find_orbit(decoded(path.read_bytes()), model.object, plant.start_utc)
        return _of_found(found, plant)
    except (FileNotFoundError, NotADirectoryError):
        raise no_orbit(f"there is no file {path}", "is it beside the scenario?") from None
    except OSError as error:
        raise no_orbit(f"the file {path} cannot be read: {error.strerror}") from None
    except OrbitDataError as error:
        place = max(error.line, 1)
        problem = Problem(str(path), place, 1, "", error.message, error.remedy)
        raise ConfigError([problem]) from None
    except ValueError as error:  # of the orbit that the file describes
        raise ConfigError([Problem(str(path), 1, 1, "", str(error), "")]) from None


def _of_found(found: FoundOrbit, plant: PlantConfig) -> Orbit:
    if found.tle is not None:
        orbit = Orbit.from_tle(*found.tle, start_utc=plant.start_utc)
    else:
        assert found.elements is not None
        orbit = Orbit.from_mean_set(found.elements, start_utc=plant.start_utc)
    orbit.notes = (*orbit.notes, *found.notes)
    return orbit


def _of_state(model: OrbitModel, plant: PlantConfig) -> Orbit:
    assert model.position_km is not None
    assert model.velocity_km_s is not None
    assert model.epoch_utc is not None
    assert model.frame is not None
    state = OrbitState(model.epoch_utc, model.position_km, model.velocity_km_s, model.frame)
    elements = mean_set_of_state(state, bstar=model.bstar)
    return Orbit.from_mean_set(elements, start_utc=plant.start_utc)


def _elements(model: OrbitModel) -> Elements:
    assert model.epoch_utc is not None
    assert model.inclination_deg is not None
    return Elements(
        epoch_utc=model.epoch_utc,
        inclination_deg=model.inclination_deg,
        altitude_km=model.altitude_km,
        perigee_km=model.perigee_km,
        apogee_km=model.apogee_km,
        eccentricity=model.eccentricity,
        raan_deg=model.raan_deg,
        ascending_node_local_time_h=model.ascending_node_local_time_h,
        argp_deg=model.argp_deg,
        mean_anomaly_deg=model.mean_anomaly_deg,
        bstar=model.bstar,
    )
