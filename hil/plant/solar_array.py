"""Solar arrays for the C kernel (csrc/kernel/power.c), which steps them."""

from __future__ import annotations

from typing import Any

from hil.plant.thermal import ZERO_C_K
from hil.scenario.plant.solar_array import SolarArrayModel, Transfer, smad_array_power_w

__all__ = ["SolarArrayModel", "Transfer", "fill_array", "smad_array_power_w"]


def fill_array(model: SolarArrayModel, raw: Any, node: int) -> None:
    """Write the kernel's struct."""
    raw.node = node
    raw.direct = int(model.transfer is Transfer.DIRECT)
    raw.reference_K = model.reference_c + ZERO_C_K
    raw.power_per_K = model.power_per_k
    raw.transfer = model.transfer_efficiency
    raw.mp_V, raw.mp_V_per_K = model.reference_mp_v, model.reference_mp_v_per_k
    raw.oc_per_mp, raw.sc_per_mp = model.oc_per_mp, model.sc_per_mp
