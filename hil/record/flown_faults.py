"""The ends of faults that were flown through three nodes, as values."""

from __future__ import annotations

from dataclasses import dataclass

from hil.json_values import JsonObject

__all__ = ["FlownFaults"]


@dataclass(frozen=True, slots=True)
class FlownFaults:
    """Faults that make the output of one node wrong, in full runs of three nodes: `faults` alone,
    with which `wrong` runs delivered a wrong output and `lost` had a frame without one; `pairs` of
    two in one frame on two nodes, with which `pairs_wrong` runs delivered a wrong output, and
    `pairs_lost` others had a frame without one. `effective`: of all these faults, those after
    which the node that was hit gave a wrong output."""

    faults: int
    wrong: int
    lost: int
    pairs: int
    pairs_wrong: int
    pairs_lost: int
    effective: int

    def as_json(self) -> JsonObject:
        """Return the numbers as a JSON object."""
        return {
            "faults": self.faults,
            "wrong": self.wrong,
            "no_output": self.lost,
            "pairs": self.pairs,
            "pairs_wrong": self.pairs_wrong,
            "pairs_no_output": self.pairs_lost,
            "effective": self.effective,
        }
