"""Solar arrays for the C kernel (csrc/host/power.c), which steps them.

Knows cells, not orbits: illumination and incidence come in as arrays. The power at the reference
temperature is worked out here, for many steps at once; what temperature and bus voltage make of
it happens step by step in the kernel, which `power_w` repeats in numpy.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from hil.plant.thermal import ZERO_C_K
from hil.scenario.plant.solar_array import SolarArrayModel, Transfer

__all__ = [
    "SolarArrayModel",
    "Transfer",
    "fill_array",
    "power_w",
    "reference_power_w",
    "smad_array_power_w",
]

Array = npt.NDArray[np.float64]


def fill_array(model: SolarArrayModel, raw: Any, node: int) -> None:
    """Write an array into the kernel's struct."""
    raw.node = node
    raw.direct = model.transfer is Transfer.DIRECT
    raw.reference_K = model.reference_c + ZERO_C_K
    raw.power_per_K = model.power_per_k
    raw.transfer = model.transfer_efficiency
    raw.mp_V, raw.mp_V_per_K = model.reference_mp_v, model.reference_mp_v_per_k
    raw.oc_per_mp, raw.sc_per_mp = model.oc_per_mp, model.sc_per_mp


def reference_power_w(
    model: SolarArrayModel,
    illumination: Array,
    solar_w_per_m2: float | Array,
    incidence_cos: float | Array,
) -> Array:
    """Return the maximum power (N,) at the reference temperature; `incidence_cos` is negative
    behind.
    """
    light = illumination * solar_w_per_m2 * np.maximum(incidence_cos, 0.0)
    power: Array = light * model.w_per_flux
    return power


def power_w(
    model: SolarArrayModel,
    reference_w: Array,
    temperature_c: float | Array,
    bus_v: float | Array = 0.0,
) -> Array:
    """Return the array's output power from that at reference; `bus_v` is used if direct."""
    dt = np.asarray(temperature_c) - model.reference_c
    power = reference_w * np.maximum(1.0 + model.power_per_k * dt, 0.0)
    if model.transfer is Transfer.DIRECT:
        v = np.asarray(bus_v) / (model.reference_mp_v + model.reference_mp_v_per_k * dt)
        falling = np.maximum((model.oc_per_mp - v) / (model.oc_per_mp - 1.0), 0.0)
        current = np.where(v <= 1.0, model.sc_per_mp - (model.sc_per_mp - 1.0) * v, falling)
        power = power * np.minimum(current * v, 1.0)
    return np.asarray(power, dtype=np.float64)


def smad_array_power_w(
    load_w: float,
    daylight_s: float,
    eclipse_s: float,
    *,
    daylight_path: float = 0.85,
    eclipse_path: float = 0.65,
    eclipse_load_w: float | None = None,
) -> float:
    """Return the array power that carries a load day and night: (Pe Te/Xe + Pd Td/Xd) / Td.

    Source: Space Mission Analysis and Design [R]; Xe/Xd are 0.65/0.85 with direct transfer,
    0.60/0.80 with a tracker.
    """
    night = load_w if eclipse_load_w is None else eclipse_load_w
    return (night * eclipse_s / eclipse_path + load_w * daylight_s / daylight_path) / daylight_s
