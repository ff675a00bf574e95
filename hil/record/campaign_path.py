"""The instruction at each position of a campaign's step, from its result file."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from hil.record.campaign_file import CampaignFile
from hil.record.campaign_rows import InstructionRow, PathRow

__all__ = ["StepPath", "step_path"]


@dataclass(frozen=True, slots=True)
class StepPath:
    """The instructions of a step by address, and its jumps by position (see `PathRow`)."""

    instructions: Sequence[InstructionRow]
    jumps: Sequence[PathRow]

    def at(self, position: int) -> InstructionRow | None:
        """Return the instruction at a position; None if the file does not say it."""
        number = bisect_right(self.jumps, position, key=lambda jump: jump.position) - 1
        if number < 0:
            return None
        jump = self.jumps[number]
        first = bisect_left(self.instructions, jump.address, key=lambda row: row.address)
        place = first + position - jump.position
        return self.instructions[place] if place < len(self.instructions) else None


def step_path(file: CampaignFile) -> StepPath:
    """Return the path of a result file's step; an empty one in files of version 1. Raises:
    RecordError."""
    jumps: list[PathRow] = []
    if file.version > 1:
        rows = file.select("SELECT position, address FROM path ORDER BY position")
        jumps = [PathRow(*row) for row in rows]
    return StepPath(file.instructions(), jumps)
