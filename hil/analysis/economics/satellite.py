"""A satellite for the computers of a rig: masses, sizes and costs.

    load      computers and housekeeping
    array     feeds the load and, in sunlight, the battery: load (1 + dark / sunlit / efficiency) at
              the end of life; at its beginning more, by its yearly loss
    battery   carries the load through the longest eclipse, at a depth of discharge
    radiator  rejects the load
    mass      computers with chassis, array, battery, radiator and bus; structure on top of these,
              margin on top of all
    launch    mass by price
    loss      a launch that fails is paid again with all that it carried: 1 / (1 - p)

Computers that fail are replaced, with their launch. All costs grow with the power, so that the cost
of an answer does not depend on how many such rigs fly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hil.analysis.economics.bill import Bill, FloatArray

__all__ = ["Satellite", "SatelliteLoad", "size_satellite"]

_HOUR_S = 3600.0


@dataclass(frozen=True)
class SatelliteLoad:
    """The load of a satellite: the number of computers, their power together [W], and
    the orbit: its share in sunlight and its longest eclipse [s].

    `array_w` (at the beginning of life), `battery_wh` and `radiator_m2` are those that the scenario
    has; None: they are sized for the load."""

    computers: int
    computers_w: float
    sunlit_share: float
    eclipse_s: float
    array_w: float | None = None
    battery_wh: float | None = None
    radiator_m2: float | None = None


@dataclass(frozen=True)
class Satellite:
    """The sizes of a satellite and its bill. Masses are those before margin, `launch_kg` is with
    it."""

    load_w: FloatArray
    array_w: FloatArray
    battery_wh: FloatArray
    radiator_m2: FloatArray
    masses_kg: Mapping[str, FloatArray]
    launch_kg: FloatArray
    bill: Bill


def size_satellite(load: SatelliteLoad, prices: Mapping[str, FloatArray]) -> Satellite:
    """Return the satellite for a load at these prices (names of prices.yaml)."""
    one = prices["launch_usd_per_kg"] * 0.0 + 1.0
    load_w = load.computers_w * (1.0 + prices["housekeeping_share"])
    array_w = _array_w(load, load_w, prices) if load.array_w is None else load.array_w * one
    battery_wh = load_w * load.eclipse_s / _HOUR_S / prices["battery_depth"]
    if load.battery_wh is not None:
        battery_wh = load.battery_wh * one
    radiator_m2 = load_w / prices["radiator_w_per_m2"]
    if load.radiator_m2 is not None:
        radiator_m2 = load.radiator_m2 * one
    carried_kg = {
        "computers": load.computers * prices["computer_kg"] * prices["payload_factor"],
        "array": array_w / prices["array_w_per_kg"],
        "battery": battery_wh / prices["battery_wh_per_kg"],
        "radiator": radiator_m2 * prices["radiator_kg_per_m2"],
        "bus": load_w * prices["bus_kg_per_w"],
    }
    sum_kg = sum(carried_kg.values(), 0.0 * one)
    masses_kg = {**carried_kg, "structure": sum_kg * prices["structure_share"]}
    launch_kg = (sum_kg + masses_kg["structure"]) * (1.0 + prices["margin_share"])
    again = 1.0 / (1.0 - prices["launch_failure"])
    flown_usd = {
        "computers": load.computers * prices["computer_usd"],
        "array": array_w * prices["array_usd_per_w"],
        "battery": battery_wh * prices["battery_usd_per_wh"],
        "radiator": radiator_m2 * prices["radiator_usd_per_m2"],
        "bus": load_w * prices["bus_usd_per_w"],
        "launch": launch_kg * prices["launch_usd_per_kg"],
    }
    once_usd = {name: usd * again for name, usd in flown_usd.items()}
    once_usd["ground segment"] = load_w * prices["ground_segment_usd_per_w"]
    computer_usd = prices["computer_usd"] + (
        prices["computer_kg"] * prices["payload_factor"] * prices["launch_usd_per_kg"]
    )
    yearly_usd = {
        "operations": load_w * prices["operations_usd_per_w_year"],
        "replacements": load.computers
        * prices["computer_failures_per_year"]
        * computer_usd
        * again,
    }
    return Satellite(
        load_w, array_w, battery_wh, radiator_m2, masses_kg, launch_kg, Bill(once_usd, yearly_usd)
    )


def _array_w(
    load: SatelliteLoad, load_w: FloatArray, prices: Mapping[str, FloatArray]
) -> FloatArray:
    """Return the power of the array at the beginning of its life [W]."""
    dark = (1.0 - load.sunlit_share) / load.sunlit_share
    end_w = load_w * (1.0 + dark / prices["battery_efficiency"])
    return end_w / (1.0 - prices["array_loss_per_year"]) ** prices["life_years"]
