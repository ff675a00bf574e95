"""The power system of a spacecraft, as a scenario gives it: bus, battery, arrays, loads.

The shedding ladder. Every load is given up level by level, from its highest down to its `keep`
level: one rung for each. Rungs are ordered by priority, the largest number (least important)
first: `load-by-load` empties one load before the next; `level-by-level` lowers all loads once
before any twice. The states of charge at which they are applied are spread evenly from
`shed_from_soc` down to `shed_to_soc`; each is undone `hysteresis_soc` higher, the last one first,
and only while the arrays carry the present loads: after sunrise.
"""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Final

from pydantic import Field, model_validator

from hil.errors import UsageError
from hil.scenario.fields import (
    Celsius,
    Efficiency,
    Float,
    Fraction,
    FrozenModel,
    Int,
    NonNegative,
    PartName,
)
from hil.scenario.plant.battery import BatteryModel
from hil.scenario.plant.solar_array import SolarArrayModel
from hil.scenario.plant.thermal import SPACE, ThermalModel
from hil.scenario.problems import Findings, did_you_mean, wrong_at

__all__ = [
    "MAX_ARRAYS",
    "MAX_LEVELS",
    "MAX_LOADS",
    "MAX_THROTTLE",
    "BusModel",
    "LevelModel",
    "LoadModel",
    "PowerModel",
    "ShedOrder",
]

MAX_ARRAYS: Final = 8
MAX_LOADS: Final = 32
MAX_LEVELS: Final = 8
MAX_THROTTLE: Final = 8
"""The limits of the kernel (csrc/host/power.h)."""


class LevelModel(FrozenModel):
    """The power of a load at one of its levels."""

    name: PartName = Field(description="Name, as off, suspend, capped, full.")
    idle_w: NonNegative = Field(description="Power when idle.")
    busy_w: NonNegative = Field(description="Power when busy.")


class LoadModel(FrozenModel):
    """A load: a board, a radio, a heater. Its first level is off."""

    name: PartName = Field(description="Unique name.")
    priority: Annotated[Int, Field(ge=0, le=1000)] = Field(
        description="0 is the most important; loads with the largest number are shed first."
    )
    levels: tuple[LevelModel, ...] = Field(description="From off upwards.")
    keep: PartName = Field(default="off", description="The lowest level that shedding leads to.")
    node: PartName = Field(description="The thermal node that it heats: its junction.")
    rest_node: PartName | None = Field(
        default=None, description="The node that the rest of its heat goes to."
    )
    node_share: Fraction = Field(default=1.0, description="The share of its heat for `node`.")
    throttle_c: Celsius = Field(default=1700.0, description="Throttled at or above.")
    throttle_clear_c: Celsius = Field(default=1700.0, description="Throttled less below.")
    throttle_steps: tuple[Fraction, ...] = Field(
        default=(), description="Share of the power above idle that remains at each step."
    )
    throttle_poll_s: NonNegative = Field(default=1.0, description="Time between two steps.")
    shutdown_c: Celsius = Field(
        default=1700.0, description="Goes off here, until its power was cut and returned."
    )

    @model_validator(mode="after")
    def _consistent(self) -> LoadModel:
        findings = Findings()
        names = [level.name for level in self.levels]
        if not 2 <= len(names) <= MAX_LEVELS:
            findings.add("levels", f"{len(names)} levels; expected 2 to {MAX_LEVELS}")
        if names and names[0] != "off":
            findings.add(("levels", 0, "name"), f"`{names[0]}`; expected `off` as the first level")
        for index, level in enumerate(self.levels):
            if level.name in names[:index]:
                findings.add(("levels", index, "name"), f"the level `{level.name}` is listed twice")
            if level.busy_w < level.idle_w:
                findings.add(("levels", index, "busy_w"), "busy takes less than idle")
            if index and level.busy_w < self.levels[index - 1].busy_w:
                findings.add(
                    ("levels", index, "busy_w"), "this level takes less than the one below it"
                )
        if self.keep not in names:
            findings.add("keep", f"there is no level `{self.keep}`", did_you_mean(self.keep, names))
        if self.node_share < 1 and self.rest_node is None:
            findings.add("rest_node", "where does the rest of the heat go?", "add `rest_node:`")
        if self.throttle_clear_c > self.throttle_c:
            findings.add("throttle_clear_c", "it is above `throttle_c`")
        if len(self.throttle_steps) >= MAX_THROTTLE:
            findings.add(
                "throttle_steps",
                f"{len(self.throttle_steps)} steps; at most {MAX_THROTTLE - 1}",
            )
        wrong_at("LoadModel", findings)
        return self

    def level(self, name: str) -> int:
        """Return the index of a level.

        Raises:
            UsageError: There is no level of that name.
        """
        names = [level.name for level in self.levels]
        if name not in names:
            raise UsageError(
                f"the load `{self.name}` has no level `{name}`; it has {', '.join(names)}",
                remedy=did_you_mean(name, names) or None,
            )
        return names.index(name)


class ShedOrder(str, Enum):
    """The order in which loads are shed."""

    LOAD_BY_LOAD = "load-by-load"
    LEVEL_BY_LEVEL = "level-by-level"


class BusModel(FrozenModel):
    """The bus: converters, and when loads are shed. Defaults are assumptions [A]."""

    converter_node: PartName = Field(description="The thermal node of the converters.")
    converter_efficiency: Efficiency = Field(
        default=0.92, description="Load power over power drawn from the bus."
    )
    shed_from_soc: Fraction = Field(
        default=0.60, description="State of charge at which the first load is shed."
    )
    shed_to_soc: Fraction = Field(
        default=0.30, description="State of charge at which the last load is shed."
    )
    hysteresis_soc: Annotated[Float, Field(gt=0, le=1)] = Field(
        default=0.08, description="SoC hysteresis before a load is restored."
    )
    order: ShedOrder = Field(
        default=ShedOrder.LOAD_BY_LOAD, description="load-by-load or level-by-level."
    )
    shed_v: NonNegative = Field(
        default=0.0, description="Bus voltage below which one more load is shed."
    )
    restore_v: NonNegative = Field(
        default=0.0, description="Bus voltage below which no load is restored."
    )
    shed_dwell_s: NonNegative = Field(
        default=5.0, description="Time between two sheddings for low voltage."
    )
    restore_dwell_s: NonNegative = Field(
        default=60.0, description="Time before a load is restored."
    )
    restart_soc: Fraction = Field(
        default=0.15, description="After a brown-out, power returns at this state of charge."
    )
    restart_dwell_s: NonNegative = Field(
        default=60.0, description="Minimum off time after a brown-out."
    )

    @model_validator(mode="after")
    def _consistent(self) -> BusModel:
        findings = Findings()
        if self.shed_to_soc > self.shed_from_soc:
            findings.add("shed_to_soc", "it is above `shed_from_soc`; shedding goes downwards")
        if self.shed_from_soc + self.hysteresis_soc > 1:
            findings.add(
                "hysteresis_soc", "the first load could only be restored above full charge"
            )
        if self.restore_v < self.shed_v:
            findings.add("restore_v", "it is below `shed_v`")
        wrong_at("BusModel", findings)
        return self


class PowerModel(FrozenModel):
    """The whole power system of a satellite. Node names are those of a ThermalModel."""

    bus: BusModel = Field(description="The bus.")
    battery: BatteryModel = Field(description="The battery.")
    arrays: tuple[SolarArrayModel, ...] = Field(description="The solar arrays.")
    loads: tuple[LoadModel, ...] = Field(description="The loads.")

    @model_validator(mode="after")
    def _consistent(self) -> PowerModel:
        findings = Findings()
        for key, most in (("arrays", MAX_ARRAYS), ("loads", MAX_LOADS)):
            items = getattr(self, key)
            if len(items) > most:
                findings.add(key, f"{len(items)} {key}; at most {most} are possible")
            names = [item.name for item in items]
            for index, name in enumerate(names):
                if name in names[:index]:
                    findings.add((key, index, "name"), f"the name `{name}` is listed twice")
        wrong_at("PowerModel", findings)
        return self

    def check_nodes(self, thermal: ThermalModel) -> Findings:
        """Return a finding for each node name that the thermal network does not have."""
        findings = Findings()
        known = [node.name for node in thermal.all_nodes if node.name != SPACE]
        wanted: list[tuple[tuple[str | int, ...], str]] = [
            (("bus", "converter_node"), self.bus.converter_node),
            (("battery", "node"), self.battery.node),
        ]
        wanted += [(("arrays", i, "node"), array.node) for i, array in enumerate(self.arrays)]
        for i, load in enumerate(self.loads):
            wanted.append((("loads", i, "node"), load.node))
            if load.rest_node is not None:
                wanted.append((("loads", i, "rest_node"), load.rest_node))
        for path, name in wanted:
            if name not in known:
                findings.add(path, f"there is no thermal node `{name}`", did_you_mean(name, known))
        return findings

    @property
    def ladder(self) -> tuple[tuple[str, str, float, float], ...]:
        """Return the shedding steps in the order in which they are applied.

        Each is a load, the highest level that it may then have, and the states of charge at which
        the step is applied and undone.
        """
        rungs = [
            (-load.priority, index, depth, load, len(load.levels) - 2 - depth)
            for index, load in enumerate(self.loads)
            for depth in range(len(load.levels) - 1 - load.level(load.keep))
        ]
        if self.bus.order is ShedOrder.LOAD_BY_LOAD:
            rungs.sort(key=lambda r: (r[0], r[1], r[2]))
        else:
            rungs.sort(key=lambda r: (r[2], r[0], r[1]))
        first, last = self.bus.shed_from_soc, self.bus.shed_to_soc
        result = []
        for n, (_, _, _, load, level) in enumerate(rungs):
            enter = first if len(rungs) == 1 else first - (first - last) * n / (len(rungs) - 1)
            leave = min(1.0, enter + self.bus.hysteresis_soc)
            result.append((load.name, load.levels[level].name, enter, leave))
        return tuple(result)
