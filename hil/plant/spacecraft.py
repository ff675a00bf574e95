"""The spacecraft around the boards: from a design, or sized by a rule, to power and heat models.

The rule (`Sizing`) is that of a first sketch: array power after Space Mission Analysis and Design
(see `smad_array_power_w`, with the factors of a maximum power tracker), a battery that the longest
eclipse of the altitude takes to the chosen depth, and a radiator that rejects full load at the
chosen temperature. Masses, capacities and conductances are assumptions [A]."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hil.board_types.channels import DataSet
from hil.board_types.profile import BoardProfile
from hil.plant.board_parts import board_parts
from hil.plant.earth import EARTH_RADIUS_KM
from hil.plant.elements import MU_KM3_S2
from hil.plant.solar_array import smad_array_power_w
from hil.plant.thermal import NOMINAL, SIGMA_W_PER_M2_K4, earth_view_factor
from hil.scenario.plant.battery import BatteryModel
from hil.scenario.plant.power import BusModel, LevelModel, LoadModel, PowerModel
from hil.scenario.plant.solar_array import SolarArrayModel
from hil.scenario.plant.spacecraft import Design, RadiatorKind, Sizing, Spacecraft
from hil.scenario.plant.thermal import (
    ZERO_C_K,
    Conductor,
    Pointing,
    RadiatorPanel,
    Surface,
    ThermalModel,
    ThermalNode,
)

__all__ = ["BuiltSpacecraft", "PlacedBoard", "build_spacecraft", "sized_design"]

_CELL_V: Final = 3.65  # mean of an NMC cell [A]
_SERIES: Final = 4
_EMISSIVITY: Final = 0.92  # of a black or white paint; the panel of the reference numbers
_ALPHA: Final = 0.12  # silicate white paint, beginning of life [S]
_ALPHA_EOL: Final = 0.30  # and aged [R]


@dataclass(frozen=True, slots=True)
class PlacedBoard:
    """A node of the rig as a load of the spacecraft. A small `priority` is shed last. `data`: the
    data set of its radiation effects; None: the profile's default."""

    name: str
    profile: BoardProfile
    priority: int
    data: DataSet | None = None

    @property
    def data_set(self) -> DataSet:
        """Return the data set of its radiation effects."""
        return self.profile.radiation.data_set() if self.data is None else self.data


@dataclass(frozen=True, slots=True)
class BuiltSpacecraft:
    """A spacecraft with its boards.

    `pointings` are those of the thermal model's faces in their order, `array_pointings` those of
    the arrays.
    """

    thermal: ThermalModel
    power: PowerModel
    pointings: tuple[Pointing, ...]
    array_pointings: tuple[Pointing, ...]


def build_spacecraft(
    spacecraft: Spacecraft, boards: Sequence[PlacedBoard], altitude_km: float
) -> BuiltSpacecraft:
    """Return the models of a spacecraft with `boards`; the mean altitude is used if it must be
    sized.
    """
    design = spacecraft.design or sized_design(
        spacecraft.sizing or Sizing(), boards, altitude_km, spacecraft.bus
    )
    start_c = _start_c(design)
    parts = [
        board_parts(
            b.profile, b.name, mount=design.mount, priority=10 + b.priority, start_c=start_c
        )
        for b in boards
    ]
    heat = design.thermal
    thermal = ThermalModel.model_validate(
        {
            **dict(heat),
            "nodes": (*heat.nodes, *(node for part in parts for node in part.nodes)),
            "conductors": (*heat.conductors, *(c for part in parts for c in part.conductors)),
        }
    )
    power = PowerModel(
        bus=design.bus,
        battery=design.battery,
        arrays=design.arrays,
        loads=(*design.loads, *(part.load for part in parts)),
    )
    return BuiltSpacecraft(
        thermal,
        power,
        tuple(face.pointing or Pointing.SHADE for face in thermal.all_faces),
        tuple(array.pointing or Pointing.SUN for array in design.arrays),
    )


def _start_c(design: Design) -> float:
    return next(n.start_c for n in design.thermal.all_nodes if n.name == design.mount)


def sized_design(
    sizing: Sizing, boards: Sequence[PlacedBoard], altitude_km: float, bus: BusModel | None = None
) -> Design:
    """Return a spacecraft sized for its boards at a mean altitude [km]."""
    power = [b.profile.power for b in boards]
    board_w = sum(p.mode(p.full).full_w.value for p in power)
    load_w = board_w + sizing.avionics_w
    radius_km = EARTH_RADIUS_KM + altitude_km
    period_s = 2.0 * math.pi * math.sqrt(radius_km**3 / MU_KM3_S2)
    eclipse_s = period_s * math.asin(EARTH_RADIUS_KM / radius_km) / math.pi
    array = _array(sizing, load_w, period_s, eclipse_s)
    bus = bus or BusModel(converter_node="structure")
    energy_wh = load_w / bus.converter_efficiency * eclipse_s / 3600.0 / sizing.depth_of_discharge
    return Design(
        thermal=_network(sizing, load_w, energy_wh, array.area_m2, altitude_km, len(boards)),
        mount="structure",
        battery=BatteryModel(
            node="battery",
            series=_SERIES,
            parallel=1,
            cell_ah=energy_wh / (_SERIES * _CELL_V),
            start_soc=sizing.start_soc,
            # Sized for its energy, not for a rate: small packs must stand a full load.
            charge_max_c_rate=1.0,
            discharge_max_c_rate=10.0,
        ),
        arrays=(array,),
        bus=bus,
        loads=(
            LoadModel(
                name="avionics",
                priority=0,
                levels=(
                    LevelModel(name="off", idle_w=0.0, busy_w=0.0),
                    LevelModel(name="on", idle_w=sizing.avionics_w, busy_w=sizing.avionics_w),
                ),
                keep="on",
                node="structure",
            ),
        ),
    )


def _array(sizing: Sizing, load_w: float, period_s: float, eclipse_s: float) -> SolarArrayModel:
    needed_w = sizing.array_margin * smad_array_power_w(
        load_w, period_s - eclipse_s, eclipse_s, daylight_path=0.80, eclipse_path=0.60
    )
    unit = SolarArrayModel(name="array", node="panels", area_m2=1.0, pointing=Pointing.SUN)
    hot = 1.0 + unit.power_per_k * (60.0 - unit.reference_c)
    area_m2 = needed_w / (NOMINAL.solar_w_per_m2 * unit.w_per_flux * hot)
    return SolarArrayModel(
        name="array",
        node="panels",
        area_m2=area_m2,
        degradation=sizing.degradation,
        pointing=Pointing.SUN,
    )


def _network(
    sizing: Sizing,
    load_w: float,
    energy_wh: float,
    array_m2: float,
    altitude_km: float,
    boards: int,
) -> ThermalModel:
    radiator_m2 = _radiator_m2(sizing, load_w, altitude_km)
    link = load_w / 3.0  # 3 K from the structure to its radiator at full load
    start = sizing.start_c
    nodes = [
        ThermalNode(name="structure", capacity_j_per_k=900.0 * (3.0 + 1.0 * boards), start_c=start),
        ThermalNode(
            name="battery", capacity_j_per_k=max(200.0, 900.0 * energy_wh / 150.0), start_c=start
        ),
        ThermalNode(name="panels", capacity_j_per_k=2700.0 * array_m2, start_c=start),
    ]
    conductors = [
        Conductor(between=("battery", "structure"), w_per_k=0.5 + 0.02 * load_w),
        Conductor(between=("panels", "structure"), w_per_k=0.05),
    ]
    cells = _panel_faces(array_m2)
    if sizing.radiator is RadiatorKind.DEPLOYABLE:
        panel = _deployable_radiator(radiator_m2, link, start)
        return ThermalModel(
            nodes=tuple(nodes), conductors=tuple(conductors), surfaces=tuple(cells), panels=(panel,)
        )
    nodes.append(
        ThermalNode(
            name="radiator", capacity_j_per_k=max(100.0, 2700.0 * radiator_m2), start_c=start
        )
    )
    conductors.append(Conductor(between=("radiator", "structure"), w_per_k=link))
    face = Surface(
        name="radiator",
        node="radiator",
        area_m2=radiator_m2,
        emissivity=_EMISSIVITY,
        absorptivity=_ALPHA,
        absorptivity_eol=_ALPHA_EOL,
        pointing=Pointing.SHADE,
    )
    return ThermalModel(nodes=tuple(nodes), conductors=tuple(conductors), surfaces=(*cells, face))


def _radiator_m2(sizing: Sizing, load_w: float, altitude_km: float) -> float:
    """Return the area [m2] of a white radiator that rejects `load_w` at the chosen temperature,
    less what it absorbs of infrared and albedo (0.3, half of the orbit) from the Earth."""
    kelvin = sizing.radiator_c + ZERO_C_K
    view = earth_view_factor(altitude_km, 0.0)
    earth_w = view * (_EMISSIVITY * NOMINAL.earth_ir_w_per_m2 + _ALPHA * 0.5 * 0.3 * 1361.0)
    net_w_per_m2 = max(50.0, _EMISSIVITY * SIGMA_W_PER_M2_K4 * kelvin**4 - earth_w)
    return sizing.radiator_margin * load_w / net_w_per_m2


def _panel_faces(array_m2: float) -> list[Surface]:
    """Return front and back of the solar panels."""
    return [
        Surface(
            name=f"panels.{side}",
            node="panels",
            area_m2=array_m2,
            emissivity=emissivity,
            absorptivity=alpha,
            pointing=pointing,
        )
        for side, emissivity, alpha, pointing in (
            ("front", 0.80, 0.88, Pointing.SUN),  # GaAs cell 0.88/0.80 [S]
            ("back", 0.85, 0.30, Pointing.ANTI_SUN),
        )
    ]


def _deployable_radiator(radiator_m2: float, link_w_per_k: float, start_c: float) -> RadiatorPanel:
    """Return a panel that radiates from both sides: half of the area each."""
    return RadiatorPanel(
        name="radiator",
        attached_to="structure",
        w_per_k=link_w_per_k,
        area_m2=radiator_m2 / 2.0,
        capacity_j_per_k=max(100.0, 4.0 * 900.0 * radiator_m2 / 2.0),
        emissivity=_EMISSIVITY,
        absorptivity=_ALPHA,
        absorptivity_eol=_ALPHA_EOL,
        pointing=Pointing.SHADE,
        start_c=start_c,
    )
