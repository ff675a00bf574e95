"""Solar arrays of a scenario: power from light, and its transfer to the bus."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

from pydantic import Field, model_validator

from hil.scenario.fields import Celsius, Efficiency, Float, FrozenModel, PartName, Positive
from hil.scenario.plant.thermal import Pointing
from hil.scenario.problems import Findings, wrong_at

__all__ = ["SolarArrayModel", "Transfer"]


class Transfer(str, Enum):
    """The coupling of an array to the bus."""

    MPPT = "mppt"  # a converter keeps it at its maximum power
    DIRECT = "direct"  # it works at the bus voltage; shunts take the surplus


class SolarArrayModel(FrozenModel):
    """One array. Defaults: triple-junction cells, new, behind a maximum power tracker."""

    name: PartName = Field(description="Unique name.")
    node: PartName = Field(description="The thermal node of its cells.")
    area_m2: Positive = Field(description="Area of the panel.")
    pointing: Pointing | None = Field(default=None, description="Where its cells look.")
    # Spectrolab XTJ: 29.8 % average at beginning of life (BOL), AM0, 28 C [S].
    efficiency: Efficiency = Field(
        default=0.298, description="Of the cells, at the reference temperature."
    )
    # 0.85-0.9 [R].
    packing: Efficiency = Field(default=0.9, description="Share of the area that is cells.")
    # -0.22 %/K relative [R].
    power_per_k: Annotated[Float, Field(gt=-0.02, lt=0.02)] = Field(
        default=-0.0022, description="Relative change of power per kelvin."
    )
    reference_c: Celsius = Field(default=28.0, description="The temperature that this refers to.")
    # XTJ: 0.89 at 5e14, 0.84 at 1e15 1 MeV e/cm2 [S]; 1: new.
    degradation: Efficiency = Field(default=1.0, description="What age has left of the power.")
    transfer: Transfer = Field(default=Transfer.MPPT, description="mppt or direct.")
    # Harness and converter 0.90-0.95 [R].
    transfer_efficiency: Efficiency = Field(
        default=0.93, description="Of converter and harness; direct: of the harness."
    )
    mp_v: Positive | None = Field(
        default=None, description="Direct only: voltage of maximum power at the reference."
    )
    # Ratios of triple-junction cells: Vmp/Voc 0.89, Imp/Isc 0.96, dVmp/dT -6.2 mV/K of 2.35 V [R].
    mp_v_per_k: Float | None = Field(
        default=None, description="Its change per kelvin; default -0.264 % of `mp_v`."
    )
    oc_per_mp: Annotated[Float, Field(gt=1, le=2)] = Field(
        default=1.12, description="Open-circuit voltage over that of maximum power."
    )
    sc_per_mp: Annotated[Float, Field(ge=1, le=2)] = Field(
        default=1.04, description="Short-circuit current over that of maximum power."
    )

    @model_validator(mode="after")
    def _consistent(self) -> SolarArrayModel:
        findings = Findings()
        if self.transfer is Transfer.DIRECT and self.mp_v is None:
            findings.add("mp_v", "an array coupled directly needs its voltage of maximum power")
        if self.transfer is Transfer.MPPT and self.mp_v is not None:
            findings.add(
                "mp_v", "with a maximum power tracker the voltage has no effect", "remove it"
            )
        wrong_at("SolarArrayModel", findings)
        return self

    @property
    def w_per_flux(self) -> float:
        """Return the power at the reference temperature for 1 W/m2 at normal incidence [m2]."""
        return self.area_m2 * self.packing * self.efficiency * self.degradation

    @property
    def reference_mp_v(self) -> float:
        """Return the maximum-power voltage at the reference temperature [V]."""
        return self.mp_v or 1.0

    @property
    def reference_mp_v_per_k(self) -> float:
        """Return the change of the maximum-power voltage with temperature [V/K]."""
        return -0.00264 * self.reference_mp_v if self.mp_v_per_k is None else self.mp_v_per_k
