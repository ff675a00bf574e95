"""The trace of a step, as boards pack it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.campaign.trace import path_digests, unpack_trace

WORD = (1 << 64) - 1


def varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*out, value))


def change(before: int, after: int) -> bytes:
    difference = (after - before) & WORD
    signed = difference - (1 << 64) if difference >> 63 else difference
    return varint((signed << 1 ^ signed >> 63) & WORD)


def packed(rows: list[list[int]]) -> bytes:
    """Pack a trace by the text of csrc/SPEC.md, section 4; the program counter is the last."""
    out, before = bytearray(), [0] * len(rows[0])
    for row in rows:
        changed = [i for i in range(len(row) - 1) if row[i] != before[i]]
        out += bytes((len(changed),)) + change(before[-1], row[-1])
        for i in changed:
            out += bytes((i,)) + change(before[i], row[i])
        before = row
    return bytes(out)


registers = st.integers(0, WORD)


@given(st.lists(st.tuples(registers, registers, registers), min_size=1, max_size=20))
def test_what_was_packed_is_unpacked(rows: list[tuple[int, int, int]]) -> None:
    table = [list(row) for row in rows]
    trace = unpack_trace(packed(table), 3)
    assert trace.registers.tolist() == table
    assert trace.pc.tolist() == [row[-1] for row in table]


@pytest.mark.parametrize("length", [1, 2, 3])
def test_a_trace_that_is_cut_off_is_refused(length: int) -> None:
    whole = packed([[1 << 40, 300]])
    assert len(whole) > length
    with pytest.raises(ValueError, match="cut off"):
        unpack_trace(whole[:length], 2)


def test_the_path_digest_depends_on_every_program_counter() -> None:
    pcs = np.array([0x401000, 0x401004, 0x401000], dtype=np.uint64)
    digests = path_digests(pcs)
    assert digests[0] == 0
    assert digests[1] == 0x401000 * 0x100000001B3 % 2**64
    assert len(set(digests)) == 4
    assert path_digests(pcs[::-1].copy())[-1] == digests[-1]  # the same sequence backwards
    assert path_digests(pcs[[1, 0, 2]])[-1] != digests[-1]
