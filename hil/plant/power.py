"""Power and heat together: arrays, battery and loads on a bus, in a thermal network.

`PowerModel` (hil.scenario.plant.power) describes it, `PowerSystem` runs it: blocks of steps at
once, in the C kernel (csrc/host/power.c), because shedding, throttling and brown-out are decided in
every step. Knows loads with levels, not nodes of a rig: `hil.plant.flight` translates what boards
report into `PowerSystem.set_power`, and `PowerBlock.level` back into power modes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from hil._kernel import ffi, lib
from hil.errors import UsageError
from hil.kernel import check
from hil.plant.battery import build_battery
from hil.plant.power_block import PowerBlock, PowerSnapshot, PowerState, PowerTrace, account_of
from hil.plant.solar_array import fill_array, reference_power_w
from hil.plant.thermal import ZERO_C_K, ThermalNetwork, pointer
from hil.scenario.plant.power import LoadModel, PowerModel
from hil.scenario.problems import did_you_mean

__all__ = ["PowerSystem"]

Array = npt.NDArray[np.float64]


class PowerSystem:
    """A satellite's power and heat, stepped in blocks. Not safe for use by several threads.

    Raises:
        UsageError: The model names thermal nodes that the network does not have.
    """

    def __init__(self, model: PowerModel, network: ThermalNetwork) -> None:
        findings = model.check_nodes(network.model)
        if findings:
            path, message, remedy = findings[0]
            where = ".".join(map(str, path))
            raise UsageError(f"power.{where}: {message}", remedy=remedy or None)
        self.model = model
        self.network = network
        self._keep: list[Any] = []
        self._loads = ffi.new("hil_power_load_t[]", max(1, len(model.loads)))
        self._system = self._build()
        self._state = ffi.new("hil_power_state_t *")
        check(lib.power_init(self._system, model.battery.start_soc, self._state), "power_init")
        self._temperature: Array = np.array(network.start_k)

    def _build(self) -> Any:
        model, node = self.model, self.network.node
        arrays = ffi.new("hil_power_array_t[]", max(1, len(model.arrays)))
        for index, array in enumerate(model.arrays):
            fill_array(array, arrays[index], node(array.node))
        for index, load in enumerate(model.loads):
            self._fill_load(self._loads[index], load)
        ladder = model.ladder
        rungs = ffi.new("hil_power_rung_t[]", max(1, len(ladder)))
        by_name = {load.name: (index, load) for index, load in enumerate(model.loads)}
        for number, (name, level, enter, leave) in enumerate(ladder):
            index, load = by_name[name]
            rungs[number].load, rungs[number].level = index, load.level(level)
            rungs[number].enter_soc, rungs[number].leave_soc = enter, leave
        battery, tables = build_battery(model.battery, node(model.battery.node))
        self._keep = [arrays, rungs, battery, tables]
        bus = model.bus
        system = ffi.new("hil_power_system_t *")
        system.net = self.network.handle
        system.arrays, system.array = len(model.arrays), arrays
        system.loads, system.load = len(model.loads), self._loads
        system.rungs, system.rung = len(ladder), rungs
        system.battery = battery
        system.converter_node = node(bus.converter_node)
        system.converter_efficiency = bus.converter_efficiency
        system.shed_V, system.restore_V = bus.shed_v, bus.restore_v
        system.shed_dwell_s, system.restore_dwell_s = bus.shed_dwell_s, bus.restore_dwell_s
        system.restart_soc, system.restart_dwell_s = bus.restart_soc, bus.restart_dwell_s
        return system

    def _fill_load(self, raw: Any, load: LoadModel) -> None:
        raw.levels = len(load.levels)
        for index, level in enumerate(load.levels):
            raw.idle_W[index], raw.busy_W[index] = level.idle_w, level.busy_w
        raw.node = self.network.node(load.node)
        raw.rest_node = raw.node if load.rest_node is None else self.network.node(load.rest_node)
        raw.node_share = load.node_share
        raw.throttle_steps = len(load.throttle_steps)
        for index, step in enumerate(load.throttle_steps):
            raw.throttle[index] = step
        raw.throttle_K = load.throttle_c + ZERO_C_K
        raw.clear_K = load.throttle_clear_c + ZERO_C_K
        raw.throttle_poll_s = load.throttle_poll_s
        raw.shutdown_K = load.shutdown_c + ZERO_C_K

    # --- state

    @property
    def state(self) -> PowerState:
        """Return the present state."""
        raw, loads = self._state, range(len(self.model.loads))
        return PowerState(
            float(raw.soc),
            float(raw.bus_V),
            float(raw.battery_A),
            int(raw.stage),
            bool(raw.browned_out),
            bool(raw.charged),
            tuple(bool(raw.tripped[i]) for i in loads),
            tuple(int(raw.throttle[i]) for i in loads),
            int(raw.brownouts),
            int(raw.sheds),
            int(raw.restores),
            int(raw.trips),
        )

    @property
    def temperature_k(self) -> Array:
        """Return a copy of the present temperatures (nodes,) [K]."""
        return np.array(self._temperature)

    def temperature_c(self, node: str) -> float:
        """Return the present temperature of one node [C].

        Raises:
            UsageError: There is no node of that name.
        """
        return float(self._temperature[self.network.node(node)]) - ZERO_C_K

    def set_temperature_c(self, node: str, value_c: float) -> None:
        """Replace the temperature of a node with a measured one [C]."""
        self._temperature[self.network.node(node)] = value_c + ZERO_C_K

    def set_power(self, load: str, level: str, idle_w: float, busy_w: float) -> None:
        """Change the power of `load` at `level` from now on, as its board reports it.

        Raises:
            UsageError: There is no such load or level, or busy takes less than idle.
        """
        index = self._load(load)
        if not 0 <= idle_w <= busy_w:
            raise UsageError(f"{idle_w:g} W idle and {busy_w:g} W busy; expected 0 <= idle <= busy")
        number = self.model.loads[index].level(level)
        self._loads[index].idle_W[number] = idle_w
        self._loads[index].busy_W[number] = busy_w

    def snapshot(self) -> PowerSnapshot:
        """Return the present state. Powers changed by `set_power` are not part of it."""
        return PowerSnapshot(
            bytes(ffi.buffer(self._state)), tuple(float(t) for t in self._temperature)
        )

    def restore(self, snapshot: PowerSnapshot) -> None:
        """Continue from `snapshot`.

        Raises:
            UsageError: The snapshot is of another model or version.
        """
        nodes = len(self._temperature)
        if (
            len(snapshot.state) != ffi.sizeof("hil_power_state_t")
            or len(snapshot.temperature_k) != nodes
        ):
            raise UsageError("the snapshot is that of another satellite, or of another version")
        ffi.memmove(self._state, snapshot.state, len(snapshot.state))
        self._temperature = np.array(snapshot.temperature_k)

    def _load(self, name: str) -> int:
        names = [load.name for load in self.model.loads]
        if name not in names:
            raise UsageError(f"there is no load `{name}`", remedy=did_you_mean(name, names) or None)
        return names.index(name)

    # --- steps

    def array_power_w(
        self, illumination: Array, incidence_cos: Array, solar_w_per_m2: float | Array | None = None
    ) -> Array:
        """Return the power (N, arrays) of all arrays at their reference temperatures, for `run`.

        `incidence_cos` (N, arrays) or (arrays,): cosine of each array's normal against the sun.
        `solar_w_per_m2`: a number, or (N,); None: that of the network's case.

        Raises:
            UsageError: The shape of `incidence_cos` does not fit.
        """
        arrays, n = self.model.arrays, len(illumination)
        if incidence_cos.shape not in ((n, len(arrays)), (len(arrays),)):
            raise UsageError(
                f"`incidence_cos` has the shape {incidence_cos.shape}; expected "
                f"{(n, len(arrays))} or {(len(arrays),)}"
            )
        solar = self.network.case.solar_w_per_m2 if solar_w_per_m2 is None else solar_w_per_m2
        power = np.empty((n, len(arrays)))
        for column, array in enumerate(arrays):
            power[:, column] = reference_power_w(
                array, illumination, solar, incidence_cos[..., column]
            )
        return power

    def run(
        self,
        dt_s: float,
        steps: int,
        *,
        heat_w: Array | None = None,
        array_w: Array | None = None,
        activity: Array | None = None,
        command: Mapping[str, str] | None = None,
        every: int = 1,
    ) -> PowerBlock:
        """Advance by `steps` steps of `dt_s`.

        `heat_w` (N, nodes): heat from outside, as of `ThermalNetwork.absorbed_w`. `array_w` (N,
        arrays): as of `array_power_w`; None: dark. `activity` (N, loads) or (loads,): 0 idle to 1
        busy; None: busy. `command`: the level that is asked for, by load; others: the highest.

        Raises:
            UsageError: A shape does not fit, a value is out of range, or a step is not stable;
                after the last two this object must not be used any more.
        """
        if steps < 1 or every < 1 or not dt_s > 0:
            raise UsageError(
                f"{steps} steps of {dt_s:g} s, every {every}th noted; expected at least 1, above 0"
            )
        nodes, loads = len(self.network.names), len(self.model.loads)
        heat = _rows(heat_w, steps, nodes, "heat_w")
        light = _rows(array_w, steps, len(self.model.arrays), "array_w")
        active = _rows(activity, steps, loads, "activity")
        level = np.array([len(load.levels) - 1 for load in self.model.loads], dtype=np.uint8)
        for name, word in (command or {}).items():
            index = self._load(name)
            level[index] = self.model.loads[index].level(word)
        block = ffi.new("hil_power_block_t *")
        block.steps, block.dt_s = steps, dt_s
        block.heat_W = ffi.NULL if heat is None else pointer(heat)
        block.array_W = ffi.NULL if light is None else pointer(light)
        block.activity = ffi.NULL if active is None else pointer(active)
        block.level = pointer(level, "uint8_t *")
        trace = PowerTrace(steps // every, every, loads, nodes)
        account, fault = ffi.new("hil_power_account_t *"), ffi.new("hil_thermal_fault_t *")
        status = lib.power_run(
            self._system, block, self._state, pointer(self._temperature), trace.raw, account, fault
        )
        if status == lib.HIL_ERR_ARG and fault.node == nodes and fault.dt_s == 0:
            raise UsageError(
                f"step {fault.step}: a value of `array_w` or `activity` is out of range",
                remedy="array power is not negative, activity from 0 to 1",
            )
        self.network.check_step(status, "power_run", dt_s, fault)
        return trace.block(account_of(account))


def _rows(values: Array | None, steps: int, width: int, what: str) -> Array | None:
    if values is None:
        return None
    if values.shape not in ((steps, width), (width,)):
        raise UsageError(
            f"`{what}` has the shape {values.shape}; expected {(steps, width)} or {(width,)}"
        )
    return np.ascontiguousarray(np.broadcast_to(values, (steps, width)), dtype=np.float64)
