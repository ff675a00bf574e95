"""Builds the plant of a scenario: boards, spacecraft, sky and flight, checked before the run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from hil.board_types.catalogue import profiles_of
from hil.errors import ConfigError, Problem, UsageError
from hil.kernel import Workload
from hil.plant.data_choice import data_sets
from hil.plant.end_of_life import EndOfLife
from hil.plant.flight import Flight
from hil.plant.footprint import footprint_of
from hil.plant.power import PowerSystem
from hil.plant.profile import Profile, read_profile
from hil.plant.scenario_orbit import orbit_of
from hil.plant.sky import Sky
from hil.plant.spacecraft import BuiltSpacecraft, PlacedBoard, build_spacecraft
from hil.plant.strikes import Strikes
from hil.plant.thermal import CASES, ThermalNetwork
from hil.scenario import Scenario
from hil.scenario.load import UNPLACED
from hil.scenario.plant.flight import PlantConfig, ThermalCaseName

__all__ = ["BuiltPlant", "boards_of", "build_plant", "flown_profile"]


@dataclass(frozen=True, slots=True)
class BuiltPlant:
    """The parts of a scenario's plant. `built` is None without a spacecraft (profile only);
    `end_of_life` without wear."""

    boards: tuple[PlacedBoard, ...]
    built: BuiltSpacecraft | None
    sky: Sky
    flight: Flight
    strikes: Strikes
    end_of_life: EndOfLife | None = None


def boards_of(scenario: Scenario) -> tuple[PlacedBoard, ...]:
    """Return the nodes of a scenario as boards of a spacecraft.

    Raises:
        ConfigError: A board profile does not exist or is not valid.
    """
    profiles = profiles_of(scenario)
    wanted = {} if scenario.plant is None else scenario.plant.radiation.data
    chosen = data_sets(wanted, profiles.values())
    boards = []
    for index, node in enumerate(scenario.rig.nodes):
        profile = profiles[scenario.rig.profile if node.profile is None else node.profile]
        priority = index if node.priority is None else node.priority
        boards.append(PlacedBoard(node.name, profile, priority, chosen[profile.name]))
    return tuple(boards)


def build_plant(scenario: Scenario, workload: Workload | None = None) -> BuiltPlant:
    """Build the plant of a scenario that has one. `workload`: what its nodes compute, if it is not
    one of the kernel's; without it the size of a program is not known.

    Raises:
        ConfigError: The orbit is not valid or decays during the run, the thermal network is not
            stable with the plant's step, the flight profile cannot be used, or a board profile does
            not exist.
    """
    plant = scenario.plant
    assert plant is not None
    boards = boards_of(scenario)
    duration_s = scenario.frame_count * scenario.frame_us / 1e6
    profile = None if plant.profile is None else flown_profile(plant)
    built = system = None
    if plant.orbit is not None:
        orbit = orbit_of(plant.orbit, plant)
        mean_km = (orbit.perigee_km + orbit.apogee_km) / 2.0
        built = _spacecraft(plant, boards, mean_km)
        system = _system(built, plant.case, plant.step_s)
    if profile is not None:
        parts: Sequence[str] = [f"{b.name}.junction" for b in boards]
        if built is not None:
            parts = [node.name for node in built.thermal.all_nodes]
        profile.require(duration_s, [b.name for b in boards], parts)
    sky = Sky(
        plant,
        boards,
        duration_s=duration_s,
        accel=scenario.upsets.accel,
        built=built,
        system=system,
        profile=profile,
        footprint=footprint_of(scenario, workload),
    )
    flight = Flight(
        sky,
        boards,
        step_us=plant.step_us,
        system=system,
        profile=profile,
        activity=plant.activity,
    )
    names = [board.name for board in boards]
    strikes = Strikes(sky, names, scenario.seed, plant.step_us)
    end = None
    if plant.wear is not None:
        end = EndOfLife(sky, boards, plant.wear, scenario.seed, plant.step_us)
    return BuiltPlant(boards, built, sky, flight, strikes, end)


def flown_profile(plant: PlantConfig) -> Profile:
    """Read the flight profile that a plant names. Raises: ConfigError."""
    name = plant.profile
    assert name is not None
    path = Path(name)
    try:  # not exists(): from Python 3.14 on, that reports no error
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        failed = UsageError(
            f"there is no file {name}", remedy="write one: hil orbit SCENARIO -o FILE"
        )
        raise _unplaced("$.plant.profile", failed) from None
    except (OSError, ValueError) as error:  # too long, or in a folder that may not be read
        why = (error.strerror if isinstance(error, OSError) else None) or error
        failed = UsageError(f"the file {name[:200]} cannot be read: {why}")
        raise _unplaced("$.plant.profile", failed) from None
    return read_profile(path, plant.max_gap_s)


def _spacecraft(
    plant: PlantConfig, boards: Sequence[PlacedBoard], mean_km: float
) -> BuiltSpacecraft:
    try:
        return build_spacecraft(plant.spacecraft, boards, mean_km)
    except ValidationError as error:
        where = "$.plant.spacecraft"
        if plant.spacecraft.design is not None:
            where += ".design"
        raise ConfigError(
            [
                Problem(UNPLACED, 0, 0, where, f"with the boards of the rig in it: {why['msg']}")
                for why in error.errors()
            ]
        ) from None


def _system(built: BuiltSpacecraft, case: ThermalCaseName, step_s: float) -> PowerSystem:
    network = ThermalNetwork(built.thermal, CASES[case])
    try:
        network.parts_of(step_s)
    except UsageError as error:
        raise _unplaced("$.plant.step_s", error) from None
    try:
        return PowerSystem(built.power, network)
    except UsageError as error:
        raise _unplaced("$.plant.spacecraft", error) from None


def _unplaced(where: str, error: UsageError) -> ConfigError:
    return ConfigError([Problem(UNPLACED, 0, 0, where, error.message, error.remedy or "")])
