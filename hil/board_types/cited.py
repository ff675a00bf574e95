"""Numbers and notes of a board profile, each with its origin.

Every number states where it comes from, or is refused: `source` with the `grade` of how far that
source was checked, or `assumption` with the reasoning.

    full_w: {value: 6.1, source: "raspberrypi.com documentation", grade: S}
    capacity_j_per_k: {value: 40, assumption: "46 g at 0.9 J/(g K)"}

Grades: M measured or computed by this project; S read in the source itself;
S2 read in a text that quotes the source; R remembered, not checked.
"""

from __future__ import annotations

from enum import Enum
from typing import Annotated

from pydantic import Field, model_validator

from hil.board_types.spread import Spread
from hil.scenario.fields import Float, FrozenModel
from hil.scenario.problems import Findings, one_of, wrong_at

__all__ = ["Cited", "Grade", "Note", "Number", "Switch", "Word", "check_limits"]

Word = Annotated[str, Field(min_length=1, max_length=40, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]*$")]


class Grade(str, Enum):
    """The extent to which a source was checked."""

    M = "M"  # measured or computed by this project
    S = "S"  # read in the source
    S2 = "S2"  # read in a text that quotes the source
    R = "R"  # remembered, not checked


class Cited(FrozenModel):
    """A fact that states its origin: a source with its grade, or an assumption."""

    source: Annotated[str, Field(min_length=3)] | None = Field(
        default=None, description="The source, precisely enough to find it."
    )
    grade: Grade | None = Field(default=None, description="How far the source was checked.")
    assumption: Annotated[str, Field(min_length=10)] | None = Field(
        default=None, description="Instead of a source: why this is a reasonable value."
    )

    @model_validator(mode="after")
    def _cited(self) -> Cited:
        findings = Findings()
        if self.source is None and self.assumption is None:
            findings.add(
                (),
                "the origin is missing; expected `source:` or `assumption:`",
                'add `source: "…", grade: S`, or `assumption: "why this value"`',
            )
        elif self.source is not None and self.assumption is not None:
            findings.add(
                "assumption",
                "it has a source, so it cannot also be an assumption",
                "remove one of them",
            )
        elif self.source is not None and self.grade is None:
            findings.add(
                (), "the source has no grade", f"add `grade:` {one_of([g.value for g in Grade])}"
            )
        elif self.source is None and self.grade is not None:
            findings.add("grade", "an assumption has no grade", "remove it")
        wrong_at("Number", findings)
        return self

    @property
    def origin(self) -> str:
        """Return the origin as one text."""
        if self.source is not None and self.grade is not None:
            return f"{self.source} [{self.grade.value}]"
        return f"assumption: {self.assumption}"


class Number(Cited):
    """A number with its origin, and its range where one is known."""

    value: Float = Field(description="The number; its unit is in the key.")
    low: Float | None = Field(default=None, description="Lower end of its range.")
    high: Float | None = Field(default=None, description="Upper end of its range.")

    @model_validator(mode="after")
    def _ordered(self) -> Number:
        findings = Findings()
        if self.low is not None and self.low > self.value:
            findings.add("low", "the lower end is above the value")
        if self.high is not None and self.high < self.value:
            findings.add("high", "the upper end is below the value")
        wrong_at("Number", findings)
        return self

    @property
    def spread(self) -> Spread:
        """Return the number with its range; an end that is not stated is the number itself."""
        low = self.value if self.low is None else self.low
        high = self.value if self.high is None else self.high
        return Spread(low, self.value, high)


class Switch(Cited):
    """Something that a board has or has not."""

    value: bool = Field(description="true or false.")


class Note(Cited):
    """A fact in words."""

    text: Annotated[str, Field(min_length=3)] = Field(description="The fact.")


def check_limits(
    parent: FrozenModel, low: float, high: float, *keys: str, findings: Findings
) -> None:
    """Add a finding for every number among `keys` that is not from `low` to `high`, or an end of
    its range."""
    for key in keys:
        number = getattr(parent, key)
        for part in ("value", "low", "high"):
            found = None if number is None else getattr(number, part)
            if found is not None and not low <= found <= high:
                findings.add(
                    (key, part), f"{found:g} is out of range; expected {low:g} to {high:g}"
                )
