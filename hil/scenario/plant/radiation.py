"""The radiation environment of a scenario, and which upsets of boards it causes."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from hil.scenario.durations import parse_duration_us
from hil.scenario.fields import Float, Fraction, FrozenModel, NonNegative, Positive
from hil.scenario.problems import Findings, wrong, wrong_at
from hil.word_enum import Word

__all__ = [
    "ALL_BOARDS",
    "BY_DATE",
    "MAX_SHIELDING_MM",
    "Duration",
    "Onset",
    "RadiationModel",
    "RangeEnd",
    "SolarEventModel",
    "SolarPhase",
    "onset_s",
]

BY_DATE: Final = "by-date"
MAX_SHIELDING_MM = 200.0
"""The thickest wall that the slowing down of protons was worked out for."""


class SolarPhase(Word):
    """The phase of the solar cycle. The minimum is worse in low orbit: more protons and cosmic
    rays."""

    MIN = "min"
    MAX = "max"


class RangeEnd(Word):
    """The end of the range of the cross-sections with which a run flies."""

    LOW = "low"
    BEST = "best"
    HIGH = "high"


ALL_BOARDS: Final = "all"
"""Stands for every board profile in `plant.radiation.data`."""


def _for_all(value: Any) -> Any:
    return {ALL_BOARDS: value} if isinstance(value, str) else value


def _duration(text: str) -> str:
    try:
        parse_duration_us(text)
    except ValueError as error:
        raise wrong(str(error)) from None
    return text


Duration = Annotated[str, AfterValidator(_duration)]
"""Text such as 90s or 2h."""


def onset_s(text: str) -> float:
    """Return seconds from the start of the run for a duration such as 2h, 0s, or -6h (before the
    start).

    Raises:
        ValueError: The text is not such a duration.
    """
    before, length = text.startswith("-"), text.removeprefix("-")
    if _NOTHING.fullmatch(length):
        return 0.0
    seconds = parse_duration_us(length) / 1e6
    return -seconds if before else seconds


_NOTHING: Final = re.compile(r"0+(us|ms|s|m|h|d)")


def _onset(text: str) -> str:
    try:
        onset_s(text)
    except ValueError as error:
        raise wrong(str(error)) from None
    return text


Onset = Annotated[str, AfterValidator(_onset)]
"""Text such as 90s, 2h, 0s or -6h."""


ReturnYears = Literal[10, 20, 50, 100, 300, 1000, 10000]


class SolarEventModel(FrozenModel):
    """A solar particle event: a burst of protons that comes over the poles."""

    onset: Onset = Field(
        description="When it begins: time from the start of the run, as 2h; -6h: before it."
    )
    return_years: ReturnYears | None = Field(
        default=None,
        description="An event that is exceeded once in so many years (SAPPHIRE), with its ions: "
        "20 is July 2000, 50 is October 1989.",
    )
    strength: NonNegative | None = Field(
        default=None,
        description="Multiplies it. Without `return_years`, in units of King's August 1972, which "
        "has no ions and no tail above 200 MeV (then 0.1 unless given).",
    )
    rise_h: Positive = Field(default=1.0, description="Time constant of its rise [A].")
    decay_h: Positive = Field(default=7.0, description="Time constant of its decay [A].")
    storm_factor: Annotated[Float, Field(gt=0, le=1)] = Field(
        default=0.8, description="Multiplies the cut-off rigidity: how far a storm opens the field."
    )

    @model_validator(mode="after")
    def _rises_first(self) -> SolarEventModel:
        findings = Findings()
        if self.rise_h >= self.decay_h:
            findings.add("rise_h", "an event rises faster than it decays", "lower it")
        wrong_at("SolarEventModel", findings)
        return self


class RadiationModel(FrozenModel):
    """The sources of radiation, the shielding, and the share of upset bits that matter."""

    solar_phase: SolarPhase = Field(
        default=SolarPhase.MIN, description="Of the solar cycle; min has the more protons."
    )
    solar_activity: Fraction | Literal["by-date"] | None = Field(
        default=None,
        description="Instead of `solar_phase`: 0 minimum to 1 maximum, or by-date: of the cycle.",
    )
    f10_7: Annotated[Float, Field(ge=40, le=400)] | None = Field(
        default=None, description="Instead of `solar_phase`: smoothed F10.7 index [sfu]."
    )
    saa_drift_deg: Annotated[Float, Field(ge=-360, le=360)] | Literal["by-date"] = Field(
        default=18.0,
        description="How far the anomaly has drifted west since AP8's field model (0.3 a year); "
        "by-date: from the year of that model to that of the run.",
    )
    flux_file: str | None = Field(
        default=None,
        description="File with proton fluxes over time and energy, in place of `trapped`: CSV, or "
        "an export of SPENVIS or of AP9 (IRENE).",
    )
    shielding_mm_al: Annotated[Float, Field(ge=0, le=MAX_SHIELDING_MM)] = Field(
        default=2.54, description="Wall around the boards, as aluminium."
    )
    trapped: bool = Field(default=True, description="Protons of the inner belt (AP8).")
    cosmic_rays: bool = Field(default=True, description="Galactic cosmic rays.")
    events: tuple[SolarEventModel, ...] = Field(default=(), description="Solar particle events.")
    data: Annotated[dict[str, str], BeforeValidator(_for_all)] = Field(
        default={},
        description="Data set of the boards, or one for each board profile; default: the one that "
        "the profile states (`hil board show`).",
    )
    estimate: RangeEnd = Field(
        default=RangeEnd.BEST,
        description="low, best or high end of the cross-sections, with which the run flies.",
    )
    exposed: Fraction | None = Field(
        default=None,
        description="Share of upset bits that are voted data; default: what the workload's "
        "footprint has of the board's memory.",
    )

    @model_validator(mode="after")
    def _one_activity(self) -> RadiationModel:
        findings = Findings()
        if self.solar_activity is not None and self.f10_7 is not None:
            findings.add("f10_7", "`solar_activity` is given, too", "remove one of the two")
        if self.flux_file is not None and not self.trapped:
            findings.add(
                "flux_file", "`trapped: false` leaves these protons out", "remove one of the two"
            )
        wrong_at("RadiationModel", findings)
        return self
