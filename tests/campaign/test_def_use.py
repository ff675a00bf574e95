"""The classes of faults of small traces, counted by hand and by brute force."""

from __future__ import annotations

import random

import numpy as np

from hil.campaign.def_use import Area, classes_of
from hil.campaign.instruction import Instruction, MemoryAccess
from hil.campaign.regions import TargetRegion
from hil.campaign.trace import Trace
from hil.scenario import UpsetTarget
from hil.upsets.words import NodeEffect
from hil.wire.campaign import Space

ARENA = 0x1000
LENGTH = 8
PC, SP, POINTER = 2, 1, 0


def region(*, stack: bool = False) -> TargetRegion:
    target = UpsetTarget.STACK if stack else UpsetTarget.STATE
    return TargetRegion(target, Space.MEMORY, 0, LENGTH, (NodeEffect.LATENT,) * LENGTH, stack=stack)


def instruction(size: int, *, reads: bool, kills: bool) -> Instruction:
    access = MemoryAccess(POINTER, None, 1, 0, size, reads, kills)
    return Instruction("", (access,), (), (), (), ())


CODE = {
    1: Instruction("", (), (), (), (), ()),
    2: instruction(1, reads=True, kills=False),
    3: instruction(1, reads=False, kills=True),
    4: instruction(4, reads=True, kills=False),
    5: instruction(2, reads=False, kills=True),
}


def area_of(rows: list[tuple[int, int, int]], *, stack: bool = False) -> Area:
    trace = Trace(np.array(rows, dtype=np.uint64))
    (area,) = classes_of(trace, CODE, [region(stack=stack)], ARENA, SP)
    return area


def test_a_byte_that_is_written_and_read_has_one_class_for_each_access() -> None:
    at = ARENA + 3
    area = area_of([(0, 0, 1), (at, 0, 3), (0, 0, 1), (0, 0, 1), (at, 0, 2), (0, 0, 1)])
    classes = list(zip(area.position, area.byte, area.weight, area.read, strict=True))
    assert classes == [(1, 3, 2, False), (4, 3, 3, True)]
    unread = dict(zip(area.unread_byte.tolist(), area.unread_weight.tolist(), strict=True))
    assert unread == {byte: 1 if byte == 3 else 6 for byte in range(LENGTH)}
    assert area.space_bits == 8 * LENGTH * 6


def test_an_access_across_the_end_of_a_region_touches_what_lies_inside() -> None:
    area = area_of([(ARENA + 6, 0, 4)])
    assert area.byte.tolist() == [6, 7]


def test_every_fault_belongs_to_exactly_one_class() -> None:
    """By brute force: walk each byte backwards through a random trace."""
    rng = random.Random(1)
    for _ in range(50):
        rows = [(ARENA + rng.randrange(LENGTH), 0, rng.choice(list(CODE))) for _ in range(30)]
        area = area_of(rows)
        found = {(b, p): (w, r) for p, b, w, r in zip(
            area.position.tolist(), area.byte.tolist(), area.weight.tolist(), area.read.tolist(),
            strict=True,
        )}  # fmt: skip
        expected: dict[tuple[int, int], tuple[int, bool]] = {}
        for byte in range(LENGTH):
            weight = 0
            for position, (pointer, _, pc) in enumerate(rows):
                weight += 1
                for access in CODE[pc].memory:
                    if 0 <= ARENA + byte - pointer < access.size:
                        expected[byte, position] = (weight, access.reads)
                        weight = 0
        assert found == expected
        counted = 8 * (int(area.weight.sum()) + int(area.unread_weight.sum()))
        assert counted == area.space_bits == 8 * LENGTH * len(rows)


def test_the_stack_is_what_lies_at_or_above_its_pointer() -> None:
    """By brute force, with a stack pointer that moves."""
    rng = random.Random(2)
    for _ in range(50):
        rows = [
            (
                ARENA + rng.randrange(LENGTH),
                ARENA + rng.randrange(LENGTH + 1),
                rng.choice(list(CODE)),
            )
            for _ in range(30)
        ]
        area = area_of(rows, stack=True)
        expected: dict[tuple[int, int], int] = {}
        space = 0
        for byte in range(LENGTH):
            weight = 0
            for position, (pointer, sp, pc) in enumerate(rows):
                inside = ARENA + byte >= sp
                weight += inside
                space += inside
                for access in CODE[pc].memory:
                    if 0 <= ARENA + byte - pointer < access.size:
                        if weight:
                            expected[byte, position] = weight
                        weight = 0
        found = dict(zip(zip(area.byte.tolist(), area.position.tolist(), strict=True),
                         area.weight.tolist(), strict=True))  # fmt: skip
        assert found == expected
        assert area.space_bits == 8 * space
