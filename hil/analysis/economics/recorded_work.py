"""The work of a recorded run, its power, its sunlight, and the sizes of its spacecraft."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypedDict

from hil.analysis.economics.satellite import SatelliteLoad
from hil.analysis.economics.work import RunCounts, Work
from hil.board_types.catalogue import profiles_of
from hil.plant.build import boards_of
from hil.plant.ground import ISL
from hil.plant.scenario_orbit import orbit_of
from hil.plant.spacecraft import BuiltSpacecraft, build_spacecraft
from hil.plant.thermal import NOMINAL
from hil.record.offload_rows import offload_rows
from hil.record.reader import Reader
from hil.record.run_result import RunResult
from hil.record.telemetry_queries import illuminations, mean_power_w
from hil.redundancy.voting import unpack
from hil.scenario import Scenario
from hil.scenario.plant.battery import BatteryModel
from hil.scenario.plant.thermal import Pointing
from hil.wire.ground import ItemFate, ItemKind

__all__ = [
    "LOW_ORBIT",
    "ORBIT_S",
    "PlantSizes",
    "Sunlight",
    "counts_of",
    "load_of",
    "plant_sizes",
    "sunlight_of",
]

_LOW_ORBIT_SUNLIT: Final = 0.628
_LOW_ORBIT_ECLIPSE_S: Final = 2130.0
"""Of a circular orbit at 550 km with the Sun in its plane: the Earth covers asin(6378 / 6928) / pi
= 0.372 of its 95.5 minutes."""
_DARK: Final = 0.5
"""Below this share of sunlight a satellite counts as in eclipse."""
ORBIT_S: Final = 5400
"""Below this the sunlight of a flight is not that of its orbit."""


class _GroundHelp(TypedDict, total=False):
    rescued: int
    contact_s: float


@dataclass(frozen=True, slots=True)
class Sunlight:
    """The share of the time in sunlight, the longest eclipse [s], and where they are from."""

    share: float
    eclipse_s: float
    source: str


@dataclass(frozen=True, slots=True)
class PlantSizes:
    """The sizes of a scenario's spacecraft: its array with new cells at their reference temperature
    and the Sun overhead [W], its battery [Wh], and its faces that never see the Sun [m2]."""

    array_w: float
    battery_wh: float
    radiator_m2: float


LOW_ORBIT: Final = Sunlight(_LOW_ORBIT_SUNLIT, _LOW_ORBIT_ECLIPSE_S, "a circular orbit at 550 km")


def counts_of(
    reader: Reader, result: RunResult, scenario: Scenario, node_w: float | None
) -> RunCounts:
    """Return the counts of a recorded run. `node_w`: the power of each node [W], instead of what
    the record has. Raises: UsageError if nothing is known of its power."""
    frames = result.frames + result.skipped
    metrics, plant = result.metrics, result.plant or {}
    # A run that has not ended has no metrics yet, but counts of its record.
    wrong = round(metrics["sdc_frames"]) if result.tally is None else result.tally.sdc_frames
    return RunCounts(
        name=result.name or str(result.run_dir),
        scheme=reader.scenario.scheme,
        workload=scenario.workload_name,
        frames=frames,
        correct=round(result.availability * frames),
        wrong=wrong,
        escaped=result.upsets.by_system_outcome.get("sdc_escaped", 0),
        ends_wrong=wrong > 0 and _ends_wrong(reader),
        frame_us=reader.frame_us,
        accel=max(1.0, result.accel),
        voted_accel=max(1.0, plant.get("voted_accel", result.accel)),
        node_w=_node_power(reader, scenario, node_w),
        **_ground_help(reader, scenario),
    )


def _ground_help(reader: Reader, scenario: Scenario) -> _GroundHelp:
    """Return how many frames the ground computed, and the time in contact with stations [s]."""
    if scenario.offload is None or scenario.offload.work is None:
        return {}
    rows = offload_rows(reader)
    answered = {event.item for event in rows.events if event.fate == ItemFate.ANSWERED}
    return {
        "rescued": sum(
            item.kind == ItemKind.WORK and not item.correct and item.id in answered
            for item in rows.items
        ),
        "contact_s": sum(
            (contact.end_us - contact.start_us) / 1e6
            for contact in rows.contacts
            if contact.station != ISL
        ),
    }


def _ends_wrong(reader: Reader) -> bool:
    """Return whether the last frame that was recorded delivered a wrong output."""
    last = None
    for _, count, packed in reader.blocks():
        last = packed[len(packed) // count * (count - 1) :]
    if last is None:
        return False
    verdict = unpack(last)
    return verdict.delivered and not verdict.correct


def _node_power(reader: Reader, scenario: Scenario, node_w: float | None) -> Sequence[float]:
    """Return the power of each node [W]: the one given, or that of the plant, or at full load."""
    if node_w is not None:
        return [node_w] * len(reader.node_names)
    recorded, profiles = mean_power_w(reader), profiles_of(scenario)
    own = {node.name: node.profile for node in scenario.rig.nodes}
    powers: list[float] = []
    for name in reader.node_names:
        power = profiles[own.get(name) or scenario.rig.profile].power
        powers.append(recorded.get(name, power.mode(power.full).full_w.value))
    return powers


def plant_sizes(scenario: Scenario) -> PlantSizes | None:
    """Return the sizes of a scenario's spacecraft; None if it has none.

    Raises: ConfigError if it cannot be built."""
    plant = scenario.plant
    if plant is None or plant.orbit is None:
        return None
    orbit = orbit_of(plant.orbit, plant)
    altitude_km = (orbit.perigee_km + orbit.apogee_km) / 2.0
    return _sizes(build_spacecraft(plant.spacecraft, boards_of(scenario), altitude_km))


def _sizes(built: BuiltSpacecraft) -> PlantSizes:
    w_per_flux = sum(array.w_per_flux for array in built.power.arrays)
    faces = zip(built.thermal.all_faces, built.pointings, strict=True)
    shaded_m2 = sum(face.area_m2 for face, pointing in faces if pointing is Pointing.SHADE)
    return PlantSizes(
        w_per_flux * NOMINAL.solar_w_per_m2, _battery_wh(built.power.battery), shaded_m2
    )


def _battery_wh(battery: BatteryModel) -> float:
    """Return the energy of a full battery [Wh]: its charge at the mean open-circuit voltage."""
    tables = battery.tables
    points = list(zip(tables.ocv_soc, tables.ocv_v, strict=True))
    mean_v = sum(
        (soc_b - soc_a) * (v_a + v_b) / 2.0
        for (soc_a, v_a), (soc_b, v_b) in itertools.pairwise(points)
    )
    return battery.series * battery.parallel * battery.cell_ah * mean_v


def sunlight_of(reader: Reader) -> Sunlight:
    """Return the sunlight of a run; that of a usual low orbit if the record has less than an
    orbit of it."""
    rows = illuminations(reader)
    if not rows or rows[-1][0] - rows[0][0] < ORBIT_S * 1_000_000:
        return LOW_ORBIT
    lit_us = dark_us = longest_us = 0.0
    for (t_us, light), (next_us, _) in itertools.pairwise(rows):
        lit_us += light * (next_us - t_us)
        dark_us = dark_us + next_us - t_us if light < _DARK else 0.0
        longest_us = max(longest_us, dark_us)
    return Sunlight(lit_us / (rows[-1][0] - rows[0][0]), longest_us / 1e6, "the run's own orbit")


def load_of(work: Work, sunlight: Sunlight, sizes: PlantSizes | None) -> SatelliteLoad:
    """Return what a satellite carries and feeds for a rig, with the sizes of the scenario's plant
    if there are any; a size of 0, such as of a radiator that the plant does not have, is one that
    is not known."""
    if sizes is None:
        return SatelliteLoad(work.nodes, work.power_w, sunlight.share, sunlight.eclipse_s)
    return SatelliteLoad(
        work.nodes,
        work.power_w,
        sunlight.share,
        sunlight.eclipse_s,
        sizes.array_w or None,
        sizes.battery_wh or None,
        sizes.radiator_m2 or None,
    )
