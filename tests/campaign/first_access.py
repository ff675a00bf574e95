"""First accesses by the def-use analysis of the exact campaign, beside those that a board's debug
registers report: for tests that compare the two.

Registers are left out (no board reports them), and so is the stack at a tick: the stop itself puts
return addresses there."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest

from hil.campaign.decode_a64 import A64Decoder
from hil.campaign.decode_x86 import X86Decoder
from hil.campaign.def_use import Area, classes_of
from hil.campaign.disassembler import disassembler
from hil.campaign.held_step import HeldStep
from hil.campaign.instruction import Instruction
from hil.campaign.regions import abi_of, regions_of
from hil.campaign.trace import Trace, unpack_trace
from hil.kernel import Golden, workload
from hil.rig.agent_setup import Budget
from hil.rig.calls import Timing
from hil.rig.node import Board, Node
from hil.rig.rig import Rig
from hil.scenario import UpsetTarget
from hil.wire.campaign import OpenedStep
from hil.wire.messages import Activation, Arm, Report, Unwatched

__all__ = ["Bench", "agreement", "random_hits"]

SEED = 11
INSTRUCTION_MAX = 15
STEPS_MAX = 4000  # single steps are slow; ticks reach the rest of a long step
TARGETS = (
    UpsetTarget.STATE,
    UpsetTarget.INPUT,
    UpsetTarget.OUTPUT,
    UpsetTarget.HEAP,
    UpsetTarget.STACK,
)


@dataclass(frozen=True)
class Analysis:
    """The step that is hit, as the exact campaign sees it."""

    arch: str
    opened: OpenedStep
    trace: Trace
    code: dict[int, Instruction]
    areas: dict[str, Area]
    text: bytes

    def first_access(self, target: str, byte: int, position: int) -> Activation:
        """What instruction `position`, or the first one after it that accesses a byte, does."""
        area = self.areas[target]
        later = np.flatnonzero((area.byte == byte) & (area.position >= position))
        if not len(later):
            return Activation.NOT_ACCESSED
        at = later[np.argmin(area.position[later])]
        return Activation.ACTIVATED if area.read[at] else Activation.OVERWRITTEN

    def first_execution(self, byte: int, position: int) -> Activation:
        """Whether the instruction that a byte of the machine code is part of is executed."""
        engine = disassembler(self.arch)
        address = self.opened.text + byte
        for start, size, _, _ in engine.disasm_lite(self.text, self.opened.text):
            if start <= address < start + size:
                executed = bool((self.trace.pc[position:] == np.uint64(start)).any())
                return Activation.ACTIVATED if executed else Activation.NOT_ACCESSED
        return Activation.UNKNOWN

    def tick_position(self, tick: int) -> int:
        """The position after the instruction that counts a tick: `tick` is the worker's first
        word."""
        sizes = [pc for pc, i in self.code.items() if any(m.kills for m in i.memory)]
        positions = []
        for pc in sizes:
            for position in np.flatnonzero(self.trace.pc == np.uint64(pc)).tolist():
                registers = self.trace.registers[position].tolist()
                for m in self.code[pc].memory:
                    base = 0 if m.base is None else registers[m.base]
                    index = 0 if m.index is None else registers[m.index] * m.scale
                    if m.kills and base + index + m.offset == self.opened.arena:
                        positions.append(position)
        return sorted(positions)[tick - 1] + 1


class Bench:
    """A board on which frame 0 of a workload is hit, again and again."""

    def __init__(self, board: Board, name: str) -> None:
        self.node = Node("a", 0, board)
        self.rig = Rig([self.node], name, SEED, Timing(300_000, 60_000_000))
        self.rig.setup.budget = Budget(2_000_000, 2 * workload(name).ticks + 8)
        self.golden = Golden(name, SEED)
        self.rig.open()
        self.rig.load(self.node)
        self.analysis = self._analyse()

    def _analyse(self) -> Analysis:
        assert self.node.hello is not None
        arch = self.node.hello.arch
        decoder = A64Decoder() if arch == "aarch64" else X86Decoder()
        with HeldStep(self.rig, self.node, 0, self.golden.input_of(0)) as held:
            opened = held.opened
            regions = regions_of(opened, self.golden.workload, arch, TARGETS)
            trace = unpack_trace(held.trace(), opened.gpr_count)
            pcs = sorted(set(trace.pc.tolist()))
            code = {pc: decoder.decode(held.code(pc, INSTRUCTION_MAX), pc) for pc in pcs}
            text = held.code(opened.text, opened.text_len)
        areas = classes_of(trace, code, regions, opened.arena, abi_of(arch).sp)
        by_name = {area.region.target.value: area for area in areas}
        return Analysis(arch, opened, trace, code, by_name, text)

    def hit(self, arm: Arm) -> tuple[Report, Activation, Unwatched]:
        """One upset in frame 0 of a fresh worker."""
        self.rig.load(self.node)
        assert self.rig.arm(self.node, arm) is None
        self.rig.step([self.node], 0, self.golden.input_of(0))
        report = self.rig.report(self.node, arm.id)
        known = self.rig.activation(self.node, arm.id)
        assert report is not None and known is not None
        return report, known.activation, known.reason

    def expected(self, arm: Arm, report: Report, position: int) -> Activation:
        """What the analysis says of the first byte that was changed."""
        byte = report.bit // 8
        if arm.target == "text":
            return self.analysis.first_execution(byte, position)
        if arm.target == "stack":  # counted from the stack pointer
            byte += self.analysis.opened.stack_len - report.space // 8
        return self.analysis.first_access(arm.target, byte, position)


def random_hits(bench: Bench, count: int, seed: int) -> Iterator[tuple[Arm, int]]:
    """Hits of single bits, and the position of each in the step."""
    rng = random.Random(seed)
    length = bench.analysis.trace.length
    ticks = bench.golden.workload.ticks
    names = [*(t.value for t in TARGETS), "text"]
    for number in range(count):
        target, bit = names[number % len(names)], rng.getrandbits(60)
        if number % 4 == 3 and target != "stack":
            tick = rng.randint(1, ticks)
            position = bench.analysis.tick_position(tick)
            yield Arm(number + 1, 0, target, "bit", tick=tick, bit=bit), position
        else:
            steps = rng.randrange(min(length, STEPS_MAX))
            yield Arm(number + 1, 0, target, "bit", steps=steps, bit=bit), steps


def agreement(board: Board, name: str, count: int, seed: int) -> Counter[Activation]:
    """Hit, compare, and return what came out how often."""
    bench = Bench(board, name)
    outcomes: Counter[Activation] = Counter()
    try:
        for arm, position in random_hits(bench, count, seed):
            report, activation, reason = bench.hit(arm)
            assert report.state == "injected" and report.changed, (arm, report)
            if reason is Unwatched.REFUSED:
                pytest.skip("this machine offers no debug registers")
            assert activation == bench.expected(arm, report, position), (arm, report, reason)
            outcomes[activation] += 1
    finally:
        bench.rig.close()
    return outcomes
