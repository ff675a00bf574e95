"""Alarm limits: values of boards and spacecraft beyond which a screen raises an alarm.

They change nothing in the run: they are stored in the record for every screen that opens it, which
reads them by hil.views.alarm_limits.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

from pydantic import Field, model_validator

from hil.scenario.fields import Float, FrozenModel, Int
from hil.scenario.problems import Findings, wrong_at

__all__ = ["AlarmLimitsConfig", "AlarmsConfig", "QuantityLimits"]


class AlarmLimitsConfig(FrozenModel):
    """Yellow and red limits of a quantity: yellow asks for attention, red for action."""

    red_low: Float | None = Field(default=None, description="Red below this.")
    yellow_low: Float | None = Field(default=None, description="Yellow below this.")
    yellow_high: Float | None = Field(default=None, description="Yellow above this.")
    red_high: Float | None = Field(default=None, description="Red above this.")

    @model_validator(mode="after")
    def _in_order(self) -> AlarmLimitsConfig:
        findings = Findings()
        keys = ("red_low", "yellow_low", "yellow_high", "red_high")
        stated = [(key, getattr(self, key)) for key in keys if getattr(self, key) is not None]
        for (lower, low), (higher, high) in pairwise(stated):
            if low > high:
                findings.add(
                    higher, f"{higher} ({high:g}) is below {lower} ({low:g})", "exchange them"
                )
        wrong_at(type(self).__name__, findings)
        return self


class QuantityLimits(AlarmLimitsConfig):
    """The limits of one quantity; `sun` and `eclipse` replace the limits that they state."""

    persistence: Annotated[Int, Field(ge=1, le=10_000)] = Field(
        default=3, description="Consecutive values beyond a limit that raise the alarm."
    )
    sun: AlarmLimitsConfig | None = Field(default=None, description="Other limits in sunlight.")
    eclipse: AlarmLimitsConfig | None = Field(default=None, description="Other limits in eclipse.")


class AlarmsConfig(FrozenModel):
    """Limits by quantity; a screen has default limits for the quantities that are left out."""

    cpu_temp_c: QuantityLimits | None = Field(
        default=None, description="Temperature that a board measures, Celsius."
    )
    die_c: QuantityLimits | None = Field(
        default=None, description="Temperature of a die in the thermal model, Celsius."
    )
    power_w: QuantityLimits | None = Field(
        default=None, description="Power that a board measures, W."
    )
    round_trip_ms: QuantityLimits | None = Field(
        default=None, description="From a step's request to its answer, ms."
    )
    rss_mib: QuantityLimits | None = Field(default=None, description="Memory of an agent, MiB.")
    free_mib: QuantityLimits | None = Field(
        default=None, description="Free memory of a board, MiB."
    )
    link_errors_per_s: QuantityLimits | None = Field(
        default=None, description="Broken messages that a board received, per simulated second."
    )
    corrected_per_s: QuantityLimits | None = Field(
        default=None, description="Memory errors that a board corrected, per simulated second."
    )
    uncorrected_per_s: QuantityLimits | None = Field(
        default=None,
        description="Memory errors that a board could not correct, per simulated second.",
    )
    soc: QuantityLimits | None = Field(default=None, description="Charge of the battery, 0 to 1.")
    bus_v: QuantityLimits | None = Field(default=None, description="Voltage of the bus, V.")
