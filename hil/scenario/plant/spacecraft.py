"""The spacecraft of a scenario: designed part by part, or sized by a rule."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import Field, model_validator

from hil.scenario.fields import Celsius, Float, Fraction, FrozenModel, NonNegative, PartName
from hil.scenario.plant.battery import BatteryModel
from hil.scenario.plant.power import BusModel, LoadModel, PowerModel
from hil.scenario.plant.solar_array import SolarArrayModel
from hil.scenario.plant.thermal import RadiatorPanel, Surface, ThermalModel
from hil.scenario.problems import Findings, did_you_mean, wrong_at
from hil.scenario.yaml.document import KeyPath
from hil.word_enum import Word

__all__ = ["Design", "RadiatorKind", "Sizing", "Spacecraft"]

_OF_BOARDS: Final = (".junction", ".board")
"""Thermal nodes that each board brings with it; they have no faces."""

Margin = Annotated[Float, Field(gt=0, le=100)]


class RadiatorKind(Word):
    """The place of the radiator of a sized spacecraft."""

    BODY = "body"
    DEPLOYABLE = "deployable"


class Sizing(FrozenModel):
    """A rule that sizes a spacecraft for its boards; all numbers are assumptions [A]."""

    avionics_w: NonNegative = Field(default=3.0, description="Everything else that is always on.")
    array_margin: Margin = Field(
        default=1.3, description="Array power over what full load needs; below 1 it is too small."
    )
    depth_of_discharge: Annotated[Float, Field(gt=0, le=1)] = Field(
        default=0.3, description="Share of the battery that the longest eclipse takes."
    )
    radiator_c: Annotated[Float, Field(ge=-60, le=90)] = Field(
        default=15.0, description="Radiator temperature at full load."
    )
    radiator_margin: Margin = Field(default=1.1, description="Radiator area over what that needs.")
    radiator: RadiatorKind = Field(
        default=RadiatorKind.BODY,
        description="One side of the body, or a panel that radiates from both.",
    )
    degradation: Annotated[Float, Field(gt=0, le=1)] = Field(
        default=1.0, description="What age has left of the array's power."
    )
    start_c: Celsius = Field(default=15.0, description="Temperature of all parts at the start.")
    start_soc: Fraction = Field(default=1.0, description="State of charge at the start.")


class Design(FrozenModel):
    """A spacecraft part by part. Boards add a load and two thermal nodes each."""

    thermal: ThermalModel = Field(description="The thermal network, without the boards.")
    mount: PartName = Field(description="The thermal node that boards are bolted to.")
    battery: BatteryModel = Field(description="The battery.")
    arrays: tuple[SolarArrayModel, ...] = Field(description="The solar arrays.")
    bus: BusModel = Field(description="The bus, and when loads are shed.")
    loads: tuple[LoadModel, ...] = Field(default=(), description="Loads besides the boards.")

    @model_validator(mode="after")
    def _pointed(self) -> Design:
        findings = Findings()
        names = [node.name for node in self.thermal.all_nodes]
        if self.mount not in names:
            findings.add(
                "mount", f"there is no thermal node `{self.mount}`", did_you_mean(self.mount, names)
            )
        parts: list[tuple[KeyPath, Surface | RadiatorPanel | SolarArrayModel]] = [
            *((("thermal", "surfaces", i), face) for i, face in enumerate(self.thermal.surfaces)),
            *((("thermal", "panels", i), panel) for i, panel in enumerate(self.thermal.panels)),
            *((("arrays", i), array) for i, array in enumerate(self.arrays)),
        ]
        for path, part in parts:
            if part.pointing is None:
                findings.add(
                    (*path, "pointing"),
                    f"`{part.name}` does not say where it looks",
                    "add `pointing: sun`, nadir, zenith, ram, wake, north, south or shade",
                )
        findings += self._unknown_nodes()
        findings += self._unlit_arrays()
        wrong_at("Design", findings)
        return self

    def _unknown_nodes(self) -> Findings:
        """Return a finding for each thermal node that battery, arrays, bus or loads name and that
        is missing.
        """
        power = PowerModel(bus=self.bus, battery=self.battery, arrays=self.arrays, loads=self.loads)
        findings = Findings()
        for path, message, remedy in power.check_nodes(self.thermal):
            named: Any = self
            for step in path:
                named = named[step] if isinstance(step, int) else getattr(named, step)
            if not str(named).endswith(_OF_BOARDS):  # boards are added later
                findings.add(path, message, remedy)
        return findings

    def _unlit_arrays(self) -> Findings:
        """Return a finding for each array whose thermal node has no surface that absorbs the light:
        its current would be taken from the heat of that node, which would cool without bound."""
        findings = Findings()
        known = {node.name: node for node in self.thermal.all_nodes}
        for i, array in enumerate(self.arrays):
            node = known.get(array.node)
            of_board = array.node.endswith(_OF_BOARDS)
            if array.pointing is None or (node is None and not of_board):
                continue
            if node is not None and node.fixed_c is not None:
                continue
            taken = sum(
                each.w_per_flux
                for each in self.arrays
                if (each.node, each.pointing) == (array.node, array.pointing)
            )
            lit = sum(
                face.area_m2 * face.absorptivity
                for face in self.thermal.all_faces
                if (face.node, face.pointing) == (array.node, array.pointing)
            )
            where = array.pointing.value
            if lit == 0.0:
                findings.add(
                    ("arrays", i, "node"),
                    f"the thermal node `{array.node}` of the array `{array.name}` has no surface "
                    f"that looks to {where} and takes in light",
                    f"add one to thermal.surfaces: {{name: {array.name}, node: {array.node}, "
                    f"area_m2: {array.area_m2:g}, absorptivity: 0.92, emissivity: 0.85, "
                    f"pointing: {where}}}",
                )
            elif taken > lit:
                findings.add(
                    ("arrays", i, "area_m2"),
                    f"the array `{array.name}` turns more light into current than the surfaces of "
                    f"its thermal node `{array.node}` that look to {where} take in: "
                    f"{taken:.4g} m2 of full absorption are used, {lit:.4g} m2 are there",
                    f"give the surface the array's area ({array.area_m2:g} m2) and absorptivity",
                )
        return findings


class Spacecraft(FrozenModel):
    """A spacecraft: either a sizing rule or a design."""

    sizing: Sizing | None = Field(default=None, description="Sized by a rule for its boards.")
    design: Design | None = Field(default=None, description="Designed part by part.")
    bus: BusModel | None = Field(
        default=None, description="With `sizing`: the bus, and when loads are shed."
    )

    @model_validator(mode="after")
    def _one(self) -> Spacecraft:
        findings = Findings()
        if self.sizing is not None and self.design is not None:
            findings.add("design", "both `sizing` and `design` are given", "remove one of them")
        if self.design is not None and self.bus is not None:
            findings.add("bus", "the design already has a bus", "move it to `design.bus`")
        wrong_at("Spacecraft", findings)
        return self
