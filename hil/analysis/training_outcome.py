"""The outcome of a training run that upsets have hit: its loss beside that of the fault-free run.

The classes are those that studies of silent corruption in training report (LLM-PRISM,
arXiv:2604.10390: spike and recover, spike and degrade, silent degradation, gradual drift), made
exact for a workload whose fault-free run is known step by step. A loss that is not a number, which
those studies report as well, cannot occur: the workload computes with integers.

With the loss of the mini-batch in each frame [nat]:

spike       a loss that exceeds all fault-free ones within NEAR frames before and after by more
            than SPIKE_NAT
degraded    the mean of the last WINDOW frames exceeds the fault-free one by more than DEGRADED_NAT
same        at the end weights and momentum are, bit for bit, those that the fault-free run had
            after as many steps

    no effect            no frame differs
    restored             frames differ; no spike; the same at the end
    spike and recover    a spike; not degraded at the end
    spike and degrade    a spike; degraded at the end
    silent degradation   no spike; degraded at the end
    drift                no spike, not degraded, but not the same at the end: another path, whose
                         loss does not show it
    stopped              the last WINDOW frames have no output

WINDOW is four epochs of `train`, so that the mean is one over each image four times, in any
order; NEAR is two epochs, so that an order that has changed is no spike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from hil.scenario.outputs import output_fields
from hil.word_enum import Word

__all__ = [
    "DEGRADED_NAT",
    "NEAR",
    "SPIKE_NAT",
    "WINDOW",
    "TrainingClass",
    "TrainingOutcome",
    "TrainingStep",
    "is_training",
    "judge_training",
    "training_step",
]

WINDOW: Final = 64
"""[frame] The end of a run, over which the loss is averaged."""
NEAR: Final = 32
"""[frame] The distance within which fault-free losses say what is usual."""
SPIKE_NAT: Final = 0.25
DEGRADED_NAT: Final = 0.05


class TrainingClass(Word):
    """A class of outcomes of a training run; see the definitions of this module."""

    NO_EFFECT = "no effect"
    RESTORED = "restored"
    SPIKE_AND_RECOVER = "spike and recover"
    SPIKE_AND_DEGRADE = "spike and degrade"
    SILENT_DEGRADATION = "silent degradation"
    DRIFT = "drift"
    STOPPED = "stopped"


class TrainingStep(NamedTuple):
    """The telemetry of a frame: the mean loss of its mini-batch [nat], the steps that have been
    done, and the digest of weights and momentum after them."""

    loss: float
    steps: int
    weights: int


@dataclass(frozen=True, slots=True)
class TrainingOutcome:
    """The class of a run, and what it follows from: the first frame that differs (None: none
    does), the largest loss above what is usual, the mean of the last losses above the fault-free
    one [nat], and by how many steps the run is behind at its end."""

    kind: TrainingClass
    first: int | None = None
    peak_nat: float = 0.0
    excess_nat: float = 0.0
    behind: int = 0


def is_training(workload: str) -> bool:
    """Return whether a workload is `train` or a variant of it."""
    return {"loss", "weights", "steps"} <= {field.name for field in output_fields(workload)}


def training_step(workload: str, output: bytes) -> TrainingStep:
    """Return the telemetry in an output of a training workload. Raises: struct.error if it is
    shorter than the workload's outputs are."""
    values = {field.name: field.values(output) for field in output_fields(workload)}
    (loss,), (steps,), (weights,) = values["loss"], values["steps"], values["weights"]
    return TrainingStep(loss, int(steps), int(weights))


def judge_training(
    golden: Sequence[TrainingStep], run: Sequence[TrainingStep | None]
) -> TrainingOutcome:
    """Return the outcome of a run, frame by frame beside the fault-free one; None: no output.

    Raises: ValueError if there are fewer than WINDOW frames, or not as many of both."""
    if len(golden) != len(run) or len(run) < WINDOW:
        raise ValueError(f"{len(run)} frames, {len(golden)} fault-free ones; {WINDOW} are needed")
    first = next((k for k, (g, r) in enumerate(zip(golden, run, strict=True)) if g != r), None)
    if first is None:
        return TrainingOutcome(TrainingClass.NO_EFFECT)
    tail = [step.loss for step in run[-WINDOW:] if step is not None]
    if not tail:
        return TrainingOutcome(TrainingClass.STOPPED, first)
    peak = max(
        (
            step.loss - _usual(golden, first + k)
            for k, step in enumerate(run[first:])
            if step is not None
        ),
        default=0.0,
    )
    excess = sum(tail) / len(tail) - sum(step.loss for step in golden[-WINDOW:]) / WINDOW
    last = next(step for step in reversed(run) if step is not None)
    kind = _kind(peak > SPIKE_NAT, excess > DEGRADED_NAT, _is_same(golden, last))
    return TrainingOutcome(kind, first, max(0.0, peak), excess, golden[-1].steps - last.steps)


def _kind(spiked: bool, degraded: bool, same: bool) -> TrainingClass:
    if spiked:
        return TrainingClass.SPIKE_AND_DEGRADE if degraded else TrainingClass.SPIKE_AND_RECOVER
    if degraded:
        return TrainingClass.SILENT_DEGRADATION
    return TrainingClass.RESTORED if same else TrainingClass.DRIFT


def _usual(golden: Sequence[TrainingStep], frame: int) -> float:
    """Return the largest fault-free loss near a frame."""
    return max(step.loss for step in golden[max(0, frame - NEAR) : frame + NEAR + 1])


def _is_same(golden: Sequence[TrainingStep], last: TrainingStep) -> bool:
    return any(last.steps == step.steps and last.weights == step.weights for step in golden)
