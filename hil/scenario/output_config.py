"""The key `fields:` of a workload of your own: what the bytes of its output mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from hil.scenario.fields import FrozenModel, Int, NonNegative
from hil.scenario.outputs import NUMBER_TYPES, OutputField, OutputRole
from hil.scenario.problems import Findings, one_of, wrong, wrong_at
from hil.scenario.words import word_of
from hil.scenario.yaml.messages import describe

__all__ = ["OutputFieldConfig", "OutputFieldsConfig", "declared_fields"]

_OUTPUT_MAX = 1 << 16


def _number_type(value: str) -> str:
    if value not in NUMBER_TYPES:
        raise wrong(f"{describe(value)} is not a type; expected {one_of(NUMBER_TYPES)}")
    return value


class OutputFieldConfig(FrozenModel):
    """One field of the output. In a file, `name: type` is enough."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")] = Field(
        description="Unique name: a letter, then up to 31 of a-z, 0-9 and _."
    )
    type: Annotated[str, AfterValidator(_number_type)] = Field(
        description="u8, i8, u16, i16, u32, i32, u64, i64, f32 or f64; little-endian."
    )
    count: Annotated[Int, Field(ge=1, le=_OUTPUT_MAX)] = Field(
        default=1, description="How many numbers of this type it has."
    )
    unit: Annotated[str, Field(max_length=16)] = Field(
        default="", description="The unit of the numbers, such as deg or rad/s."
    )
    role: Annotated[OutputRole, BeforeValidator(word_of(OutputRole, "role"))] = Field(
        default=OutputRole.VALUE,
        description="value; curve, a value that is watched over the run; class; scores; text, a "
        "character; or bits, without an order.",
    )
    offset: Annotated[Int, Field(ge=0, le=_OUTPUT_MAX)] | None = Field(
        default=None, description="Its first byte; default: where the field before it ends."
    )
    fraction_bits: Annotated[Int, Field(ge=0, le=63)] = Field(
        default=0, description="Bits behind the point, of integers that are fixed-point numbers."
    )
    period: NonNegative = Field(
        default=0.0,
        description="Values that differ by it are the same, such as 360 for an angle in degrees.",
    )

    @model_validator(mode="before")
    @classmethod
    def _pair_is_enough(cls, value: Any) -> Any:
        if isinstance(value, dict) and len(value) == 1:
            ((name, kind),) = value.items()
            if name not in cls.model_fields and isinstance(kind, str):
                return {"name": name, "type": kind}
        return value

    @model_validator(mode="after")
    def _consistent(self) -> OutputFieldConfig:
        findings = Findings()
        if self.fraction_bits and self.type.startswith("f"):
            findings.add("fraction_bits", "floating-point numbers have none", "remove it")
        wrong_at("fields", findings)
        return self


def _unique(fields: tuple[OutputFieldConfig, ...]) -> tuple[OutputFieldConfig, ...]:
    findings, seen = Findings(), set[str]()
    for index, field in enumerate(fields):
        if field.name in seen:
            findings.add((index, "name"), f"there is a field `{field.name}` already")
        seen.add(field.name)
    wrong_at("fields", findings)
    return fields


OutputFieldsConfig = Annotated[tuple[OutputFieldConfig, ...], AfterValidator(_unique)]


def declared_fields(configs: Sequence[OutputFieldConfig]) -> tuple[OutputField, ...]:
    """Return the fields that a workload declares, each with its first byte."""
    out: list[OutputField] = []
    end = 0
    for config in configs:
        begin = end if config.offset is None else config.offset
        field = OutputField(
            config.name,
            config.type,
            begin,
            config.count,
            config.unit,
            config.role,
            config.fraction_bits,
            config.period,
        )
        end = begin + field.length
        out.append(field)
    return tuple(out)
