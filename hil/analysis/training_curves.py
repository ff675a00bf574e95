"""Loss curves of the nodes of a recorded training run, beside the fault-free one."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hil.analysis.training_outcome import (
    WINDOW,
    TrainingOutcome,
    TrainingStep,
    is_training,
    judge_training,
    training_step,
)
from hil.kernel import Golden
from hil.record.node_outputs import node_outputs
from hil.record.queries import Rows

__all__ = ["TrainingCurves", "golden_steps", "training_curves"]


@dataclass(frozen=True, slots=True)
class TrainingCurves:
    """The telemetry of the frames of a run: of the fault-free run, and of each node; None where a
    node has no output."""

    golden: Sequence[TrainingStep]
    nodes: Mapping[str, Sequence[TrainingStep | None]]

    def outcomes(self) -> dict[str, TrainingOutcome]:
        """Return the outcome of each node; empty if the run is too short to judge."""
        if len(self.golden) < WINDOW:
            return {}
        return {name: judge_training(self.golden, steps) for name, steps in self.nodes.items()}


def golden_steps(workload: str, seed: int, frames: int) -> list[TrainingStep]:
    """Compute the fault-free run of a training workload again, and return its telemetry."""
    golden, out = Golden(workload, seed), []
    for _ in range(frames):
        golden.step()
        out.append(training_step(workload, golden.output))
    return out


def training_curves(
    record: Rows, names: Sequence[str], workload: str, seed: int, frames: int
) -> TrainingCurves:
    """Return the curves of the nodes `names` of a run, in the order of their indexes, over its
    first `frames` frames. Raises: ValueError if the workload is not one of training."""
    if not is_training(workload):
        raise ValueError(f"{workload} does not train")
    golden = golden_steps(workload, seed, frames)
    nodes: dict[str, Sequence[TrainingStep | None]] = {}
    for index, name in enumerate(names):
        steps: list[TrainingStep | None] = list(golden)
        for frame, output in node_outputs(record, index, 0, frames - 1):
            steps[frame] = _step_of(workload, output)
        nodes[name] = steps
    return TrainingCurves(golden, nodes)


def _step_of(workload: str, output: bytes) -> TrainingStep | None:
    """Return the telemetry of an output; None if there is none that can be read."""
    try:
        return training_step(workload, output)
    except struct.error:
        return None
