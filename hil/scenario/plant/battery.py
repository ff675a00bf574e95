"""The battery: charge counting, voltage and resistance tables, limits.

`BatteryModel` describes a pack; the C kernel (csrc/host/power.c) steps it. The methods here
repeat single formulas of the kernel in plain Python, for planning and as an independent check.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Annotated, Final

from pydantic import Field, model_validator

from hil.scenario.fields import Celsius, Float, Fraction, FrozenModel, Int, PartName, Positive
from hil.scenario.problems import Findings, wrong_at

__all__ = ["MAX_TABLE", "BatteryModel", "BatteryTables"]

MAX_TABLE: Final = 64
"""Points of a table that the kernel has room for (csrc/host/power.h)."""

# An NMC/NCA lithium-ion cell. Shape and values are assumptions [A]: read off the general form of
# published 18650 curves (3.0 V empty, a plateau near 3.6-3.7 V, 4.2 V full), not of one product.
_OCV_SOC = (0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
_OCV_V = (3.0, 3.30, 3.42, 3.53, 3.59, 3.64, 3.70, 3.79, 3.88, 3.97, 4.07, 4.18)
# Resistance of such a cell, cable included [A]: 50 mohm warm, twice that at 0 C, five times at
# -20 C, and a half more when nearly empty: the usual behaviour of the kind.
_R_C = (-20.0, 0.0, 20.0, 40.0)
_R_SOC = (0.0, 0.2, 1.0)
_R_OHM = (
    (0.375, 0.250, 0.250),
    (0.150, 0.100, 0.100),
    (0.075, 0.050, 0.050),
    (0.060, 0.040, 0.040),
)


class BatteryTables(FrozenModel):
    """Tables of one cell; defaults: an assumed lithium-ion cell, see the module's source."""

    ocv_soc: tuple[Fraction, ...] = Field(
        default=_OCV_SOC, description="States of charge, from 0 to 1, ascending."
    )
    ocv_v: tuple[Positive, ...] = Field(
        default=_OCV_V, description="Open-circuit voltage of a cell there."
    )
    resistance_c: tuple[Celsius, ...] = Field(
        default=_R_C, description="Temperatures of the rows of `resistance_ohm`, ascending."
    )
    resistance_soc: tuple[Fraction, ...] = Field(
        default=_R_SOC, description="States of charge of its columns, ascending."
    )
    resistance_ohm: tuple[tuple[Positive, ...], ...] = Field(
        default=_R_OHM, description="Resistance of a cell: a row for each temperature."
    )

    @model_validator(mode="after")
    def _consistent(self) -> BatteryTables:
        findings = Findings()
        for key in ("ocv_soc", "resistance_c", "resistance_soc"):
            values = getattr(self, key)
            if any(b <= a for a, b in pairwise(values)):
                findings.add(key, "the values do not ascend", "put them in order, each once")
            if not 1 <= len(values) <= MAX_TABLE:
                findings.add(key, f"{len(values)} values; expected 1 to {MAX_TABLE}")
        if len(self.ocv_soc) < 2 or self.ocv_soc[0] != 0 or self.ocv_soc[-1] != 1:
            findings.add("ocv_soc", "the table does not reach from 0 to 1")
        if len(self.ocv_v) != len(self.ocv_soc):
            findings.add(
                "ocv_v", f"{len(self.ocv_v)} voltages for {len(self.ocv_soc)} states of charge"
            )
        if any(b < a for a, b in pairwise(self.ocv_v)):
            findings.add("ocv_v", "the voltage falls while the charge rises")
        if len(self.resistance_ohm) != len(self.resistance_c):
            findings.add(
                "resistance_ohm",
                f"{len(self.resistance_ohm)} rows for {len(self.resistance_c)} temperatures",
            )
        for index, row in enumerate(self.resistance_ohm):
            if len(row) != len(self.resistance_soc):
                findings.add(
                    ("resistance_ohm", index),
                    f"{len(row)} values for {len(self.resistance_soc)} states of charge",
                )
        wrong_at("BatteryTables", findings)
        return self


class BatteryModel(FrozenModel):
    """A pack of equal cells, `series` in a string and `parallel` strings."""

    node: PartName = Field(description="The thermal node that it is.")
    series: Annotated[Int, Field(ge=1, le=200)] = Field(description="Cells in a string.")
    parallel: Annotated[Int, Field(ge=1, le=1000)] = Field(description="Strings.")
    cell_ah: Positive = Field(description="Capacity of a cell.")
    start_soc: Fraction = Field(default=1.0, description="State of charge at the beginning.")
    # Coulombic efficiency 0.99+ [R].
    charge_efficiency: Annotated[Float, Field(gt=0, le=1)] = Field(
        default=0.995, description="Charge stored per charge put in."
    )
    # 0.5 C and 4.1 V instead of 4.2 V: the usual derating for many cycles [A].
    charge_max_c_rate: Positive = Field(
        default=0.5, description="Constant current, in capacities per hour."
    )
    charge_max_v: Positive = Field(default=4.1, description="Constant voltage of a cell.")
    taper_stop_c_rate: Positive = Field(
        default=0.02, description="At constant voltage, charging ends below this current."
    )
    recharge_soc: Fraction = Field(default=0.95, description="And begins again below this.")
    # Charge 0-45 C, discharge -20..60 C [R].
    charge_min_c: Celsius = Field(default=0.0, description="Not charged below.")
    charge_max_c: Celsius = Field(default=45.0, description="Not charged above.")
    discharge_min_c: Celsius = Field(default=-20.0, description="Delivers nothing below.")
    discharge_max_c: Celsius = Field(default=60.0, description="Delivers nothing above.")
    discharge_max_c_rate: Positive = Field(
        default=2.0, description="Its breaker opens above this current."
    )
    discharge_min_v: Annotated[Float, Field(ge=0)] = Field(
        default=2.8, description="Its breaker opens below this voltage of a cell."
    )
    tables: BatteryTables = Field(
        default_factory=BatteryTables, description="Voltage and resistance of a cell."
    )

    @model_validator(mode="after")
    def _consistent(self) -> BatteryModel:
        findings = Findings()
        if self.charge_min_c >= self.charge_max_c:
            findings.add("charge_max_c", "it is not above `charge_min_c`")
        if self.discharge_min_c >= self.discharge_max_c:
            findings.add("discharge_max_c", "it is not above `discharge_min_c`")
        if self.charge_max_v <= self.discharge_min_v:
            findings.add("charge_max_v", "it is not above `discharge_min_v`")
        wrong_at("BatteryModel", findings)
        return self

    @property
    def capacity_as(self) -> float:
        """Return the capacity of the pack [A s]."""
        return self.cell_ah * self.parallel * 3600.0

    @property
    def energy_wh(self) -> float:
        """Return the energy of the full pack: the integral of its open-circuit voltage."""
        points = pairwise(zip(*self.ocv, strict=True))
        area = math.fsum((v0 + v1) * (s1 - s0) for (v0, s0), (v1, s1) in points) / 2.0
        return area * self.capacity_as / 3600.0

    @property
    def ocv(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Return the open-circuit voltages of the pack [V], and the states of charge they belong
        to.
        """
        t = self.tables
        return tuple(v * self.series for v in t.ocv_v), tuple(t.ocv_soc)
