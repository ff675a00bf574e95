"""The monitors of a primary: how many there are, and when they take the command from it."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field, model_validator

from hil.scenario.fields import FrozenModel, Int
from hil.scenario.problems import Findings, wrong_at

__all__ = ["LEAST_MONITORS", "MonitorsConfig"]

LEAST_MONITORS: Final = 2
_MOST: Final = 7
_FRAMES_MAX: Final = 1_000_000


class MonitorsConfig(FrozenModel):
    """The monitors of the scheme `primary_monitors`, and their rule."""

    count: Annotated[Int, Field(ge=LEAST_MONITORS, le=_MOST)] = Field(
        default=LEAST_MONITORS,
        description="Nodes that monitor the primary. Two at least: one alone could not say which "
        "of both is wrong.",
    )
    votes: Annotated[Int, Field(ge=1, le=_MOST)] | None = Field(
        default=None,
        description="Monitors that must have another output than the primary; default: so many "
        "that they are more than half of all nodes.",
    )
    frames: Annotated[Int, Field(ge=1, le=_FRAMES_MAX)] = Field(
        default=1,
        description="Consecutive frames in which they must: command passes in the last of them, "
        "and until then the primary's output is delivered.",
    )

    @property
    def needed_votes(self) -> int:
        """Return the number of monitors that vote the primary out."""
        return (self.count + 1) // 2 + 1 if self.votes is None else self.votes

    @model_validator(mode="after")
    def _consistent(self) -> MonitorsConfig:
        findings = Findings()
        if self.needed_votes > self.count:
            findings.add(
                "votes",
                f"{self.votes} monitors are to disagree, and there are {self.count}",
                "lower it, or raise `count`",
            )
        wrong_at("Monitors", findings)
        return self
