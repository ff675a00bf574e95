"""A sweep: the survey of one scenario in many orbits."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import ValidationError

from hil.errors import ConfigError, UsageError
from hil.json_values import JsonObject
from hil.kernel import Workload
from hil.plant.survey import fly
from hil.plant.survey_figures import SurveyFigures
from hil.scenario import Scenario
from hil.scenario.plant.flight import PlantConfig
from hil.scenario.plant.orbit import OrbitModel
from hil.scenario.problems import did_you_mean

__all__ = [
    "SWEPT_KEYS",
    "Axis",
    "SweepPoint",
    "flown_points",
    "parse_axis",
    "swept_values",
    "variants",
]

_OF_ORBIT: Final = (
    "altitude_km",
    "inclination_deg",
    "eccentricity",
    "perigee_km",
    "apogee_km",
    "raan_deg",
    "ascending_node_local_time_h",
    "argp_deg",
)
_OF_RADIATION: Final = ("shielding_mm_al", "solar_activity")
SWEPT_KEYS: Final = (*_OF_ORBIT, *_OF_RADIATION)
"""The keys of a scenario that a sweep may change."""
_MOST_POINTS: Final = 2000
_LEAST_STEP_S: Final = 10.0
"""A sweep looks at means: shorter steps would change them by less than 1 %."""


@dataclass(frozen=True, slots=True)
class Axis:
    """One key of a scenario and the values that it takes in a sweep."""

    key: str
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class SweepPoint:
    """One orbit of a sweep: the values of its axes, and what its survey found."""

    values: tuple[float, ...]
    figures: SurveyFigures

    def as_json(self, axes: Sequence[Axis]) -> JsonObject:
        """Return the point as a JSON object: the values of its axes, and all figures."""
        named = {axis.key: value for axis, value in zip(axes, self.values, strict=True)}
        return {"at": {**named}, **self.figures.as_json()}


def parse_axis(text: str) -> Axis:
    """Return the axis of KEY=FIRST:LAST:STEP, or KEY=VALUE,VALUE,...

    Raises:
        UsageError: It is not of that form, or the key cannot be swept.
    """
    form = "write it as altitude_km=400:2000:50, or inclination_deg=51.6,97.8"
    key, values = swept_values("--sweep", text, SWEPT_KEYS, form, _MOST_POINTS)
    return Axis(key, tuple(values))


def swept_values(
    option: str, text: str, keys: Collection[str], form: str, most: int
) -> tuple[str, list[float]]:
    """Return the key and the values of KEY=VALUE,VALUE,... or KEY=FIRST:LAST:STEP, the value of an
    option of a command line. `form`: how to write it; `most`: of the values of a range.

    Raises:
        UsageError: It is not of that form, or the key is not one of `keys`.
    """
    key, equals, rest = text.partition("=")
    if not equals:
        raise UsageError(f"{option} {text}: it has no `=`", remedy=form)
    if key not in keys:
        hint = did_you_mean(key, keys) or f"one of {', '.join(keys)}"
        raise UsageError(f"{option} {text}: `{key}` cannot be swept", remedy=hint)
    try:
        numbers = [float(word) for word in rest.replace(":", ",").split(",")]
    except ValueError:
        raise UsageError(f"{option} {text}: a value is not a number", remedy=form) from None
    if not all(map(math.isfinite, numbers)):
        raise UsageError(f"{option} {text}: a value is not a finite number", remedy=form)
    if ":" not in rest:
        return key, numbers
    if len(numbers) != 3 or "," in rest or not numbers[2] > 0 or numbers[1] < numbers[0]:
        raise UsageError(f"{option} {text}: expected FIRST:LAST:STEP, rising", remedy=form)
    first, last, step = numbers
    count = math.floor((last - first) / step + 1e-9) + 1
    if count > most:
        raise UsageError(f"{option} {text}: {count} values", remedy="take a larger step")
    return key, [round(first + i * step, 9) for i in range(count)]


def variants(
    scenario: Scenario, axes: Sequence[Axis]
) -> Iterator[tuple[tuple[float, ...], Scenario]]:
    """Yield the scenario of every combination of the axes' values, for a survey of means: without
    ground stations, in steps of at least 10 s.

    Raises:
        UsageError: The scenario has no orbit of elements, or there are too many combinations.
    """
    plant = _swept(scenario, axes)
    names = [axis.key for axis in axes]
    if len(set(names)) != len(names):
        raise UsageError("--sweep names a key twice", remedy="give all its values in one")
    count = math.prod(len(axis.values) for axis in axes)
    if count > _MOST_POINTS:
        raise UsageError(
            f"the sweep has {count} orbits; at most {_MOST_POINTS}", remedy="take larger steps"
        )
    for values in itertools.product(*(axis.values for axis in axes)):
        changed = dict(zip(names, values, strict=True))
        yield values, scenario.model_copy(update={"plant": _changed(plant, changed)})


def _swept(scenario: Scenario, axes: Sequence[Axis]) -> PlantConfig:
    plant = scenario.plant
    if plant is None or plant.orbit is None:
        raise UsageError(
            f"the scenario {scenario.name} has no orbit to sweep",
            remedy="name one with `plant: {orbit: ...}`, such as leo-iss-day",
        )
    orbit = plant.orbit
    if plant.profile is not None:
        raise UsageError(
            "this flight replays a profile, which no orbit changes",
            remedy="remove `profile:` from the scenario",
        )
    fixed = orbit.tle or orbit.omm or orbit.file or orbit.position_km
    if fixed and any(axis.key in _OF_ORBIT for axis in axes):
        raise UsageError(
            "the orbit is that of a TLE, an OMM, a file or a state, which has no keys to sweep",
            remedy="write it as elements: epoch_utc, altitude_km, inclination_deg",
        )
    step_s = max(plant.step_s, _LEAST_STEP_S)
    return plant.model_copy(update={"stations": (), "step_s": step_s})


def _changed(plant: PlantConfig, values: dict[str, float]) -> PlantConfig:
    update: dict[str, object] = {}
    of_orbit = {key: value for key, value in values.items() if key in _OF_ORBIT}
    if of_orbit:
        assert plant.orbit is not None
        update["orbit"] = _orbit(plant.orbit, of_orbit)
    of_radiation = {key: value for key, value in values.items() if key in _OF_RADIATION}
    if of_radiation:
        model = plant.radiation
        try:
            data = {**model.model_dump(include=model.model_fields_set), **of_radiation}
            update["radiation"] = type(model).model_validate(data)
        except ValidationError as error:
            raise _unswept(of_radiation, error) from None
    return plant.model_copy(update=update)


def _orbit(orbit: OrbitModel, values: dict[str, float]) -> OrbitModel:
    data = {key: getattr(orbit, key) for key in orbit.model_fields_set}
    if "altitude_km" in values:
        data = {k: v for k, v in data.items() if k not in ("perigee_km", "apogee_km")}
    if "perigee_km" in values or "apogee_km" in values:
        data = {k: v for k, v in data.items() if k not in ("altitude_km", "eccentricity")}
    if "raan_deg" in values:
        data.pop("ascending_node_local_time_h", None)
    if "ascending_node_local_time_h" in values:
        data.pop("raan_deg", None)
    try:
        return OrbitModel.model_validate({**data, **values})
    except ValidationError as error:
        raise _unswept(values, error) from None


def _unswept(values: dict[str, float], error: ValidationError) -> UsageError:
    where = ", ".join(f"{key}={value:g}" for key, value in values.items())
    first = error.errors(include_url=False)[0]
    message = first.get("ctx", {}).get("message", first["msg"])
    return UsageError(f"the sweep cannot fly {where}: {message}")


def flown_points(
    scenario: Scenario,
    axes: Sequence[Axis],
    on_point: Callable[[Sequence[float], Scenario], None] | None = None,
    workload: Workload | None = None,
) -> list[SweepPoint]:
    """Fly every orbit of a sweep, and return what was found in each; `on_point` is called after
    each. `workload`: as in `hil.plant.build.build_plant`.

    Raises:
        UsageError: As `variants`; or an orbit cannot be flown: names it.
        ConfigError: As `hil.plant.survey.fly`.
    """
    points = []
    for values, variant in variants(scenario, axes):
        try:
            points.append(SweepPoint(values, fly(variant, workload=workload).figures))
        except ConfigError as error:
            named = zip(axes, values, strict=True)
            where = ", ".join(f"{axis.key}={value:g}" for axis, value in named)
            raise UsageError(f"the sweep cannot fly {where}: {error.problems[0].message}") from None
        if on_point is not None:
            on_point(values, variant)
    return points
