"""The plant of a scenario: orbit, radiation, power and heat around the boards."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from hil.scenario.fields import Float, Fraction, FrozenModel, NonNegative, Positive
from hil.scenario.plant.orbit import Eclipse, OrbitModel, StationModel, Utc
from hil.scenario.plant.radiation import RadiationModel
from hil.scenario.plant.spacecraft import Spacecraft
from hil.scenario.plant.wear import Wear
from hil.scenario.problems import Findings, wrong_at
from hil.word_enum import Word

__all__ = ["Feedback", "LatchUp", "PlantConfig", "ThermalCaseName"]


class ThermalCaseName(Word):
    """The thermal case: heat from the Sun, the albedo and the Earth, and the age of the
    coatings."""

    NOMINAL = "nominal"
    HOT = "hot"
    COLD = "cold"


class Feedback(Word):
    """The source of the boards' power and temperature in the plant."""

    MODEL = "model"  # board profile, and whether the node computes: the same in every run
    REPORTED = "reported"  # rails and sensors of boards that have them


class LatchUp(FrozenModel):
    """The current of a latch-up, and the over-current protection."""

    current_factor: Annotated[Float, Field(ge=1, le=20)] = Field(
        default=2.5, description="Power of a latched board over its full power [A]."
    )
    trip_factor: Annotated[Float, Field(ge=1, le=20)] | None = Field(
        default=1.5, description="Over-current protection trips above this; null: no detection."
    )
    off_s: Positive = Field(default=2.0, description="Time for which power stays off after a trip.")

    @model_validator(mode="after")
    def _noticed(self) -> LatchUp:
        findings = Findings()
        if self.trip_factor is not None and self.trip_factor >= self.current_factor:
            findings.add(
                "trip_factor",
                f"a latch-up draws {self.current_factor:g} times full power: this never trips",
                "lower it, or write null for no detection",
            )
        wrong_at("LatchUp", findings)
        return self


class PlantConfig(FrozenModel):
    """Orbit, sun, radiation, power and heat."""

    orbit: OrbitModel | None = Field(default=None, description="The orbit.")
    eclipse: Eclipse = Field(default_factory=Eclipse, description="Edge of the Earth's shadow.")
    start_utc: Utc | None = Field(
        default=None, description="When the run begins; default: the epoch of the orbit."
    )
    step_s: Annotated[Float, Field(ge=0.01, le=60)] = Field(
        default=1.0, description="Step of power and heat; illumination and flux follow it."
    )
    case: ThermalCaseName = Field(
        default=ThermalCaseName.NOMINAL,
        description="Sun, albedo, Earth infrared and age of coatings.",
    )
    stations: tuple[StationModel, ...] = Field(default=(), description="Ground stations.")
    radiation: RadiationModel = Field(
        default_factory=RadiationModel, description="Radiation that hits the boards."
    )
    spacecraft: Spacecraft = Field(
        default_factory=Spacecraft, description="The spacecraft that carries and powers the boards."
    )
    activity: Fraction = Field(
        default=1.0, description="Share of the time that a healthy board computes [A]."
    )
    feedback: Feedback = Field(
        default=Feedback.MODEL, description="model, or reported: by boards that measure it."
    )
    latch_up: LatchUp = Field(default_factory=LatchUp, description="Over-current, and its cure.")
    wear: Wear | None = Field(
        default=None, description="Dose that kills boards during the run; default: none does."
    )
    profile: str | None = Field(
        default=None, description="File (csv or npz) whose columns replace the models' values."
    )
    max_gap_s: Positive | None = Field(
        default=None,
        description="Longest time between two rows of the `profile`; default: rows must not be "
        "much further apart than those around them.",
    )
    skip_quiet: bool = Field(
        default=False,
        description="Skip frames in which nothing can happen: hours pass in seconds.",
    )
    record_every_s: NonNegative = Field(
        default=30.0, description="Time between two rows of the record; changes always have one."
    )

    @model_validator(mode="after")
    def _consistent(self) -> PlantConfig:
        findings = Findings()
        if self.orbit is None and self.profile is None:
            findings.add(
                "orbit",
                "the plant has neither an orbit nor a profile",
                "add `orbit:`, for example `tle:` or `altitude_km:`, or `profile: FILE`",
            )
        if self.wear is not None and self.orbit is None:
            findings.add("wear", "dose follows from the orbit, and there is none", "add `orbit:`")
        if self.max_gap_s is not None and self.profile is None:
            findings.add(
                "max_gap_s", "it needs a profile, and there is none", "add `profile: FILE`"
            )
        names = [station.name for station in self.stations]
        for index, name in enumerate(names):
            if name in names[:index]:
                findings.add(("stations", index, "name"), f"the station `{name}` is listed twice")
        micro = self.step_s * 1e6
        if abs(micro - round(micro)) > 1e-3:
            findings.add("step_s", f"{self.step_s} s is not a whole number of microseconds")
        wrong_at("Plant", findings)
        return self

    @property
    def step_us(self) -> int:
        """Return the step of the plant in microseconds."""
        return round(self.step_s * 1e6)
