"""The cost of protections in software, and what they leave: variants of a workload on one axis,
which is right results per joule.

Of each variant an exact campaign counts the faults of a step that make its output wrong. Divided by
the instructions of the step these are the bits that are open at any moment while it runs; the bits
of the state whose flip before the step makes the output wrong are those that stay wrong, step after
step, until the state is loaded again. With r upsets a bit and second, a step of t seconds, and a
state that is loaded again every T seconds,

    wrong = 1 - exp(-r (open bits x t + standing bits x T / 2))
    right results per joule = (1 - wrong) / (power of a core x t).

Three nodes that vote (TMR) take three times the memory and energy. A result is wrong where two of
them are wrong in one frame, and a node that was outvoted gets the state of the others: with q =
r t (open + standing bits), wrong = 3 q^2.

Where the workload is a classifier and the campaign has severities, wrong is another class than the
right one; else any bit of the output."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from hil.analysis.fault_sums import fault_sums
from hil.errors import UsageError
from hil.json_values import JsonObject
from hil.record.campaign_endings import Severity, severities_of
from hil.record.campaign_file import CampaignFile
from hil.record.campaign_rows import EFFECTS
from hil.record.campaign_step import class_columns
from hil.record.campaign_summary import campaign_summary
from hil.record.flown_faults import FlownFaults
from hil.scenario.outputs import OutputRole, output_fields
from hil.upsets.words import NodeEffect

__all__ = ["Conditions", "VariantCosts", "variant_costs", "voted"]

_DAY_S: Final = 86_400.0
_NODES: Final = 3
_STATE: Final = "state"


@dataclass(frozen=True, slots=True)
class Conditions:
    """The conditions under which variants are compared: upsets of a bit [1/day], how often the
    state is loaded again [day], the board and the power of one of its cores [W]."""

    upsets_per_bit_day: float
    reload_days: float
    board: str
    core_w: float

    def __post_init__(self) -> None:
        """Check the numbers. Raises: UsageError."""
        for what, value in (
            ("upsets of a bit and day", self.upsets_per_bit_day),
            ("days between two loads of the state", self.reload_days),
        ):
            if not (0.0 < value < math.inf):
                raise UsageError(f"{value:g} {what}: expected a number above 0")

    @property
    def upsets_per_bit_s(self) -> float:
        """Return the upsets of a bit [1/s]."""
        return self.upsets_per_bit_day / _DAY_S


@dataclass(frozen=True, slots=True)
class VariantCosts:
    """One variant. `memory` [byte] of state, input, output and scratch; a step takes `step_s` [s]
    on this computer; `faults`: bits times instructions, of which `sdc` make the output wrong and
    `other_class` the class (None: the workload has none, or severities were not asked for);
    `standing_sdc`, `standing_class`: bits of the state whose flip before the step does. `nodes`: 3
    where such nodes vote, and `flown` what became of faults that were flown through them."""

    workload: str
    memory: int
    instructions: int
    step_s: float
    faults: int
    sdc: int
    other_class: int | None
    standing_sdc: int
    standing_class: int | None
    nodes: int = 1
    flown: FlownFaults | None = None

    @property
    def open_bits(self) -> float:
        """Return the mean number of bits open to a wrong result while a step runs."""
        wrong = self.sdc if self.other_class is None else self.other_class
        return wrong / self.instructions

    @property
    def standing_bits(self) -> int:
        """Return the bits of the state that stay wrong and make results wrong."""
        return self.standing_sdc if self.standing_class is None else self.standing_class

    def joules(self, conditions: Conditions) -> float:
        """Return the energy of a step on all nodes [J]."""
        return self.nodes * conditions.core_w * self.step_s

    def wrong(self, conditions: Conditions) -> float:
        """Return the share of results that are wrong."""
        rate = conditions.upsets_per_bit_s
        if self.nodes > 1:
            once = rate * self.step_s * (self.open_bits + self.standing_bits)
            return min(1.0, 3 * once * once)
        stays_s = conditions.reload_days * _DAY_S / 2
        return -math.expm1(-rate * (self.open_bits * self.step_s + self.standing_bits * stays_s))

    def right_per_joule(self, conditions: Conditions) -> float:
        """Return the right results for each joule."""
        return (1.0 - self.wrong(conditions)) / self.joules(conditions)

    def as_json(self, conditions: Conditions) -> JsonObject:
        """Return the row as a JSON object."""
        return {
            "workload": self.workload,
            "nodes": self.nodes,
            "memory_bytes": self.memory,
            "instructions": self.instructions,
            "step_us": self.step_s * 1e6,
            "joules": self.joules(conditions),
            "faults": self.faults,
            "sdc": self.sdc,
            "other_class": self.other_class,
            "standing_sdc_bits": self.standing_sdc,
            "standing_class_bits": self.standing_class,
            "wrong": self.wrong(conditions),
            "right_per_joule": self.right_per_joule(conditions),
            "flown": None if self.flown is None else self.flown.as_json(),
        }


def variant_costs(file: CampaignFile, memory: int, step_s: float) -> VariantCosts:
    """Return the row of an exact campaign; `memory` [byte] and `step_s` [s] as in it. Raises:
    RecordError."""
    summary = campaign_summary(file)
    total = summary.total
    meta = summary.meta
    fields = output_fields(meta.workload)
    judged = meta.severity and any(f.role is OutputRole.CLASS for f in fields)
    standing = fault_sums(file).at_start.get(_STATE)
    sdc = 0 if standing is None else int(standing[:, EFFECTS.index(NodeEffect.SDC)].sum())
    return VariantCosts(
        meta.workload,
        memory,
        meta.instructions,
        step_s,
        total.faults,
        total.effects[NodeEffect.SDC],
        total.severity[Severity.SDC_1] if judged else None,
        sdc,
        _standing_class(file) if judged else None,
    )


def _standing_class(file: CampaignFile) -> int:
    """Return how many bits of the state, flipped before the first instruction, change the class."""
    states = [region.number for region in file.regions() if region.target == _STATE]
    columns = class_columns(file)
    first = np.isin(columns.region, states) & (columns.weight == columns.position + 1)
    numbers = set(np.flatnonzero(first).tolist())  # classes are numbered from 0 on
    return sum(
        severities_of(row, 1)[Severity.SDC_1]
        for _, _, row in file.endings()
        if row.number in numbers
    )


def voted(row: VariantCosts, flown: FlownFaults | None = None) -> VariantCosts:
    """Return three nodes with this variant that vote; `flown`: measured in full runs."""
    return VariantCosts(
        f"{row.workload}, TMR",
        _NODES * row.memory,
        row.instructions,
        row.step_s,
        _NODES * row.faults,
        row.sdc,
        row.other_class,
        row.standing_sdc,
        row.standing_class,
        _NODES,
        flown,
    )
