"""Votes of the kernel against numpy (bits) and Counter (classes)."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from hil._kernel import ffi, lib

Bytes = npt.NDArray[np.uint8]


def pointer(array: Bytes) -> Any:
    return ffi.cast("uint8_t *", array.ctypes.data)


def majority(inputs: list[Bytes]) -> Bytes:
    ones = np.sum([np.unpackbits(x) for x in inputs], axis=0)
    return np.packbits(ones * 2 > len(inputs))


def vote(inputs: list[Bytes], out: Bytes) -> Any:
    where = ffi.new("hil_vote_bits_t *")
    pointers = ffi.new("uint8_t *[]", [pointer(x) for x in inputs])
    assert lib.vote_bitwise(pointers, len(inputs), pointer(out), out.size, where) == lib.HIL_OK
    return where


def check_where(where: Any, inputs: list[Bytes], voted: Bytes) -> None:
    mask = 0
    for i in range(lib.VOTE_MAX_NODES):
        wrong = inputs[i] ^ voted if i < len(inputs) else np.zeros_like(voted)
        places = np.flatnonzero(wrong)
        mask |= (1 << i) if places.size else 0
        assert where.first_diff[i] == (places[0] if places.size else voted.size)
        assert where.diff_bits[i] == int(np.unpackbits(wrong).sum())
    assert where.dissent_mask == mask


@pytest.mark.parametrize("n", [1, 3, 5, 7])
@pytest.mark.parametrize("length", [0, 1, 7, 8, 63, 4095, 4096, 4097, 20_001])
def test_bitwise_majority_of_unrelated_bytes_equals_numpy(n: int, length: int) -> None:
    rng = np.random.default_rng(n * 100_000 + length)
    inputs = [rng.integers(0, 256, length, dtype=np.uint8) for _ in range(n)]
    out = np.zeros(length, np.uint8)
    where = vote(inputs, out)
    expected = majority(inputs)
    assert np.array_equal(out, expected)
    check_where(where, inputs, expected)


@pytest.mark.parametrize("length", [256 * 1024 - 1, 256 * 1024, 1_000_003, 4 * 1024 * 1024])
@pytest.mark.parametrize("shift", [0, 1, 33])
def test_sparse_upsets_of_large_buffers_are_all_found(length: int, shift: int) -> None:
    rng = np.random.default_rng(length + shift)
    golden = rng.integers(0, 256, length, dtype=np.uint8)
    room = [np.zeros(length + 64, np.uint8) for _ in range(4)]
    inputs = [x[shift * (i + 1) % 64 :][:length] for i, x in enumerate(room[:3])]
    for x in inputs:
        x[:] = golden
    for i, x in enumerate(inputs):  # distinct bytes, so that the majority is the golden value
        places = rng.choice(np.arange(i, length, 3), 20, replace=False)
        x[places] ^= np.uint8(1) << rng.integers(0, 8, 20, dtype=np.uint8)
    out = room[3][shift : shift + length]
    where = ffi.new("hil_vote_bits_t *")
    a, b, c = (pointer(x) for x in inputs)
    assert lib.vote_bitwise3(a, b, c, pointer(out), length, where) == lib.HIL_OK
    assert np.array_equal(out, golden)
    check_where(where, inputs, golden)
    assert not room[3][:shift].any()
    assert not room[3][shift + length :].any()


@pytest.mark.parametrize("into", [0, 1, 2])
@pytest.mark.parametrize("length", [100, 10_000, 300_000])
def test_voting_over_an_input_gives_the_same_as_voting_beside(into: int, length: int) -> None:
    rng = np.random.default_rng(length + into)
    inputs = [rng.integers(0, 256, length, dtype=np.uint8) for _ in range(3)]
    before = [x.copy() for x in inputs]
    where = vote(inputs, inputs[into])
    expected = majority(before)
    assert np.array_equal(inputs[into], expected)
    check_where(where, before, expected)
    for i in {0, 1, 2} - {into}:
        assert np.array_equal(inputs[i], before[i])


def test_bitwise_majority_can_output_a_word_that_no_node_produced() -> None:
    inputs = [np.array([x], np.uint8) for x in (0b011, 0b101, 0b110)]
    out = np.zeros(1, np.uint8)
    where = vote(inputs, out)
    assert out[0] == 0b111
    assert where.dissent_mask == 0b111


@pytest.mark.parametrize("n", [-1, 0, 2, 4, 6, 8])
def test_bitwise_vote_of_another_number_of_nodes_is_refused(n: int) -> None:
    byte = ffi.new("uint8_t[1]")
    pointers = ffi.new("uint8_t *[]", [byte] * 8)
    where = ffi.new("hil_vote_bits_t *")
    assert lib.vote_bitwise(pointers, n, byte, 1, where) == lib.HIL_ERR_ARG


def classes(labels: list[int | None], needed: int) -> tuple[int, int, int, int]:
    """Winner, agree mask, dissent mask and number of classes; needed is the winner's least size."""
    counts = Counter(x for x in labels if x is not None)
    ranked = counts.most_common()
    if not ranked or ranked[0][1] < needed or (len(ranked) > 1 and ranked[1][1] == ranked[0][1]):
        return -1, 0, 0, len(counts)
    best = ranked[0][0]
    agree = sum(1 << i for i, x in enumerate(labels) if x == best)
    present = sum(1 << i for i, x in enumerate(labels) if x is not None)
    return labels.index(best), agree, present & ~agree, len(counts)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
def test_votes_by_class_equal_counting_for_all_labellings(n: int) -> None:
    values = [0, 1, 1 << 63, 2**64 - 1, 1 << 32]
    out = ffi.new("hil_vote_class_t *")
    tried = 0
    for labels in itertools.product([None, *range(n)], repeat=n):
        given = list(labels)
        # An absent node's digest is garbage that equals somebody's.
        digests = ffi.new("uint64_t[]", [values[x or 0] for x in given])
        mask = sum(1 << i for i, x in enumerate(given) if x is not None)
        present = mask.bit_count()
        assert lib.vote_exact(digests, n, mask, out) == lib.HIL_OK
        got = (out.winner, out.agree_mask, out.dissent_mask, out.classes)
        assert got == classes(given, present // 2 + 1)
        for quorum in range(1, n + 1):
            assert lib.vote_plurality(digests, n, mask, quorum, out) == lib.HIL_OK
            got = (out.winner, out.agree_mask, out.dissent_mask, out.classes)
            assert got == classes(given, quorum)
        tried += 1
    assert tried == (n + 1) ** n
