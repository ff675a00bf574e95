"""Endings of experiments beyond their effects, read from what boards answer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from hil.campaign.bench import HeldBoard
from hil.campaign.severity import SeverityJudge
from hil.record.campaign_endings import ExperimentEnding
from hil.wire.campaign import Detail
from hil.wire.outcomes import Ending, Outcome, Outcomes, endings

__all__ = ["EFFECTS_ONLY", "EndingReader", "Wanted"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """The wishes beyond effects: the `severity` of wrong outputs; and what latent faults come to in
    `follow` steps."""

    severity: bool = False
    follow: int = 0

    @property
    def details(self) -> Detail:
        """Return the details that boards are asked for."""
        details = Detail.BITS
        if self.severity:
            details |= Detail.OUTPUT
        return details | Detail.FATE if self.follow else details

    def __bool__(self) -> bool:
        return self.severity or self.follow > 0


EFFECTS_ONLY: Final = Wanted()
_PLAIN: Final = ExperimentEnding()


class EndingReader:
    """Reads what experiments of one board came to. Not thread-safe."""

    def __init__(self, board: HeldBoard, wanted: Wanted) -> None:
        self._length = board.golden.workload.output_len
        self._wanted = wanted
        self._judge = SeverityJudge(board.golden.workload.name, board.golden.output)

    def read(self, outcomes: Outcomes) -> tuple[Outcomes, list[ExperimentEnding]]:
        """Return the outcomes as they are without the details that are `wanted`; and those."""
        if not self._wanted:
            return outcomes, []
        found = endings(outcomes, self._wanted.details, self._length)
        details = bytes(
            e.failure if e.outcome is Outcome.FAILED else e.bits
            for e in found
            if e.outcome in (Outcome.FAILED, Outcome.SDC)
        )
        return replace(outcomes, details=details), [self._ending(e) for e in found]

    def _ending(self, ending: Ending) -> ExperimentEnding:
        if ending.outcome is Outcome.SDC and ending.output:
            return ExperimentEnding(*self._judge.judge(ending.output))
        if ending.outcome is Outcome.LATENT:
            return ExperimentEnding(fate=ending.fate, step=ending.fate_step)
        return _PLAIN
