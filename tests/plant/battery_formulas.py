"""What a battery model says of its pack, in formulas: to compare the kernel with."""

from __future__ import annotations

import math

import numpy as np

from hil.scenario.plant.battery import BatteryModel


def open_circuit_v(cells: BatteryModel, soc: float) -> float:
    """The open-circuit voltage of the pack."""
    volts, socs = cells.ocv
    return float(np.interp(soc, socs, volts))


def resistance_ohm(cells: BatteryModel, temperature_c: float, soc: float) -> float:
    """The resistance of the pack."""
    t = cells.tables
    column = [np.interp(soc, t.resistance_soc, row) for row in t.resistance_ohm]
    cell = float(np.interp(temperature_c, t.resistance_c, column))
    return cell * cells.series / cells.parallel


def most_w(cells: BatteryModel, temperature_c: float, soc: float) -> float:
    """The highest power at any current: OCV^2 / 4R."""
    return open_circuit_v(cells, soc) ** 2 / (4.0 * resistance_ohm(cells, temperature_c, soc))


def discharge_a(
    cells: BatteryModel, power_w: float, temperature_c: float, soc: float
) -> float | None:
    """The current of a constant power, (OCV - sqrt(OCV^2 - 4 R P)) / 2R; None above `most_w`."""
    volts, ohm = open_circuit_v(cells, soc), resistance_ohm(cells, temperature_c, soc)
    square = volts * volts - 4.0 * ohm * power_w
    return None if square < 0 else (volts - math.sqrt(square)) / (2.0 * ohm)
