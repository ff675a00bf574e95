"""The places of the units of a campaign: target, byte and time. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["FaultLayout"]

Numbers: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class FaultLayout:
    """The places of the units of a campaign, as parallel arrays: `target` [number in `targets`],
    `byte` within it, `time`. Each unit has `per_unit` experiments.

    `lengths` [byte] is by target; `duration` is the time in which faults strike, in what `time`
    counts: `time_unit`, such as "instruction"."""

    targets: tuple[str, ...]
    lengths: tuple[int, ...]
    duration: int
    time_unit: str
    per_unit: int
    target: Numbers
    byte: Numbers
    time: Numbers

    @property
    def units(self) -> int:
        """Return how many units there are."""
        return len(self.target)

    @property
    def experiments(self) -> int:
        """Return how many experiments there are."""
        return self.per_unit * self.units
