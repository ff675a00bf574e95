"""Each class of outcomes of a training run, on curves that are made to have it."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from hil.analysis.training_outcome import (
    DEGRADED_NAT,
    SPIKE_NAT,
    WINDOW,
    TrainingClass,
    TrainingStep,
    judge_training,
    training_step,
)
from hil.kernel import Golden
from hil.scenario.outputs import output_fields

FRAMES, HIT = 300, 120
Change = Callable[[int], float]


def loss(frame: int) -> float:
    """A loss that falls from 2.3, and differs from batch to batch."""
    return 2.3 * math.exp(-frame / 40) + 0.05 + 0.02 * math.sin(frame)


GOLDEN = [TrainingStep(loss(k), k + 1, 1000 + k) for k in range(FRAMES)]


def curve(excess: Change, *, same_from: int = FRAMES) -> list[TrainingStep | None]:
    """A run whose loss is higher by `excess` from the hit on, with other weights until
    `same_from`."""
    return [
        step
        if k < HIT or k >= same_from
        else TrainingStep(step.loss + excess(k - HIT), step.steps, step.weights + 5000)
        for k, step in enumerate(GOLDEN)
    ]


def spike(after: int) -> float:
    return 3.0 * math.exp(-after / 10)


CURVES: dict[TrainingClass, list[TrainingStep | None]] = {
    TrainingClass.NO_EFFECT: list(GOLDEN),
    TrainingClass.RESTORED: curve(lambda _: 0.01, same_from=HIT + 4),
    TrainingClass.SPIKE_AND_RECOVER: curve(spike),
    TrainingClass.SPIKE_AND_DEGRADE: curve(lambda after: spike(after) + 0.2),
    TrainingClass.SILENT_DEGRADATION: curve(lambda _: 0.08),
    TrainingClass.DRIFT: curve(lambda after: 0.01 * math.cos(after)),
    TrainingClass.STOPPED: [*GOLDEN[:HIT], *[None] * (FRAMES - HIT)],
}


@pytest.mark.parametrize("kind", list(TrainingClass))
def test_each_class_is_recognised(kind: TrainingClass) -> None:
    assert judge_training(GOLDEN, CURVES[kind]).kind is kind


def test_a_spike_that_is_restored_is_a_spike() -> None:
    outcome = judge_training(GOLDEN, curve(spike, same_from=HIT + 1))
    assert outcome.kind is TrainingClass.SPIKE_AND_RECOVER
    assert outcome.first == HIT
    assert outcome.peak_nat == pytest.approx(
        3.0 + loss(HIT) - max(loss(k) for k in range(HIT - 32, HIT + 33))
    )


@pytest.mark.parametrize(("factor", "degraded"), [(0.99, False), (1.01, True)])
def test_the_end_is_degraded_above_its_limit(factor: float, degraded: bool) -> None:
    outcome = judge_training(GOLDEN, curve(lambda _: factor * DEGRADED_NAT))
    assert outcome.excess_nat == pytest.approx(factor * DEGRADED_NAT)
    assert (outcome.kind is TrainingClass.SILENT_DEGRADATION) is degraded


@pytest.mark.parametrize(("factor", "spiked"), [(0.99, False), (1.01, True)])
def test_a_spike_exceeds_what_is_usual_near_it(factor: float, spiked: bool) -> None:
    usual = max(loss(k) for k in range(HIT - 32, HIT + 33))
    height = usual - loss(HIT) + factor * SPIKE_NAT
    outcome = judge_training(GOLDEN, curve(lambda after: height if after == 0 else 0.0))
    assert (outcome.kind is TrainingClass.SPIKE_AND_RECOVER) is spiked


def test_a_run_that_went_back_is_the_same_some_steps_later() -> None:
    run: list[TrainingStep | None] = [*GOLDEN[:HIT], *GOLDEN[HIT - 10 : FRAMES - 10]]
    outcome = judge_training(GOLDEN, run)
    assert (outcome.kind, outcome.behind) == (TrainingClass.RESTORED, 10)


def test_frames_without_an_output_are_not_averaged() -> None:
    run: list[TrainingStep | None] = list(GOLDEN)
    run[HIT] = run[-2] = None
    outcome = judge_training(GOLDEN, run)
    assert outcome.kind is TrainingClass.RESTORED
    assert outcome.excess_nat == pytest.approx(0, abs=1e-3)


def test_a_run_is_judged_only_if_its_end_can_be_averaged() -> None:
    with pytest.raises(ValueError, match="64 are needed"):
        judge_training(GOLDEN[: WINDOW - 1], GOLDEN[: WINDOW - 1])
    with pytest.raises(ValueError, match="300 fault-free ones"):
        judge_training(GOLDEN, GOLDEN[:-1])


@pytest.mark.parametrize("name", ["train", "train+recheck", "train+rollback"])
def test_the_telemetry_is_that_of_the_output(name: str) -> None:
    golden = Golden(name, 3)
    golden.step()
    golden.step()
    step = training_step(name, golden.output)
    assert step.loss == pytest.approx(math.log(10), abs=0.4)
    assert step.loss == int.from_bytes(golden.output[:4], "little") / 65536
    assert step.steps == 2
    assert step.weights == int.from_bytes(golden.output[64:72], "little")
    assert {f.name for f in output_fields(name)} >= {"held_out_loss", "squared_change"}
