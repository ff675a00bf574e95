"""Wear: the ionising dose that ends the life of boards in a run."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from hil.scenario.fields import Float, FrozenModel, NonNegative, Positive

__all__ = ["Wear"]


class Wear(FrozenModel):
    """The dose of a run: a board that has got its `tid_limit_krad` is dead from then on."""

    before_krad: NonNegative = Field(
        default=0.0, description="Dose that the boards got before the run [krad(Si)]."
    )
    accel: Positive = Field(default=1.0, description="How much faster dose adds up in the run.")
    spread: Annotated[Float, Field(ge=0, le=1)] = Field(
        default=0.1,
        description="Spread of the limit among boards of one type, in natural logarithms [A].",
    )
