"""The footprint of a workload in the memory of a board: which of the bits that radiation flips are
the workload's, and of those which are voted on.

The sizes are those that the agent's processes have: state, input, output and heap as the workload
states them, the stack that a worker gets, and the machine code as it is compiled on this computer
(another compiler's differs by some tens of per cent, in a few kilobytes of gigabytes). A program of
`workload: exec` states its sizes only when it runs, with the memory that it has named, which is
part of its state; where it cannot be asked it has none here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from hil.kernel import Workload, workloads
from hil.scenario import Scenario
from hil.scenario.words import UpsetTarget

__all__ = ["STACK_BYTES", "Footprint", "footprint_of"]

STACK_BYTES: Final = 256 * 1024
"""What an agent maps for the stack of a worker (csrc/port/linux: WORKER_STACK_LEN)."""

_BITS: Final = 8


@dataclass(frozen=True, slots=True)
class Footprint:
    """The bytes of a workload by target; `hit`: the targets that upsets of an orbit hit, which
    stand for the voted data, and `accel`: the further factor on the rate of these hits."""

    sizes: Mapping[UpsetTarget, int]
    hit: tuple[UpsetTarget, ...]
    accel: float = 1.0

    @property
    def hit_bits(self) -> int:
        """Return the bits that upsets of an orbit hit: those of the voted data."""
        return _BITS * sum(self.sizes.get(target, 0) for target in self.hit)

    @property
    def bits(self) -> int:
        """Return the bits of the whole workload."""
        return _BITS * sum(self.sizes.values())

    @property
    def weights(self) -> tuple[int, ...]:
        """Return the bits of each target of `hit`; 1 each if the size of one is not known."""
        sizes = tuple(_BITS * self.sizes.get(target, 0) for target in self.hit)
        return sizes if all(sizes) else (1,) * len(sizes)


def footprint_of(scenario: Scenario, workload: Workload | None = None) -> Footprint:
    """Return the footprint of a scenario's workload, which is `workload` if it is not one of the
    kernel's."""
    hit, accel = scenario.upsets.orbit.targets, scenario.upsets.orbit.voted_accel
    known = workload or next((w for w in workloads() if w.name == scenario.workload_name), None)
    if known is None:
        return Footprint({}, hit, accel)
    sizes = {
        UpsetTarget.STATE: known.state_len,
        UpsetTarget.INPUT: known.input_len,
        UpsetTarget.OUTPUT: known.output_len,
        UpsetTarget.HEAP: known.scratch_len,
        UpsetTarget.STACK: STACK_BYTES,
        UpsetTarget.TEXT: max(known.text_len, 0),
    }
    return Footprint(sizes, hit, accel)
