"""The names of single experiments of a campaign, as a user writes them and reports print them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, TypeAlias

from hil.errors import UsageError

__all__ = ["ClassBit", "ExperimentId", "SampleNumber", "parse_experiment_id"]

_CLASS_BIT: Final = re.compile(r"([0-9]{1,18})\.([0-9]{1,18})")
_SAMPLE: Final = re.compile(r"[0-9]{1,18}")
_BITS: Final = 8


@dataclass(frozen=True, slots=True)
class ClassBit:
    """An experiment of an exact campaign: bit `bit` (0 to 7) of class `number`."""

    number: int
    bit: int

    def __str__(self) -> str:
        return f"{self.number}.{self.bit}"


@dataclass(frozen=True, slots=True)
class SampleNumber:
    """An experiment of a sampled campaign."""

    number: int

    def __str__(self) -> str:
        return str(self.number)


ExperimentId: TypeAlias = ClassBit | SampleNumber


def parse_experiment_id(text: str) -> ExperimentId:
    """Return the experiment that `text` names. Raises: UsageError."""
    if match := _CLASS_BIT.fullmatch(text):
        number, bit = int(match[1]), int(match[2])
        if bit < _BITS:
            return ClassBit(number, bit)
        raise UsageError(
            f"experiment {text}: a class has the bits 0 to 7", remedy=f"such as {number}.0"
        )
    if _SAMPLE.fullmatch(text):
        return SampleNumber(int(text))
    raise UsageError(
        f"`{text[:40]}` is not the name of an experiment",
        remedy="CLASS.BIT, such as 12.3, in an exact campaign; the number of a sample in a "
        "sampled one",
    )
