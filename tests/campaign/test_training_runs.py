"""Single upsets of training runs, in the engine, against the same flip in the bare kernel."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from hil.analysis.training_curves import golden_steps, training_curves
from hil.analysis.training_outcome import (
    TrainingClass,
    TrainingOutcome,
    judge_training,
    training_step,
)
from hil.campaign.training_runs import (
    FRAMES_MIN,
    PROTECTIONS,
    Protection,
    compare_training,
    draw_upsets,
    protect,
    run_upset,
)
from hil.engine.loop import Loop
from hil.errors import UsageError
from hil.kernel import workload
from hil.record.reader import Reader
from hil.scenario import (
    BoardKind,
    Overrides,
    Scenario,
    UpsetEventConfig,
    UpsetTarget,
    load_scenario,
)
from hil.scenario.upsets import UpsetsConfig

from ..kernel.workload_rig import Rig

FRAMES, HIT = 320, 150
WEIGHT = 8 * (280 + 4 * 1045) + 30
"""A high bit of a weight of the second layer."""


def scenario(kind: BoardKind = BoardKind.INPROC, frames: int = FRAMES) -> Scenario:
    return load_scenario("train-upsets", Overrides(board=kind.value, frames=frames))


def upset(bit: int, target: UpsetTarget = UpsetTarget.STATE, tick: int = 0) -> UpsetEventConfig:
    return UpsetEventConfig(frame=HIT, node="a", target=target, tick=tick, bit=bit)


def in_the_kernel(name: str, seed: int, event: UpsetEventConfig) -> TrainingOutcome:
    """The outcome of the same flip in one context of the kernel, without agent, link or voter."""
    rig, steps = Rig(name, seed), []
    region = {UpsetTarget.STATE: "state", UpsetTarget.HEAP: "scratch"}[event.target]
    assert event.bit is not None
    assert event.tick is not None
    for frame in range(FRAMES):
        rig.sense(frame)
        byte, bit = divmod(event.bit, 8)
        hit = frame == HIT
        output = rig.step_with_flip(event.tick, region, byte, bit) if hit else rig.step()
        steps.append(training_step(name, output))
    return judge_training(golden_steps(name, seed, FRAMES), steps)


@pytest.mark.parametrize("protection", PROTECTIONS[:3], ids=lambda p: p.workload)
@pytest.mark.parametrize("bit", [WEIGHT, 8 * 5120 + 3], ids=["weight", "momentum"])
def test_a_run_of_one_node_ends_as_in_the_bare_kernel(protection: Protection, bit: int) -> None:
    given = protect(scenario(), protection, BoardKind.INPROC)
    golden = golden_steps(protection.workload, given.seed, FRAMES)
    outcome = run_upset(given, upset(bit), golden)
    assert outcome is not None
    assert outcome == in_the_kernel(protection.workload, given.seed, upset(bit))
    assert outcome.kind is not TrainingClass.NO_EFFECT


@pytest.mark.parametrize("protection", PROTECTIONS[3:], ids=lambda p: p.scheme.value)
def test_nodes_that_are_compared_deliver_the_fault_free_loss(
    protection: Protection,
) -> None:
    given = protect(scenario(), protection, BoardKind.INPROC)
    golden = golden_steps(protection.workload, given.seed, FRAMES)
    assert run_upset(given, upset(WEIGHT), golden) == TrainingOutcome(TrainingClass.NO_EFFECT)


def test_a_recheck_heals_a_gradient_in_the_memory_of_a_worker() -> None:
    event = upset(8 * (4 * 5 + 3) + 5, UpsetTarget.HEAP, tick=18)
    kinds = []
    for protection in PROTECTIONS[:2]:
        given = protect(scenario(BoardKind.PROCESS), protection, BoardKind.PROCESS)
        golden = golden_steps(protection.workload, given.seed, FRAMES)
        outcome = run_upset(given, event, golden)
        assert outcome is not None
        assert outcome == in_the_kernel(protection.workload, given.seed, event)
        kinds.append(outcome.kind)
    assert kinds[0] is not TrainingClass.NO_EFFECT
    assert kinds[1] is TrainingClass.NO_EFFECT


def test_the_record_of_a_run_has_the_curves_of_all_nodes(tmp_path: Path) -> None:
    given = scenario().model_copy(
        update={"upsets": UpsetsConfig(events=(upset(WEIGHT),)), "expect": "none"}
    )
    Loop(given, tmp_path).run()
    reader = Reader(tmp_path)
    curves = training_curves(reader, reader.node_names, "train", given.seed, FRAMES)
    reader.close()
    outcomes = curves.outcomes()
    assert outcomes["b"].kind is outcomes["c"].kind is TrainingClass.NO_EFFECT
    assert outcomes["a"].first == HIT
    hit = curves.nodes["a"][HIT]
    alone = in_the_kernel("train", given.seed, upset(WEIGHT))
    assert hit is not None
    assert hit.loss > curves.golden[HIT].loss
    assert curves.nodes["a"][HIT + 8 :] == curves.golden[HIT + 8 :]  # it was healed
    assert outcomes["a"].peak_nat == alone.peak_nat  # in its first frame nothing was known of it
    assert outcomes["a"].excess_nat == 0
    assert alone.excess_nat > 0


def test_a_comparison_counts_each_upset_once_for_each_protection() -> None:
    seen: list[tuple[int, int]] = []
    given = scenario(frames=FRAMES_MIN)
    result = compare_training(given, [UpsetTarget.STATE], 1, lambda *done: seen.append(done))
    assert seen == [(k, 5) for k in range(1, 6)]
    assert [row.injected for row in result.rows] == [1] * 5
    assert [row.classes[TrainingClass.NO_EFFECT] for row in result.rows[3:]] == [1, 1]
    none, recheck, rollback, pair, voted = (row.cost for row in result.rows)
    plain = workload("train")
    memory = plain.state_len + plain.input_len + plain.output_len + plain.scratch_len
    assert none.memory == memory
    assert recheck.memory == memory + 16
    assert rollback.memory == memory + 9960 + 24
    assert (pair.memory, voted.memory) == tuple(n * (memory + 2 * (9960 + 1245)) for n in (2, 3))
    assert voted.step_us == pytest.approx(3 * none.step_us)
    document = result.as_json()
    assert document["upsets"] == 1
    assert len(list(document["protections"])) == 5  # type: ignore[arg-type]


def test_drawn_upsets_are_in_the_middle_of_the_run_and_within_their_targets() -> None:
    targets: Sequence[UpsetTarget] = (UpsetTarget.STATE, UpsetTarget.HEAP, UpsetTarget.GPR)
    upsets = draw_upsets(targets, 600, 500, 1)
    assert upsets == draw_upsets(targets, 600, 500, 1)
    assert upsets != draw_upsets(targets, 600, 500, 2)
    frames = [u.frame or 0 for u in upsets]
    assert 64 <= min(frames) < 70
    assert 365 < max(frames) <= 372
    for target, size in ((UpsetTarget.STATE, 9960 * 8), (UpsetTarget.HEAP, 4864 * 8)):
        bits = [u.bit or 0 for u in upsets if u.target is target]
        assert len(bits) == 200
        assert size * 0.95 < max(bits) < size
    assert {u.tick for u in upsets} == set(range(19))


def test_what_cannot_be_compared_is_said() -> None:
    with pytest.raises(UsageError, match="have no heap"):
        compare_training(scenario(), [UpsetTarget.HEAP], 1, print)
    with pytest.raises(UsageError, match="100 frames are too few"):
        compare_training(scenario(frames=100), [UpsetTarget.STATE], 1, print)
    with pytest.raises(UsageError, match="software boards of one kind"):
        compare_training(scenario(BoardKind.EMULATED), [UpsetTarget.STATE], 1, print)
