"""The heat of a satellite: a lumped network of nodes, and what sun, Earth and space do to it.

Models (`ThermalModel` and its parts) come from the scenario; `ThermalNetwork` is one built,
ready for the C kernel. Knows no orbit: illumination, angles and view factors come in as arrays, a
value a step. Knows no boards either, except as nodes with loads.

Conventions (ESATAN/SINDA): linear conductors GL [W/K], radiative couplings GR [m2], heat flows
positive into a node. External loads of a face of area A, with illumination nu, solar flux S, albedo
a, Earth's infrared q_E, and view factor F to the Earth:

    sun      alpha A S nu max(0, cos(sun, normal))
    albedo   alpha A a S F max(0, cos(sun zenith below))        (crude: one angle for all Earth)
    Earth    epsilon A q_E F

A face radiates epsilon A view sigma T^4 to space, whether Earth is there or not: what Earth sends
back is a load.

Grades of numbers, as [S] or [R], are those of hil.board_types.cited; [A] is an assumption.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from hil._kernel import ffi, lib
from hil.errors import UsageError
from hil.kernel import check
from hil.plant.earth import EARTH_RADIUS_KM
from hil.scenario.plant.flight import ThermalCaseName
from hil.scenario.plant.thermal import (
    SPACE,
    ZERO_C_K,
    Conductor,
    Coupling,
    Mli,
    RadiatorPanel,
    Surface,
    ThermalModel,
    ThermalNode,
)
from hil.scenario.problems import did_you_mean

__all__ = [
    "CASES",
    "COLD",
    "HOT",
    "NOMINAL",
    "SIGMA_W_PER_M2_K4",
    "SPACE",
    "ZERO_C_K",
    "Conductor",
    "Coupling",
    "HeatAccount",
    "Mli",
    "RadiatorPanel",
    "Surface",
    "ThermalBlock",
    "ThermalCase",
    "ThermalEnvironment",
    "ThermalModel",
    "ThermalNetwork",
    "ThermalNode",
    "earth_view_factor",
]

Array = npt.NDArray[np.float64]

SIGMA_W_PER_M2_K4: Final = 5.670374419e-8
"""Stefan-Boltzmann constant, exact in the SI of 2019."""


_LONGEST_PART_S: Final = 10.0
_MOST_PARTS: Final = 36_000


# Cases --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ThermalCase:
    """The assumed environment of a thermal analysis, and whether coatings are aged.

    Hot design cases use the strongest sun and aged coatings, cold ones the weakest and new ones;
    dissipation and the orbit's beta angle are chosen by the caller.
    """

    solar_w_per_m2: float
    albedo: float
    earth_ir_w_per_m2: float
    end_of_life: bool


NOMINAL: Final = ThermalCase(1361.0, 0.30, 237.0, end_of_life=False)
"""Solar constant at 1 AU [R]; mean albedo and Earth infrared 0.30 and 237-240 W/m2, as several
public models have them [S]."""

HOT: Final = ThermalCase(1414.0, 0.35, 258.0, end_of_life=True)
"""Handbook hot case: solar 1414 W/m2 [R], albedo 0.35, Earth infrared 258 W/m2 [R]."""

COLD: Final = ThermalCase(1322.0, 0.25, 217.0, end_of_life=False)
"""Handbook cold case: solar 1322 W/m2 [R], albedo 0.25, Earth infrared 217 W/m2 [R]."""

CASES: Final[Mapping[ThermalCaseName, ThermalCase]] = {
    ThermalCaseName.NOMINAL: NOMINAL,
    ThermalCaseName.HOT: HOT,
    ThermalCaseName.COLD: COLD,
}


# View factors -------------------------------------------------------------------------------------


def earth_view_factor(altitude_km: float, nadir_cos: float) -> float:
    """Return the view factor of a small plate to Earth; `nadir_cos` is its normal against the
    nadir.

    (Re/r)^2 cos gamma while the whole disc is in front of the plate, 0 when none is; between them
    the closed form for a disc cut by the plate's horizon (J. R. Howell, A Catalog of Radiation
    Heat Transfer Configuration Factors, plane element to sphere) [R]; tests compare it with
    numerical integration.
    """
    h = 1.0 + altitude_km / EARTH_RADIUS_KM
    cosine = min(1.0, max(-1.0, nadir_cos))
    if cosine * h >= 1.0:
        return cosine / (h * h)
    if cosine * h <= -1.0:
        return 0.0
    sine = math.sqrt(1.0 - cosine * cosine)
    root = math.sqrt(h * h - 1.0)
    limb = math.sqrt(1.0 - h * h * cosine * cosine)
    return (
        0.5
        - math.asin(min(1.0, root / (h * sine))) / math.pi
        + (cosine * math.acos(min(1.0, max(-1.0, -root * cosine / sine))) - root * limb)
        / (math.pi * h * h)
    )


# Environment --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ThermalEnvironment:
    """Light and infrared on a satellite during a block of N steps. F is the number of faces.

    `illumination` (N,): 0 umbra .. 1 full sun. `sun_cos` (N, F) or (F,): cosine of each face's
    normal against the sun; negative is behind. `earth_view` (N, F) or (F,): view factor of each
    face to Earth. `sun_zenith_cos` (N,): cosine of the sun's zenith angle below the satellite.
    `solar_w_per_m2`, `albedo`, `earth_ir_w_per_m2`: a number, or (N,); None: that of the case.
    """

    illumination: Array
    sun_cos: Array
    earth_view: Array
    sun_zenith_cos: Array
    solar_w_per_m2: float | Array | None = None
    albedo: float | Array | None = None
    earth_ir_w_per_m2: float | Array | None = None

    @property
    def steps(self) -> int:
        """Return the number of steps N."""
        return len(self.illumination)


@dataclass(frozen=True, slots=True)
class HeatAccount:
    """The heat account of a block, in joules: `load_j` = `boundary_j` + `stored_j`.

    `load_j` and `boundary_j` (space, fixed nodes) are sums of flows; `stored_j` is taken from the
    temperatures, so `residual` is a real test."""

    load_j: float
    boundary_j: float
    stored_j: float
    throughput_j: float

    @property
    def residual(self) -> float:
        """Return the residual of the sum, relative to the throughput."""
        missing = self.load_j - self.boundary_j - self.stored_j
        return missing / max(self.throughput_j, abs(self.boundary_j), abs(self.stored_j), 1e-300)


@dataclass(frozen=True)
class ThermalBlock:
    """The result of a block: `temperature_k` (N, nodes) after each step, read-only."""

    temperature_k: Array = field(repr=False)
    account: HeatAccount


def pointer(array: npt.NDArray[Any], kind: str = "double *") -> Any:
    """Return the address of an array's first value for the C kernel; keep the array alive."""
    return ffi.cast(kind, array.ctypes.data)


def heat_account(raw: Any) -> HeatAccount:
    """Return the kernel's account of heat as a HeatAccount."""
    return HeatAccount(
        float(raw.load_J), float(raw.boundary_J), float(raw.stored_J), float(raw.throughput_J)
    )


# The network --------------------------------------------------------------------------------------


class ThermalNetwork:
    """A thermal model, built for the kernel under one case. It keeps no temperatures.

    `names` are its nodes (the columns of loads and temperatures), `faces` its faces (the columns
    of environments), `start_k` the temperatures at the beginning.
    """

    def __init__(self, model: ThermalModel, case: ThermalCase = NOMINAL) -> None:
        self.model = model
        self.case = case
        nodes = model.all_nodes
        self.names = tuple(node.name for node in nodes)
        self._index = {name: index for index, name in enumerate(self.names)}
        self.faces = tuple(face.name for face in model.all_faces)
        self._capacity = np.array([node.capacity_j_per_k or 0.0 for node in nodes])
        self.start_k = np.array(
            [(n.start_c if n.fixed_c is None else n.fixed_c) + ZERO_C_K for n in nodes]
        )
        self.start_k[-1] = model.space_k
        self.start_k.flags.writeable = False
        conductors, radiators = model.all_conductors, model.all_radiators
        self._conductor_ab = self._ends(conductors)
        self._conductor = np.array([link.w_per_k for link in conductors])
        self._radiator_ab = self._ends(radiators)
        self._radiator = np.array([link.m2 for link in radiators])
        self.handle = ffi.new("hil_thermal_net_t *")
        net = self.handle
        net.nodes, net.capacity_JpK = len(nodes), pointer(self._capacity)
        net.conductors = len(conductors)
        net.conductor_ab = pointer(self._conductor_ab, "uint16_t *")
        net.conductor_WpK = pointer(self._conductor)
        net.radiators = len(radiators)
        net.radiator_ab = pointer(self._radiator_ab, "uint16_t *")
        net.radiator_m2 = pointer(self._radiator)

    def _ends(self, links: tuple[Conductor, ...] | tuple[Coupling, ...]) -> npt.NDArray[np.uint16]:
        ends = [self._index[name] for link in links for name in link.between]
        return np.array(ends, dtype=np.uint16)

    def node(self, name: str) -> int:
        """Return the column of the node `name`.

        Raises:
            UsageError: There is no such node.
        """
        index = self._index.get(name)
        if index is None:
            raise UsageError(
                f"the thermal network has no node `{name}`",
                remedy=did_you_mean(name, self.names) or f"its nodes are {', '.join(self.names)}",
            )
        return index

    def stable_dt_s(self, temperature_k: Array | None = None) -> tuple[float, str]:
        """Return the longest stable step [s] and the node that limits it; infinity if none does.

        It is that at `temperature_k` (nodes,), by default the start temperatures.
        """
        state = self._state(self.start_k if temperature_k is None else temperature_k)
        fault = ffi.new("hil_thermal_fault_t *")
        check(lib.thermal_stable_dt(self.handle, pointer(state), fault), "thermal_stable_dt")
        if fault.node >= len(self.names):
            return math.inf, ""
        return float(fault.dt_s), self.names[fault.node]

    def parts_of(self, dt_s: float, hottest_c: float = 125.0) -> int:
        """Return in how many equal parts a step of `dt_s` [s] is computed: each is stable while no
        node is above `hottest_c` [°C], and not longer than 10 s, up to which sums of energy close
        to 1e-6.

        Raises:
            UsageError: There would be more than 36,000 parts.
        """
        longest, name = self.stable_dt_s(np.maximum(self.start_k, hottest_c + ZERO_C_K))
        parts = dt_s / min(longest, _LONGEST_PART_S)
        if not parts <= _MOST_PARTS:
            raise UsageError(
                f"a step of {dt_s:g} s is too long for the thermal node `{name}`: "
                f"at {hottest_c:g} °C it is stable up to {longest:.3g} s, and a step is computed "
                f"in at most {_MOST_PARTS} parts",
                remedy="shorten the step, give the node more capacity, or merge it with another",
            )
        return max(1, math.ceil(parts - 1e-9))

    def absorbed_w(self, environment: ThermalEnvironment) -> Array:
        """Return the heat (N, nodes) [W] that sun, albedo and Earth put into every node.

        Raises:
            UsageError: A shape does not fit.
        """
        case = self.case
        n, faces = environment.steps, self.model.all_faces
        sun = self._columns(environment.sun_cos, n, "sun_cos")
        view = self._columns(environment.earth_view, n, "earth_view")
        solar = _either(environment.solar_w_per_m2, case.solar_w_per_m2)
        albedo = _either(environment.albedo, case.albedo)
        earth_ir = _either(environment.earth_ir_w_per_m2, case.earth_ir_w_per_m2)
        direct = environment.illumination * solar
        reflected = albedo * solar * np.maximum(environment.sun_zenith_cos, 0.0)
        scratch = np.empty(n)
        heat = np.zeros((len(self.names), n))
        for column, face in enumerate(faces):
            old = face.absorptivity_eol if case.end_of_life else None
            alpha = (face.absorptivity if old is None else old) * face.area_m2
            epsilon = face.emissivity * face.area_m2 * face.view
            node = heat[self._index[face.node]]
            np.maximum(sun[..., column], 0.0, out=scratch)
            scratch *= direct
            scratch *= alpha
            node += scratch
            view_of_face = view[..., column]
            if view_of_face.ndim or view_of_face > 0.0:
                np.multiply(reflected, alpha * face.view, out=scratch)
                scratch += epsilon * earth_ir
                scratch *= view_of_face
                node += scratch
        return np.ascontiguousarray(heat.T)

    def _columns(self, values: Array, n: int, what: str) -> Array:
        wanted = len(self.faces)
        if values.shape not in ((n, wanted), (wanted,)):
            raise UsageError(
                f"`{what}` has the shape {values.shape}; expected {(n, wanted)} or {(wanted,)}",
                remedy=f"one column for each of {', '.join(self.faces) or 'no faces'}",
            )
        return values

    def run(
        self,
        temperature_k: Array,
        dt_s: float,
        steps: int,
        *,
        dissipation_w: Array | None = None,
        environment: ThermalEnvironment | None = None,
    ) -> ThermalBlock:
        """Advance from `temperature_k` (nodes,) by `steps` steps of `dt_s`.

        `dissipation_w` (N, nodes), or (nodes,) for all steps, is heat from inside.

        Raises:
            UsageError: A shape does not fit, or a step is not stable; names the node.
        """
        nodes = len(self.names)
        if steps < 1 or not dt_s > 0:
            raise UsageError(f"{steps} steps of {dt_s:g} s; expected at least 1, above 0")
        state = self._state(temperature_k)
        loads = np.zeros((1, nodes))
        if dissipation_w is not None:
            loads = np.atleast_2d(np.asarray(dissipation_w, dtype=np.float64))
        if environment is not None:
            if environment.steps != steps:
                raise UsageError(f"the environment has {environment.steps} steps; expected {steps}")
            loads = loads + self.absorbed_w(environment)
        if loads.shape not in ((1, nodes), (steps, nodes)):
            raise UsageError(
                f"`dissipation_w` has the shape {loads.shape}; "
                f"expected {(steps, nodes)} or {(nodes,)}"
            )
        loads = np.ascontiguousarray(loads)
        out = np.empty((steps, nodes))
        account, fault = ffi.new("hil_thermal_account_t *"), ffi.new("hil_thermal_fault_t *")
        block = ffi.new("hil_thermal_block_t *")
        block.steps, block.dt_s = steps, dt_s
        block.load_rows, block.load_W, block.out_T_K = len(loads), pointer(loads), pointer(out)
        status = lib.thermal_run(self.handle, block, pointer(state), account, fault)
        self.check_step(status, "thermal_run", dt_s, fault)
        out.flags.writeable = False
        return ThermalBlock(out, heat_account(account))

    def check_step(self, status: int, what: str, dt_s: float, fault: Any) -> None:
        """Check the kernel's status of a step. Raises: UsageError, with the node and the step, if
        the step was impossible."""
        if status == lib.HIL_ERR_STATE:
            name, longest = self.names[fault.node], float(fault.dt_s)
            if longest > 0:
                raise UsageError(
                    f"in step {fault.step} a step of {dt_s:g} s is too long for the thermal node "
                    f"`{name}`: now it is stable up to {longest:.3g} s",
                    remedy="shorten the step, or give the node more capacity",
                )
            raise UsageError(
                f"in step {fault.step} the temperature or load of the thermal node `{name}` is not "
                "a valid number",
                remedy="is a load infinite, or does a negative one cool below absolute zero?",
            )
        check(status, what)

    def _state(self, temperature_k: Array) -> Array:
        state = np.array(temperature_k, dtype=np.float64, order="C")
        if state.shape != (len(self.names),):
            raise UsageError(
                f"there are {state.shape} temperatures; expected {len(self.names)}, "
                f"of {', '.join(self.names)}"
            )
        return state


def _either(value: float | Array | None, default: float) -> float | Array:
    return default if value is None else value
