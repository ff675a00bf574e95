"""Field types that all configuration files share."""

from __future__ import annotations

from typing import Annotated, ClassVar, Final

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, Strict

Int = Annotated[int, Strict()]
Float = Annotated[FiniteFloat, Strict()]
Positive = Annotated[Float, Field(gt=0)]
NonNegative = Annotated[Float, Field(ge=0)]
Fraction = Annotated[Float, Field(ge=0, le=1)]
Efficiency = Annotated[Float, Field(gt=0, le=1)]
Celsius = Annotated[Float, Field(ge=-273.15, le=1700)]
PartName = Annotated[str, Field(min_length=1, max_length=40, pattern=r"^[a-z0-9][a-z0-9_.+-]*$")]

NAME_FORM: Final = "[workload name]"
C_FORM: Final = "[C file]"
ONNX_FORM: Final = "[ONNX file]"
"""The tags of the forms of `workload:`. Pydantic puts them into the places of problems."""


class FrozenModel(BaseModel):
    """A mapping of a configuration file: immutable, and without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    ALSO_ACCEPTED: ClassVar[tuple[str, ...]] = ()
    """Keys that stand for a field of another name."""
