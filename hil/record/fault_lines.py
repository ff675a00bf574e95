"""The text of a list of faults: one line for each, readable, and easy to compare and to share.

    # hil faults 1
    # workload: attitude
    # seed: 11
    # frames: 3
    # targets: state,heap
    # path: 5f0c1e3d7a92b846
    number,frame,target,byte,bit,instruction
    0,3,state,17,5,1042

The last column is `tick` instead of `instruction` for in-process boards. Lines with `#` that have
another form are comments, and may stand anywhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from hil.record.campaign_rows import MomentUnit

__all__ = ["FAULT_COLUMNS", "FIRST_LINE", "FaultLines", "FaultValues"]

FIRST_LINE: Final = "# hil faults 1"
FAULT_COLUMNS: Final = ("number", "frame", "target", "byte", "bit")
"""All but the last one, which names its unit."""

FaultValues: TypeAlias = tuple[int, int, str, int, int, int]
"""The values of one fault: number, frame, target, byte, bit, moment."""


@dataclass(frozen=True, slots=True)
class FaultLines:
    """The head of a list: what its faults are of. `seed`: the scenario's; `frames` and `targets` as
    the command line has them; `path`: digest of the paths that its steps take, empty if that is not
    known: the same number of an instruction is the same moment only on that path."""

    workload: str
    seed: int
    frames: str
    targets: Sequence[str]
    moment: MomentUnit
    path: str = ""

    def lines(self, faults: Iterable[FaultValues]) -> Iterator[str]:
        """Yield the lines of a list of `faults`, each with its end."""
        yield f"{FIRST_LINE}\n"
        yield f"# workload: {self.workload}\n"
        yield f"# seed: {self.seed}\n"
        yield f"# frames: {self.frames}\n"
        yield f"# targets: {','.join(self.targets)}\n"
        if self.path:
            yield f"# path: {self.path}\n"
        yield f"{','.join((*FAULT_COLUMNS, self.moment.value))}\n"
        for number, frame, target, byte, bit, moment in faults:
            yield f"{number},{frame},{target},{byte},{bit},{moment}\n"
