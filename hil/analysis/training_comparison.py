"""Ways to protect a training run, compared at the same upsets: outcomes, time and memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from hil.analysis.training_outcome import TrainingClass, TrainingOutcome
from hil.json_values import JsonObject

__all__ = ["ProtectedTraining", "TrainingComparison", "TrainingCost"]


@dataclass(frozen=True, slots=True)
class TrainingCost:
    """The cost of a protection, over all nodes: the time of a fault-free step [us] and memory
    [byte]."""

    step_us: float
    memory: int


@dataclass(frozen=True, slots=True)
class ProtectedTraining:
    """One way to protect training, and the outcomes of its runs, one for each upset; None where the
    upset was not injected."""

    name: str
    workload: str
    scheme: str
    cost: TrainingCost
    outcomes: Sequence[TrainingOutcome | None]

    @property
    def classes(self) -> Counter[TrainingClass]:
        """Return the number of runs of each class."""
        return Counter(outcome.kind for outcome in self._known)

    @property
    def injected(self) -> int:
        """Return the number of upsets that were injected and read back."""
        return len(self._known)

    @property
    def harmed(self) -> int:
        """Return the number of runs that stopped, or whose loss is higher at the end."""
        classes = self.classes
        return sum(classes[kind] for kind in _HARM)

    @property
    def excess_nat(self) -> float:
        """Return the mean loss above the fault-free one at the end [nat]."""
        known = self._known
        return sum(outcome.excess_nat for outcome in known) / len(known) if known else 0.0

    @property
    def behind(self) -> int:
        """Return the steps that all runs together are behind at their ends."""
        return sum(outcome.behind for outcome in self._known)

    @property
    def _known(self) -> list[TrainingOutcome]:
        return [outcome for outcome in self.outcomes if outcome is not None]

    def as_json(self) -> JsonObject:
        """Return it as an object of JSON."""
        classes = self.classes
        return {
            "name": self.name,
            "workload": self.workload,
            "scheme": self.scheme,
            "step_us": self.cost.step_us,
            "memory_bytes": self.cost.memory,
            "injected": self.injected,
            "classes": {kind.value: classes[kind] for kind in TrainingClass},
            "excess_nat": self.excess_nat,
            "steps_behind": self.behind,
        }


_HARM = (
    TrainingClass.SPIKE_AND_DEGRADE,
    TrainingClass.SILENT_DEGRADATION,
    TrainingClass.STOPPED,
)


@dataclass(frozen=True, slots=True)
class TrainingComparison:
    """All protections at the same `upsets`, drawn from `seed` over `targets`, in runs of `frames`
    frames on boards of this kind."""

    scenario: str
    seed: int
    frames: int
    board: str
    targets: Sequence[str]
    upsets: int
    final_loss_nat: float
    rows: Sequence[ProtectedTraining]

    def as_json(self) -> JsonObject:
        """Return it as an object of JSON."""
        return {
            "scenario": self.scenario,
            "seed": self.seed,
            "frames": self.frames,
            "board": self.board,
            "targets": list(self.targets),
            "upsets": self.upsets,
            "final_loss_nat": self.final_loss_nat,
            "protections": [row.as_json() for row in self.rows],
        }
