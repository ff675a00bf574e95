"""The battery for the C kernel (csrc/host/power.c), which steps it."""

from __future__ import annotations

from typing import Any

import numpy as np

from hil._kernel import ffi
from hil.plant.thermal import ZERO_C_K, pointer
from hil.scenario.plant.battery import BatteryModel, BatteryTables

__all__ = ["BatteryModel", "BatteryTables", "build_battery"]


def build_battery(model: BatteryModel, node: int) -> tuple[Any, list[Any]]:
    """Return the kernel's struct of a battery, and the arrays that must stay alive with it."""
    t = model.tables
    scale = model.series / model.parallel
    volts, socs = (np.array(column) for column in model.ocv)
    kelvins = np.array(t.resistance_c) + ZERO_C_K
    r_soc = np.array(t.resistance_soc)
    ohms = np.ascontiguousarray(np.array(t.resistance_ohm) * scale)
    amperes = model.cell_ah * model.parallel
    raw = ffi.new("hil_power_battery_t *")
    raw.node, raw.capacity_As = node, model.capacity_as
    raw.charge_efficiency = model.charge_efficiency
    raw.ocv_points, raw.ocv_soc, raw.ocv_V = len(socs), pointer(socs), pointer(volts)
    raw.r_temperatures, raw.r_socs = len(kelvins), len(r_soc)
    raw.r_K, raw.r_soc, raw.r_ohm = pointer(kelvins), pointer(r_soc), pointer(ohms)
    raw.charge_max_A = model.charge_max_c_rate * amperes
    raw.charge_max_V = model.charge_max_v * model.series
    raw.taper_stop_A = model.taper_stop_c_rate * amperes
    raw.recharge_soc = model.recharge_soc
    raw.charge_min_K = model.charge_min_c + ZERO_C_K
    raw.charge_max_K = model.charge_max_c + ZERO_C_K
    raw.discharge_min_K = model.discharge_min_c + ZERO_C_K
    raw.discharge_max_K = model.discharge_max_c + ZERO_C_K
    raw.discharge_max_A = model.discharge_max_c_rate * amperes
    raw.discharge_min_V = model.discharge_min_v * model.series
    return raw, [volts, socs, kelvins, r_soc, ohms]
