"""The node contract on process boards; and both kinds of board side by side in one rig."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator

import pytest

from hil.kernel import Golden, workloads
from hil.rig.agent_setup import Budget
from hil.rig.backends.inproc import InprocBoard
from hil.rig.backends.process import ProcessBoard
from hil.rig.node import Board, Node, NodeResult
from hil.rig.rig import Rig
from tests.amount import without_variants

from .contract import SEED, TIMING, NodeContract, report_of
from .oracle import random_arm

pytestmark = pytest.mark.ptrace


class TestProcess(NodeContract):
    def make_board(self, name: str, index: int) -> Board:
        return ProcessBoard(name)


@pytest.fixture
def mixed() -> Iterator[Rig]:
    """One board of each kind."""
    nodes = [Node("n0", 0, InprocBoard("n0", 0)), Node("n1", 1, ProcessBoard("n1"))]
    rig = Rig(nodes, "infer", SEED, TIMING)
    rig.setup.budget = Budget(200_000, 1000)
    rig.open()
    yield rig
    rig.close()


def portable(result: NodeResult) -> NodeResult:
    """Without what depends on the machine."""
    return result._replace(cpu_us=0, step_us=0)


@pytest.mark.parametrize("name", without_variants(w.name for w in workloads()))
def test_both_kinds_do_and_tell_the_same(mixed: Rig, name: str) -> None:
    mixed.setup.workload = name
    rng = random.Random(name)
    golden = Golden(name, SEED)
    for node in mixed.nodes:
        mixed.load(node)
    different = 0
    for frame in range(80):
        golden.step()
        arms = [
            random_arm(
                rng, 10 * frame + i, frame, golden.workload.ticks, ("state", "input", "output")
            )
            for i in range(rng.randrange(4))
        ]
        for node in mixed.nodes:
            for arm in arms:
                assert mixed.arm(node, arm) is None
        first, second = mixed.step(mixed.nodes, frame, golden.input).values()
        assert portable(first) == portable(second), (frame, arms)
        different += first.state_digest != golden.state_digest
        for arm in arms:
            told = [report_of(mixed, node, arm.id) for node in mixed.nodes]
            a, b = (dataclasses.replace(r, at_us=0, pc_offset=None) for r in told)
            assert a == b, arm
    assert different > 20
