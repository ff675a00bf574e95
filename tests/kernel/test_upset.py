"""Upset windows against Python's unbounded integers: a target is one number, bit i its bit i."""

from __future__ import annotations

import random
from typing import Any

import pytest

from hil._kernel import ffi, lib

WORD_WIDTHS = (8, 16, 32, 64)


def upset(number: int, target_len: int, kind: int, width: int, bit: int, value: int) -> int | None:
    """The target after the pattern; None if it must be refused."""
    size = 8 * target_len
    if bit >= size:
        return None
    if kind == lib.UPSET_BIT:
        return number ^ (1 << bit)
    if kind == lib.UPSET_STUCK:
        return number & ~(1 << bit) | (value & 1) << bit
    if kind == lib.UPSET_ADJACENT:
        if not 2 <= width <= 64 or width > size:
            return None
        return number ^ ((1 << width) - 1) << min(bit, size - width)
    if kind in (lib.UPSET_ZERO_WORD, lib.UPSET_RANDOM_WORD):
        if width not in WORD_WIDTHS or width > size:
            return None
        start = min(bit // width, size // width - 1) * width
        mask = (1 << width) - 1
        new = value & mask if kind == lib.UPSET_RANDOM_WORD else 0
        return number & ~(mask << start) | new << start
    return None


def apply(target: bytearray, pattern: Any) -> int:
    """Put the pattern's window over the target in place; returns the status."""
    window = ffi.new("hil_upset_window_t *")
    status = int(lib.upset_window(pattern, len(target), window))
    if status == lib.HIL_OK:
        assert 1 <= window.len <= lib.UPSET_WINDOW_MAX
        assert window.offset + window.len <= len(target)
        there = ffi.from_buffer("uint8_t[]", target) + window.offset
        lib.upset_apply(window, there, there)
    return status


@pytest.mark.parametrize("target_len", [1, 2, 7, 8, 9, 16, 21])
def test_every_pattern_at_every_bit_equals_integer_arithmetic(target_len: int) -> None:
    rng = random.Random(target_len)
    tried = refused = 0
    for kind in range(7):
        for width in [0, 1, 2, 3, 8, 9, 16, 24, 31, 32, 63, 64, 65, 128, 255]:
            for bit in range(8 * target_len + 9):
                before = rng.randbytes(target_len)
                value = rng.getrandbits(64)
                target = bytearray(before)
                pattern = ffi.new("hil_upset_pattern_t *", [kind, width, bit, value])
                status = apply(target, pattern)
                number = int.from_bytes(before, "little")
                want = upset(number, target_len, kind, width, bit, value)
                tried += 1
                if want is None:
                    refused += 1
                    assert status == lib.HIL_ERR_ARG
                    assert bytes(target) == before
                else:
                    assert status == lib.HIL_OK
                    assert int.from_bytes(target, "little") == want
    assert 0 < refused < tried


def test_an_adjacent_upset_flips_exactly_its_width() -> None:
    for width in range(2, 65):
        for bit in range(128):
            target = bytearray(16)
            pattern = ffi.new("hil_upset_pattern_t *", [lib.UPSET_ADJACENT, width, bit, 0])
            assert apply(target, pattern) == lib.HIL_OK
            assert int.from_bytes(target, "little").bit_count() == width


def test_an_empty_target_has_no_bit_to_hit() -> None:
    window = ffi.new("hil_upset_window_t *")
    for kind in range(1, 6):
        pattern = ffi.new("hil_upset_pattern_t *", [kind, 8, 0, 0])
        assert lib.upset_window(pattern, 0, window) == lib.HIL_ERR_ARG
