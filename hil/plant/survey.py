"""A survey: orbit, power, heat and radiation of a scenario, computed without any board."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from hil.errors import UsageError
from hil.plant.build import BuiltPlant, build_plant
from hil.plant.energy_totals import Totals
from hil.plant.moment import LEVELS, Moment
from hil.plant.orbit import Orbit
from hil.plant.radiation.crosssection import KINDS
from hil.plant.sky import SAA_FLUX, SkyBlock
from hil.plant.spacecraft import BuiltSpacecraft, PlacedBoard
from hil.plant.survey_figures import (
    BoardFigures,
    OrbitFigures,
    SpacecraftFigures,
    SurveyFigures,
)
from hil.scenario import Scenario
from hil.scenario.plant.flight import PlantConfig

__all__ = ["Survey", "survey"]

Floats = npt.NDArray[np.float64]

_SKY: Final = (
    "latitude_deg",
    "longitude_deg",
    "altitude_km",
    "beta_deg",
    "illumination",
    "flux_per_cm2_s",
)


@dataclass(frozen=True, slots=True)
class Survey:
    """The result of a survey.

    `columns` (N,) have a value at every `every_s` seconds from 0; `notes` are for the user.
    """

    columns: Mapping[str, Floats]
    figures: SurveyFigures
    notes: tuple[str, ...]


def survey(scenario: Scenario, every_s: float | None = None) -> Survey:
    """Fly a scenario's plant alone, with a row every `every_s` seconds (default: every step).

    Raises:
        UsageError: The scenario has no plant, or `every_s` is not a multiple of its step.
        ConfigError: As `build_plant`.
    """
    if scenario.plant is None:
        raise UsageError(
            f"the scenario {scenario.name} has no plant",
            remedy="add `plant:` with an orbit or a profile, or try `hil orbit leo-iss-day`",
        )
    step_s = scenario.plant.step_s
    stride = 1 if every_s is None else _stride(every_s, step_s)
    built = build_plant(scenario)
    if stride > built.sky.steps:
        raise UsageError(
            f"rows every {every_s:g} s are longer apart than the flight of "
            f"{built.sky.duration_s:g} s",
            remedy="take a smaller --every, or a longer --duration",
        )
    columns = _sky_columns(built, stride)
    columns |= _flown_columns(built, stride)
    contacts = sorted({p.station for p in built.sky.passes})
    for station in contacts:
        columns[f"contact.{station}"] = _contact(built, station, columns["t_s"])
    return Survey(columns, _figures(scenario.plant, built), built.sky.notes)


def _stride(every_s: float, step_s: float) -> int:
    """Return the number of steps from row to row."""
    steps = every_s / step_s
    if not (math.isfinite(steps) and round(steps) >= 1 and abs(steps - round(steps)) < 1e-9):
        raise UsageError(
            f"rows every {every_s:g} s do not fit to steps of {step_s:g} s",
            remedy=f"--every takes multiples of {step_s:g}",
        )
    return round(steps)


def _rows(built: BuiltPlant, stride: int) -> npt.NDArray[np.int64]:
    return np.arange(0, built.sky.steps + 1, stride)


def _blocks(built: BuiltPlant) -> list[SkyBlock]:
    out, step = [], 0
    while step <= built.sky.steps:
        out.append(built.sky.block_of(step))
        step += len(out[-1])
    return out


def _sky_columns(built: BuiltPlant, stride: int) -> dict[str, Floats]:
    rows = _rows(built, stride)
    blocks = _blocks(built)
    columns = {"t_s": np.concatenate([b.t_s for b in blocks])[rows]}
    for name in _SKY:
        values = np.concatenate([getattr(b, name) for b in blocks])[rows]
        if not np.any(np.isnan(values)):
            columns[name] = values
    for board in built.boards:
        for kind in KINDS:
            rates = np.concatenate([b.rates[board.name][kind] for b in blocks])[rows]
            columns[f"{kind}_per_day.{board.name}"] = rates * (86_400.0 / built.sky.accel)
    return columns


def _flown_columns(built: BuiltPlant, stride: int) -> dict[str, Floats]:
    flight, rows = built.flight, _rows(built, stride)
    moments = [flight.advance(int(step) * flight.step_us) for step in rows]
    flight.finish()
    columns: dict[str, Floats] = {}
    for name in ("bus_v", "load_w", "battery_w", "soc", "stage"):
        column = _of(moments, name)
        if column is not None:
            columns[name] = column
    for part in moments[0].temperatures_c:
        columns[f"temperature_c.{part}"] = np.array([m.temperatures_c[part] for m in moments])
    for board in built.boards:
        words = [m.boards[board.name].level for m in moments]
        columns[f"level.{board.name}"] = np.array([float(LEVELS.index(w)) for w in words])
    return columns


def _of(moments: list[Moment], name: str) -> Floats | None:
    values = [getattr(m, name) for m in moments]
    if any(v is None for v in values[1:]):
        return None
    if values[0] is None:  # nothing has flowed yet: what the first step will draw
        values[0] = values[1]
    return np.array(values, dtype=np.float64)


def _contact(built: BuiltPlant, station: str, t_s: Floats) -> Floats:
    contact = np.zeros(len(t_s))
    for p in built.sky.passes:
        if p.station == station:
            contact[(t_s >= p.rise_s) & (t_s < p.set_s)] = 1.0
    return contact


def _figures(plant: PlantConfig, built: BuiltPlant) -> SurveyFigures:
    sky, totals = built.sky, built.flight.totals
    blocks = _blocks(built)
    span = slice(0, sky.steps)

    def whole(name: str) -> Floats:
        return np.concatenate([getattr(b, name) for b in blocks])[span]

    step_s = built.flight.step_us / 1e6
    light, flux = whole("illumination"), whole("flux_per_cm2_s")
    beta = whole("beta_deg")
    dark = light < 0.5
    return SurveyFigures(
        duration_s=sky.duration_s,
        accel=sky.accel,
        orbit=None if sky.orbit is None else _orbit_figures(sky.orbit),
        beta_deg=None if np.any(np.isnan(beta)) else (float(beta.min()), float(beta.max())),
        sunlit=None if np.any(np.isnan(light)) else float(light.mean()),
        eclipses=_runs(dark),
        longest_eclipse_s=_longest(dark) * step_s,
        mean_flux_per_cm2_s=float(flux.mean()),
        peak_flux_per_cm2_s=float(flux.max()),
        saa_passes=_runs(flux >= SAA_FLUX),
        saa_share=float((flux >= SAA_FLUX).mean()),
        contacts=len(sky.passes),
        contact_s=sum(p.duration_s for p in sky.passes),
        boards={board.name: _board_figures(board, blocks, sky.steps) for board in built.boards},
        spacecraft=None if built.built is None else _spacecraft_figures(built.built, totals),
        case=plant.case,
    )


def _orbit_figures(orbit: Orbit) -> OrbitFigures:
    return OrbitFigures(
        start_utc=orbit.start_utc.isoformat(),
        period_s=orbit.period_s,
        inclination_deg=orbit.inclination_deg,
        perigee_km=orbit.perigee_km,
        apogee_km=orbit.apogee_km,
    )


def _board_figures(board: PlacedBoard, blocks: list[SkyBlock], steps: int) -> BoardFigures:
    return BoardFigures(
        profile=board.profile.name,
        upsets_per_day={
            kind: _mean_per_day([b.rates[board.name][kind] for b in blocks], steps)
            for kind in KINDS
        },
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


def _mean_per_day(rates: list[Floats], steps: int) -> float:
    return float(np.concatenate(rates)[:steps].mean()) * 86_400.0


def _runs(mask: npt.NDArray[np.bool_]) -> int:
    """Return how often a condition becomes true."""
    return int(np.count_nonzero(mask[1:] & ~mask[:-1])) + int(len(mask) > 0 and bool(mask[0]))


def _longest(mask: npt.NDArray[np.bool_]) -> int:
    edges = np.diff(np.concatenate([[0], mask.astype(np.int8), [0]]))
    begins, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    return int(np.max(ends - begins)) if len(begins) else 0
