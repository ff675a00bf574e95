"""An upset does the same in an experiment as in a run: in the step that it hits and in those that
follow, whatever the board has computed before."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from hil.campaign.held_step import HeldStep
from hil.campaign.regions import abi_of
from hil.campaign.trace import unpack_trace
from hil.kernel import Golden, workload
from hil.rig.agent_setup import Budget
from hil.rig.backends.process import ProcessBoard
from hil.rig.calls import Timing
from hil.rig.node import CRASHED, DONE, HUNG, Node, NodeResult
from hil.rig.rig import Rig
from hil.wire.campaign import Detail, Site, Space
from hil.wire.messages import Arm
from hil.wire.outcomes import FAILURE_COUNT, Differs, Ending, Fate, Outcome, endings

pytestmark = pytest.mark.ptrace

SEED = 1
FRAME = 3
FOLLOWED = 4
DETAILS = Detail.DIFFERS | Detail.FATE
BATCH = 32

End = tuple[object, ...]
"""What a node answers to the step that is hit, and what shows in those that follow."""


@dataclass(frozen=True)
class Hit:
    """A bit before an instruction of the step, as an upset and as a site of a campaign."""

    target: str
    bit: int
    position: int
    site: Site


class Bench:
    """A process board, and what it answers without a fault."""

    def __init__(self, name: str) -> None:
        self.node = Node("a", 0, ProcessBoard("a"))
        self.rig = Rig([self.node], name, SEED, Timing(lost_after_us=60_000_000))
        self.ticks = workload(name).ticks
        self.rig.setup.budget = Budget(46_000, 4 * self.ticks + 64)
        self.golden = Golden(name, SEED)
        self.right: list[tuple[int, int]] = []
        for _ in range(FRAME + FOLLOWED + 1):
            self.golden.step()
            self.right.append((self.golden.output_digest, self.golden.state_digest))
        self.rig.open()

    def step(self, frame: int) -> NodeResult:
        return self.rig.step([self.node], frame, self.golden.input_of(frame))["a"]

    def go_to(self, frame: int) -> None:
        """A fresh worker, and all frames before."""
        self.rig.load(self.node)
        for number in range(frame):
            result = self.step(number)
            assert (result.output_digest, result.state_digest) == self.right[number]

    # --- in a campaign ------------------------------------------------------------------------

    def experiments(self, count: int, seed: int) -> list[tuple[Hit, Ending]]:
        """Random hits of registers and stack, and how their experiments end."""
        self.go_to(FRAME)
        with HeldStep(self.rig, self.node, FRAME, self.golden.input_of(FRAME)) as held:
            hits = sorted(_hits(held, self.node, count, random.Random(seed)), key=lambda h: h.site)
            held.follow([self.golden.input_of(FRAME + 1 + i) for i in range(FOLLOWED)])
            ends: list[Ending] = []
            for first in range(0, count, BATCH):
                sites = [hit.site for hit in hits[first : first + BATCH]]
                outcomes = held.run(sites, details=DETAILS)
                ends += endings(outcomes, DETAILS, self.golden.workload.output_len)
        return list(zip(hits, ends, strict=True))

    # --- in a run -----------------------------------------------------------------------------

    def fly(self, hit: Hit) -> End:
        """Hit a worker that has computed all frames before; what it answers from then on."""
        self.go_to(FRAME)
        arm = Arm(1, FRAME, hit.target, "bit", steps=hit.position, bit=hit.bit)
        assert self.rig.arm(self.node, arm) is None
        first = self.step(FRAME)
        report = self.rig.report(self.node, 1)
        assert report is not None and report.state == "injected" and report.bit == hit.bit
        if first.status != DONE:
            return first.status, first.signal
        output, state = self.right[FRAME]
        differs = (first.output_digest != output, first.state_digest != state)
        return (*differs, first.ticks != self.ticks, *self._later())

    def _later(self) -> End:
        for number in range(1, FOLLOWED + 1):
            result = self.step(FRAME + number)
            if result.status != DONE:
                return Fate.CRASH if result.signal else Fate.HANG, number
            if result.output_digest != self.right[FRAME + number][0]:
                return Fate.SDC, number
            if result.ticks != self.ticks:
                return Fate.DETECTED, number
        return ()


def _hits(held: HeldStep, node: Node, count: int, rng: random.Random) -> Iterator[Hit]:
    assert node.hello is not None
    opened = held.opened
    trace = unpack_trace(held.trace(), opened.gpr_count)
    pointer = abi_of(node.hello.arch).sp
    for number in range(count):
        position = rng.randrange(trace.length)
        low = int(trace.registers[position, pointer]) - opened.arena
        target, space, first, size = (
            ("gpr", Space.GPR, 0, opened.gpr_count * opened.gpr_bytes),
            ("stack", Space.MEMORY, low, opened.stack_at + opened.stack_len - low),
            ("vector", Space.VECTOR, 0, opened.vector_bytes),
        )[(0, 0, 0, 1, 2)[number % 5]]
        bit = rng.randrange(8 * size)
        yield Hit(target, bit, position, Site(position, space, first + bit // 8, 1 << bit % 8))


def _expected(end: Ending) -> End:
    """What a node must answer in a run whose experiment has ended so."""
    if end.outcome is Outcome.FAILED and end.failure != FAILURE_COUNT:
        return (CRASHED, end.failure) if end.failure else (HUNG, 0)
    first = tuple(bool(end.differs & d) for d in (Differs.OUTPUT, Differs.STATE, Differs.TICKS))
    if end.outcome in (Outcome.LATENT, Outcome.SDC) and end.fate not in (Fate.LATENT, Fate.HEALED):
        return (*first, end.fate, end.fate_step)
    return first


def _telling(experiments: Sequence[tuple[Hit, Ending]]) -> list[tuple[Hit, Ending]]:
    """Those that neither end as without a fault nor at the first wild access."""
    chosen = (Outcome.LATENT, Outcome.SDC)
    return [
        (hit, end)
        for hit, end in experiments
        if end.outcome in chosen or (end.outcome is Outcome.FAILED and end.failure != 11)
    ]


@pytest.mark.parametrize(
    ("name", "count", "flown"),
    [
        ("attitude", 600, 30),
        pytest.param("attitude", 20_000, 600, marks=pytest.mark.stress),
        pytest.param("sha256", 3000, 200, marks=pytest.mark.stress),
        pytest.param("matmul", 3000, 200, marks=pytest.mark.stress),
    ],
)
def test_a_hit_does_the_same_in_a_run(name: str, count: int, flown: int) -> None:
    bench = Bench(name)
    try:
        experiments = bench.experiments(count, 7)
        telling = _telling(experiments)
        rng = random.Random(2)
        chosen = rng.sample(telling, min(len(telling), flown * 3 // 4))
        chosen += rng.sample(experiments, flown - len(chosen))
        different = []
        for hit, end in chosen:
            happened, expected = bench.fly(hit), _expected(end)
            if end.outcome is Outcome.FAILED and end.failure == FAILURE_COUNT:
                happened = happened[:3]  # its worker is started again: nothing is followed
            if happened != expected:
                different.append((hit, expected, happened))
        assert different == []
        assert len(telling) > flown // 4
    finally:
        bench.rig.close()


def test_experiments_end_alike_whatever_the_board_has_done_before() -> None:
    """On a new board, and on one that has computed many frames, been hit, and held other steps."""
    bench = Bench("attitude")
    try:
        first = bench.experiments(400, 3)
        for hit, _ in first[:20]:
            bench.fly(hit)
        for frame in range(FRAME + 1, FRAME + FOLLOWED):
            bench.go_to(frame)
            with HeldStep(bench.rig, bench.node, frame, bench.golden.input_of(frame)) as held:
                held.run([Site(5, Space.GPR, i) for i in range(16)])
        assert bench.experiments(400, 3) == first
    finally:
        bench.rig.close()


@pytest.mark.slow
def test_a_result_file_is_the_same_in_another_environment(tmp_path: Path) -> None:
    """With other variables, many more of them, in another folder, with a longer path, and beside
    busy processes. Among these faults are the loops that end near the limit of a hang."""
    text = "schema: 1\nworkload: attitude\nframes: 10\nrig: {scheme: simplex, board: process}\n"
    folders = (tmp_path / "a", tmp_path / ("b" * 200))
    many = {f"HIL_TEST_{i}": "x" * (i % 97) for i in range(1500)}
    few = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    for folder, more, busy in zip(folders, ({}, many), (0, 2), strict=True):
        folder.mkdir()
        (folder / "s.yaml").write_text(text)
        words = ["campaign", "s.yaml", "--exact", "--targets", "gpr,vector,stack"]
        spin = [sys.executable, "-c", "while True: pass"]
        others = [subprocess.Popen(spin) for _ in range(busy)]
        try:
            subprocess.run(
                [sys.executable, "-m", "hil", *words, "--part", "12/16", "--out", "r"],
                cwd=folder, env=few | more, check=True, capture_output=True,
            )  # fmt: skip
        finally:
            for other in others:
                other.kill()
                other.wait()
    assert (folders[0] / "r").read_bytes() == (folders[1] / "r").read_bytes()
