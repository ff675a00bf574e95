"""The survey of the steps of a sampled campaign, before its experiments: what boards that hold
steps, and steps in this process, have in common."""

from __future__ import annotations

from typing import Any, Protocol

from hil.campaign.executor import Experiments
from hil.campaign.fault_space import FaultSpace
from hil.campaign.sampling import FaultTable, TargetDraw

__all__ = ["SampleSurvey"]


class SampleSurvey(Protocol):
    """The knowledge of the steps of a campaign. It can be pickled.

    `arch`: the processor; `space`: the faults that there are; `controls`: how many hits with a
    certain effect had it."""

    @property
    def arch(self) -> str:
        """Return the processor."""

    @property
    def space(self) -> FaultSpace:
        """Return the faults that there are."""

    @property
    def controls(self) -> int:
        """Return how many hits with a certain effect had it."""

    def experiments(
        self, faults: FaultTable, first: int, draws: tuple[TargetDraw, ...] = ()
    ) -> Experiments[Any]:
        """Return the experiments of `faults`, which are in order of frames and of the time in them:
        their units, numbered from `first` on. `draws`: how they were drawn, by target; empty if
        they were not."""
