"""The shipped workloads that are classifiers with weights in their state: where these lie, in which
number format, and where an input has its label."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from hil.scenario.outputs import bare_name
from hil.word_enum import Word

__all__ = ["BitRole", "ModelLayout", "NumberFormat", "model_of"]


class BitRole(Word):
    """The part of a number that a bit belongs to."""

    SIGN = "sign"
    TOP_EXPONENT = "top exponent bit"
    EXPONENT = "other exponent bits"
    FRACTION = "fraction"
    MAGNITUDE = "other bits"


@dataclass(frozen=True, slots=True)
class NumberFormat:
    """A number format of `bits` bits: a sign, `exponent` bits, and a fraction; without exponent
    bits an integer in two's complement."""

    name: str
    bits: int
    exponent: int = 0

    def role(self, bit: int) -> BitRole:
        """Return the role of a bit; 0 is the last."""
        if bit == self.bits - 1:
            return BitRole.SIGN
        if not self.exponent:
            return BitRole.MAGNITUDE
        if bit == self.bits - 2:
            return BitRole.TOP_EXPONENT
        is_exponent = bit >= self.bits - 1 - self.exponent
        return BitRole.EXPONENT if is_exponent else BitRole.FRACTION


@dataclass(frozen=True, slots=True)
class ModelLayout:
    """The layout of a classifier: `weights` numbers of `format` in its state from byte `offset` on;
    byte `label_at` of an input is the right class."""

    format: NumberFormat
    offset: int
    weights: int
    label_at: int

    @property
    def end(self) -> int:
        """Return the first byte of the state behind the weights."""
        return self.offset + self.weights * self.format.bits // 8


_WEIGHTS: Final = 64 * 32 + 32 * 10
_LABEL_AT: Final = 64
_REAL_AT: Final = 8 + 4 * (32 + 10)
_INT8_AT: Final = _REAL_AT + 8
_MODELS: Final[Mapping[str, ModelLayout]] = {
    "dense-int8": ModelLayout(NumberFormat("int8", 8), _INT8_AT, _WEIGHTS, _LABEL_AT),
    "dense-bf16": ModelLayout(NumberFormat("bf16", 16, 8), _REAL_AT, _WEIGHTS, _LABEL_AT),
    "dense-fp16": ModelLayout(NumberFormat("fp16", 16, 5), _REAL_AT, _WEIGHTS, _LABEL_AT),
    "dense-fp32": ModelLayout(NumberFormat("fp32", 32, 8), _REAL_AT, _WEIGHTS, _LABEL_AT),
}


def model_of(workload: str) -> ModelLayout | None:
    """Return the layout of a workload; None if it is no classifier whose layout is known.
    NAME+PROTECTION has that of NAME."""
    return _MODELS.get(bare_name(workload))
