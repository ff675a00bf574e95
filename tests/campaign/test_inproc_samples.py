"""Sampled campaigns in this process, against Python models of the workloads and against boards."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from hil.campaign.executor import RangeOutcomes
from hil.campaign.inproc_samples import (
    FaultBench,
    InprocBenches,
    InprocSurvey,
    check_inproc_targets,
    fault_array,
    survey_inproc,
)
from hil.campaign.ranges import Range
from hil.campaign.sampling import FaultTable, draw
from hil.errors import KernelError, SetupError, UsageError
from hil.kernel import Golden, workload
from hil.record.campaign_rows import EFFECTS
from hil.rig.backends.inproc import InprocBoard
from hil.rig.calls import Timing
from hil.rig.node import DONE, Node
from hil.rig.rig import Rig
from hil.scenario import Scenario, UpsetTarget
from hil.upsets.words import NodeEffect
from hil.wire.messages import Arm

from ..rig import oracle
from ..rig.own_workloads import scenario_of

SEED = 11
FRAME = 3
PORTABLE = (UpsetTarget.STATE, UpsetTarget.INPUT, UpsetTarget.OUTPUT)


def scenario(name: str) -> Scenario:
    rig = {"scheme": "simplex", "board": "inproc"}
    return Scenario.model_validate({"workload": name, "frames": 10, "seed": SEED, "rig": rig})


@dataclass(frozen=True)
class Held:
    bench: FaultBench
    survey: InprocSurvey


def held(name: str, frames: tuple[int, ...] = (FRAME,)) -> Held:
    with InprocBenches(scenario(name)).open(0) as bench:
        return Held(bench, survey_inproc(bench, frames, PORTABLE))


def sample(name: str, count: int) -> tuple[Held, FaultTable]:
    made = held(name)
    faults = draw(made.survey.space, [count] * len(PORTABLE), 5, 0, 0)
    return made, faults.chosen(faults.order)


def outcomes(made: Held, faults: FaultTable) -> list[tuple[NodeEffect, int]]:
    parts: list[RangeOutcomes] = []
    units = Range(100, 100 + len(faults))
    experiments = made.survey.experiments(faults, units.first)
    experiments.carry_out(made.bench, units, parts.append, lambda: False)
    assert [part.first for part in parts][:1] == [100]
    effects = b"".join(part.effects for part in parts)
    details = b"".join(part.details for part in parts)
    return [(EFFECTS[e], d) for e, d in zip(effects, details, strict=True)]


def memory(golden: Golden) -> oracle.Memory:
    return oracle.Memory(
        bytearray(golden.state), bytearray(golden.input_of(FRAME)), bytearray(golden.output)
    )


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("sha256", 300),
        ("matmul", 20),
        pytest.param("sha256", 4000, marks=pytest.mark.slow),
        pytest.param("matmul", 1500, marks=pytest.mark.slow),
    ],
)
def test_outcomes_are_those_of_a_model_in_python(name: str, count: int) -> None:
    """Each effect, and the number of wrong bits, predicted without the kernel."""
    golden = Golden(name, SEED)
    for _ in range(FRAME):
        golden.step()
    right = memory(golden)
    oracle.run(name, right, None)
    made, faults = sample(name, count)
    predicted: list[tuple[NodeEffect, int]] = []
    for row in zip(*(column.tolist() for column in faults.columns), strict=True):
        _, _, target, byte, bit, tick = row
        m = memory(golden)
        oracle.run(
            name, m, Arm(1, FRAME, PORTABLE[target].value, "bit", tick=tick, bit=8 * byte + bit)
        )
        wrong = int.from_bytes(m.output, "little") ^ int.from_bytes(right.output, "little")
        if wrong:
            predicted.append((NodeEffect.SDC, min(255, wrong.bit_count())))
        else:
            effect = NodeEffect.MASKED if m.state == right.state else NodeEffect.LATENT
            predicted.append((effect, 0))
    assert outcomes(made, faults) == predicted
    assert len({effect for effect, _ in predicted}) > 1


@pytest.fixture
def rig() -> Iterator[Rig]:
    made = Rig([Node("a", 0, InprocBoard("a", 0))], "attitude", SEED, Timing())
    made.open()
    yield made
    made.close()


def test_outcomes_are_those_of_the_agent(rig: Rig) -> None:
    """The agent of an in-process board is armed with each fault, and runs the frame with it."""
    made, faults = sample("attitude", 60)
    node, seen = rig.nodes[0], []
    for row in zip(*(column.tolist() for column in faults.columns), strict=True):
        _, _, target, byte, bit, tick = row
        golden = Golden("attitude", SEED)
        rig.load(node)
        for frame in range(FRAME + 1):
            golden.step()
            if frame == FRAME:
                arm = Arm(1, frame, PORTABLE[target].value, "bit", tick=tick, bit=8 * byte + bit)
                assert rig.arm(node, arm) is None
            result = rig.step([node], frame, golden.input)[node.name]
            assert result.status == DONE
        if result.output_digest != golden.output_digest:
            seen.append(NodeEffect.SDC)
        elif result.state_digest != golden.state_digest:
            seen.append(NodeEffect.LATENT)
        else:
            seen.append(NodeEffect.MASKED)
    assert [effect for effect, _ in outcomes(made, faults)] == seen
    assert set(seen) == {NodeEffect.SDC, NodeEffect.LATENT, NodeEffect.MASKED}


def test_frames_and_their_order_change_no_outcome() -> None:
    made = held("attitude", (2, 5, 9))
    faults = draw(made.survey.space, [40] * 3, 1, 0, 0)
    ordered = faults.chosen(faults.order)
    forward = outcomes(made, ordered)
    backward = np.array(sorted(range(120), key=lambda i: (-ordered.frame[i], i)))
    again = outcomes(made, ordered.chosen(backward))
    assert [again[i] for i in np.argsort(backward)] == forward


def test_the_faults_are_those_of_the_ticks() -> None:
    survey = held("attitude", (2, 3)).survey
    one = workload("attitude")
    assert survey.space.size(0) == 2 * (one.ticks + 1) * one.state_len * 8
    assert survey.controls == 6


def test_what_only_a_process_has_is_refused() -> None:
    with pytest.raises(UsageError, match="`gpr` does not exist on in-process boards"):
        check_inproc_targets((UpsetTarget.STATE, UpsetTarget.GPR))


def test_a_fault_that_there_is_not_is_refused() -> None:
    bench = FaultBench(lambda: Golden("attitude", SEED))
    bench.hold(FRAME)
    table = FaultTable(*(np.array([v]) for v in (0, FRAME, 0, 0, 0, bench.ticks + 1)))
    with pytest.raises(KernelError):
        bench.run(fault_array(table, PORTABLE))


def test_a_bench_that_judges_wrongly_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """A workload that ends with a tick less than it has is none that controls can be made on."""
    monkeypatch.setattr(FaultBench, "ticks", property(lambda _: 0))  # nothing is finished there
    with pytest.raises(SetupError, match="control in this process"):
        held("attitude")


def test_random_lists_need_no_order_of_bytes() -> None:
    """Faults of one tick in any order: none depends on the one before it."""
    made, faults = sample("sha256", 80)
    shuffled = list(range(len(faults)))
    random.Random(4).shuffle(shuffled)
    places = np.array(shuffled)
    mixed = outcomes(made, faults.chosen(places))
    assert [mixed[i] for i in np.argsort(places)] == outcomes(made, faults)


def test_a_file_whose_step_does_not_compute_with_any_bytes_is_refused_before_the_first_fault(
    tmp_path: Path,
) -> None:
    old = "position += rate;"
    early = (old, f"if (rate >> 60) return HIL_OK;\n  {old}")
    own = scenario_of(tmp_path, "partial", early, board="inproc")
    with (
        pytest.raises(SetupError, match=r"cannot be computed by inproc boards.* with any bytes"),
        InprocBenches(own).open(0),
    ):
        pytest.fail("a bench was opened")
