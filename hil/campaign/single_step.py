"""All hits of the data of one step that is held: every bit at every tick."""

from __future__ import annotations

from typing import Final

import numpy as np

from hil.campaign.inproc_samples import FaultBench
from hil.campaign.sampling import FaultTable
from hil.scenario import UpsetTarget

__all__ = ["HIT_TARGETS", "all_hits"]

HIT_TARGETS: Final = (UpsetTarget.STATE, UpsetTarget.INPUT, UpsetTarget.OUTPUT)
"""The voted data of a node."""


def all_hits(bench: FaultBench, target: UpsetTarget) -> FaultTable:
    """Return all hits of a target in the step that the bench holds: every bit at every tick."""
    of = bench.workload
    lengths = {
        UpsetTarget.STATE: of.state_len,
        UpsetTarget.INPUT: of.input_len,
        UpsetTarget.OUTPUT: of.output_len,
    }
    bits = 8 * lengths[target]
    number = np.arange(bits * (bench.ticks + 1))
    none = np.zeros_like(number)
    bit, moment = number % bits, number // bits
    return FaultTable(number, none, none, bit // 8, bit % 8, moment)
