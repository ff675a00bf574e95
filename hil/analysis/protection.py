"""The gain of protecting the worst places of a program.

A protected byte is one whose faults are corrected, or found, before they are read: under ECC, in
hardened memory, or in three copies. A protected instruction checks the values that it reads. Both
are ranked by the silent corruptions that they carry, and taken from the worst on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from hil.analysis.fault_sums import FaultSums, chosen
from hil.json_values import JsonObject
from hil.upsets.words import NodeEffect

__all__ = ["Protected", "ProtectionPlan", "protect_bytes", "protect_instructions"]

_SILENT: Final = (NodeEffect.SDC,)


@dataclass(frozen=True, slots=True)
class Protected:
    """The worst `count` places protected: they are `share` of all; `left` silent corruptions are
    left. `names` are the places that the row before did not have, the worst first."""

    count: int
    share: float
    left: int
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ProtectionPlan:
    """The silent corruptions of all places, and what is left of them, with ever more places
    protected: none, 1, 2, 4 ... and all that carry any. `places`: how many there are in all."""

    kind: str
    places: int
    total: int
    rows: tuple[Protected, ...]

    def as_json(self) -> JsonObject:
        """Return the plan as a JSON object."""
        rows: list[JsonObject] = [
            {"protected": r.count, "share": r.share, "sdc_left": r.left, "added": list(r.names)}
            for r in self.rows
        ]
        return {"places": self.places, "sdc": self.total, "protect": rows}


def protect_bytes(sums: FaultSums, targets: Sequence[str]) -> ProtectionPlan:
    """Return what protecting the worst bytes of `targets` would buy."""
    names: list[str] = []
    weights: list[int] = []
    for target in targets:
        silent = chosen(sums.by_byte[target], _SILENT)
        names += [f"{target} {byte}" for byte in range(len(silent))]
        weights += silent.tolist()
    return _plan("bytes", names, weights)


def protect_instructions(sums: FaultSums) -> ProtectionPlan:
    """Return what protecting the worst instructions would buy, in all targets of the campaign."""
    names = [f"{row.address:#x} {row.text}" for row in sums.instructions]
    return _plan("instructions", names, chosen(sums.by_instruction, _SILENT).tolist())


def _plan(kind: str, names: Sequence[str], weights: Sequence[int]) -> ProtectionPlan:
    order = np.argsort(-np.array(weights, dtype=np.int64), kind="stable").tolist()
    worst = [at for at in order if weights[at]]
    total = sum(weights)
    rows: list[Protected] = []
    before = 0
    left = total
    for count in _counts(len(worst)):
        added = worst[before:count]
        left -= sum(weights[at] for at in added)
        share = count / len(names) if names else 0.0
        rows.append(Protected(count, share, left, tuple(names[at] for at in added)))
        before = count
    return ProtectionPlan(kind, len(names), total, tuple(rows))


def _counts(most: int) -> list[int]:
    """Return 0, 1, 2, 4 ... and `most`."""
    counts = [0]
    count = 1
    while count < most:
        counts.append(count)
        count *= 2
    return [*counts, most] if most else counts
