"""A survey: orbit, power, heat and radiation of a scenario, computed without any board."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from hil.errors import UsageError
from hil.kernel import Workload
from hil.plant.build import BuiltPlant, build_plant
from hil.plant.energy_totals import Totals
from hil.plant.orbit import Orbit
from hil.plant.radiation_notes import few_hits
from hil.plant.rate_sums import rates_of_board
from hil.plant.spacecraft import BuiltSpacecraft
from hil.plant.survey_cycles import FlightCycles
from hil.plant.survey_dose import FlightDose
from hil.plant.survey_figures import (
    BoardFigures,
    CycleFigures,
    DoseFigures,
    OrbitFigures,
    SpacecraftFigures,
    SurveyFigures,
)
from hil.plant.survey_rows import stretches
from hil.plant.survey_sums import SurveySums
from hil.scenario import Scenario
from hil.scenario.plant.flight import PlantConfig

__all__ = ["Flown", "RowSink", "Survey", "fly", "row_count", "survey"]

Floats = npt.NDArray[np.float64]


class RowSink(Protocol):
    """Takes the rows of a flight, in order, block by block."""

    def add(self, columns: Mapping[str, Floats]) -> None:
        """Take rows (N,) of all columns, which are the same in every call."""
        ...


@dataclass(frozen=True, slots=True)
class Flown:
    """The result of a flight without boards; `notes` are for the user."""

    figures: SurveyFigures
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Survey:
    """The result of a survey with all its rows.

    `columns` (N,) have a value at every `every_s` seconds from 0; `notes` are for the user.
    """

    columns: Mapping[str, Floats]
    figures: SurveyFigures
    notes: tuple[str, ...]


class _Rows:
    def __init__(self) -> None:
        self._blocks: dict[str, list[Floats]] = {}

    def add(self, columns: Mapping[str, Floats]) -> None:
        for name, values in columns.items():
            self._blocks.setdefault(name, []).append(values)

    def columns(self) -> dict[str, Floats]:
        return {name: np.concatenate(blocks) for name, blocks in self._blocks.items()}


def survey(scenario: Scenario, every_s: float | None = None) -> Survey:
    """Fly a scenario's plant alone and keep a row every `every_s` seconds (default: every step).

    Raises: as `fly`."""
    rows = _Rows()
    flown = fly(scenario, every_s, (rows,))
    return Survey(rows.columns(), flown.figures, flown.notes)


def row_count(scenario: Scenario, every_s: float | None = None) -> int:
    """Return how many rows the flight of a scenario has. Raises: UsageError, as `fly`."""
    plant = _plant_of(scenario)
    duration_s = scenario.frame_count * scenario.frame_us / 1e6
    steps = math.ceil(duration_s / plant.step_s - 1e-9)
    return steps // _stride(every_s, plant.step_s) + 1


def fly(
    scenario: Scenario,
    every_s: float | None = None,
    sinks: Sequence[RowSink] = (),
    workload: Workload | None = None,
) -> Flown:
    """Fly a scenario's plant alone, and give its rows, one every `every_s` seconds (default: every
    step), to the `sinks`. However long the flight, only a block of it is held at a time.
    `workload`: as in `build_plant`.

    Raises:
        UsageError: The scenario has no plant, or `every_s` is not a multiple of its step.
        ConfigError: As `build_plant`.
    """
    plant = _plant_of(scenario)
    stride = _stride(every_s, plant.step_s)
    built = build_plant(scenario, workload)
    if stride > built.sky.steps:
        raise UsageError(
            f"rows every {every_s:g} s are longer apart than the flight of "
            f"{built.sky.duration_s:g} s",
            remedy="take a smaller --every, or a longer --duration",
        )
    sums = SurveySums(built.boards)
    dose = FlightDose(built.sky, plant.step_s)
    cycles = FlightCycles(built.boards, built.sky.duration_s)
    for stretch in stretches(built, stride):
        sums.add(stretch.sky, stretch.count)
        dose.add(stretch.sky, stretch.count)
        cycles.add(stretch)
        for sink in sinks:
            sink.add(stretch.columns)
    wear = (dose.figures(built.boards), cycles.figures())
    figures = _figures(plant, built, sums, wear)
    rates = {name: board.rates for name, board in figures.boards.items()}
    few = few_hits(rates, built.sky.duration_s / 86_400.0)
    return Flown(figures, (*built.sky.notes, *few))


def _plant_of(scenario: Scenario) -> PlantConfig:
    if scenario.plant is None:
        raise UsageError(
            f"the scenario {scenario.name} has no plant",
            remedy="add `plant:` with an orbit or a profile, or try `hil orbit leo-iss-day`",
        )
    return scenario.plant


def _stride(every_s: float | None, step_s: float) -> int:
    """Return the number of steps from row to row."""
    if every_s is None:
        return 1
    steps = every_s / step_s
    if not (math.isfinite(steps) and round(steps) >= 1 and abs(steps - round(steps)) < 1e-9):
        raise UsageError(
            f"rows every {every_s:g} s do not fit to steps of {step_s:g} s",
            remedy=f"--every takes multiples of {step_s:g}",
        )
    return round(steps)


def _figures(
    plant: PlantConfig,
    built: BuiltPlant,
    sums: SurveySums,
    wear: tuple[DoseFigures | None, Mapping[str, CycleFigures]],
) -> SurveyFigures:
    sky, totals = built.sky, built.flight.totals
    step_s = built.flight.step_us / 1e6
    return SurveyFigures(
        duration_s=sky.duration_s,
        accel=sky.accel,
        orbit=None if sky.orbit is None else _orbit_figures(sky.orbit),
        beta_deg=sums.beta_deg,
        sunlit=sums.sunlit,
        eclipses=sums.dark.count,
        longest_eclipse_s=sums.dark.longest * step_s,
        mean_flux_per_cm2_s=sums.mean_flux_per_cm2_s,
        peak_flux_per_cm2_s=sums.peak_flux_per_cm2_s,
        saa_passes=sums.anomaly.count,
        saa_share=sums.anomaly.steps / sums.steps,
        contacts=len(sky.passes),
        contact_s=sum(p.duration_s for p in sky.passes),
        boards={
            board.name: BoardFigures(
                board.profile.name,
                sums.rates.per_day(board.name),
                rates_of_board(sky, board, sums.rates),
            )
            for board in built.boards
        },
        spacecraft=None if built.built is None else _spacecraft_figures(built.built, totals),
        case=plant.case,
        dose=wear[0],
        cycles=wear[1],
    )


def _orbit_figures(orbit: Orbit) -> OrbitFigures:
    return OrbitFigures(
        start_utc=orbit.start_utc.isoformat(),
        period_s=orbit.period_s,
        inclination_deg=orbit.inclination_deg,
        perigee_km=orbit.perigee_km,
        apogee_km=orbit.apogee_km,
    )


def _spacecraft_figures(craft: BuiltSpacecraft, totals: Totals) -> SpacecraftFigures:
    return SpacecraftFigures(
        array_m2=sum(array.area_m2 for array in craft.power.arrays),
        battery_wh=craft.power.battery.energy_wh,
        radiating_m2=sum(face.area_m2 for face in craft.thermal.all_faces),
        min_soc=totals.min_soc,
        max_die_c=totals.max_die_c,
        energy_residual=totals.residual,
    )
