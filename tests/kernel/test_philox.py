"""Philox4x64-10 against numpy.random.Philox."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hil._kernel import ffi, lib

WORD = 2**64
KEYS = [(0, 0), (1, 2), (2, 1), (WORD - 1, WORD - 1), (0x0123456789ABCDEF, 0xFEDCBA9876543210)]


def start(seed: int, stream: int) -> Any:
    p = ffi.new("hil_philox_t *")
    lib.philox_init(p, seed, stream)
    return p


@pytest.mark.parametrize(("seed", "stream"), KEYS)
def test_a_stream_equals_numpy_from_its_beginning(seed: int, stream: int) -> None:
    p = start(seed, stream)
    key = np.array([seed, stream], np.uint64)
    expected = np.random.Philox(key=key, counter=0).random_raw(1001)
    assert [lib.philox_next(p) for _ in range(1001)] == expected.tolist()


@pytest.mark.parametrize("counter", [0, 1, WORD - 2, WORD**2 - 2, WORD**3 - 2, WORD**4 - 2])
def test_a_stream_equals_numpy_across_every_carry(counter: int) -> None:
    p = start(3, 4)
    for i in range(4):
        p.counter[i] = counter >> (64 * i) & (WORD - 1)
    key = np.array([3, 4], np.uint64)
    expected = np.random.Philox(key=key, counter=counter).random_raw(40)
    assert [lib.philox_next(p) for _ in range(40)] == expected.tolist()


def test_a_block_equals_numpy_with_the_counter_before_it() -> None:
    counter = [5, 6, 7, 8]
    out = ffi.new("uint64_t[4]")
    lib.philox_block(counter, [9, 10], out)
    before = sum(x << (64 * i) for i, x in enumerate(counter)) - 1
    key = np.array([9, 10], np.uint64)
    assert list(out) == np.random.Philox(key=key, counter=before).random_raw(4).tolist()


@pytest.mark.parametrize("bound", [1, 2, 3, 10, 1000, 2**32 + 1, 3 << 62, WORD - 1])
def test_below_is_multiply_and_reject_over_the_raw_words(bound: int) -> None:
    p, raw = start(11, 12), start(11, 12)
    for _ in range(2000):
        product = lib.philox_next(raw) * bound
        while product % WORD < WORD % bound:
            product = lib.philox_next(raw) * bound
        assert lib.philox_below(p, bound) == product // WORD


def test_below_zero_values_is_zero() -> None:
    assert lib.philox_below(start(1, 2), 0) == 0
