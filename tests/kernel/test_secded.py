"""SECDED(72,64) against a parity-check matrix computed with numpy."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
import pytest

from hil._kernel import ffi, lib

WORDS = [0, 2**64 - 1, 0x0123456789ABCDEF, 0xDEADBEEFCAFEF00D]


def generator() -> npt.NDArray[np.int64]:
    """The (64, 8) matrix that makes check bits of data bits, from Hamming's positions 1..71."""
    positions = [p for p in range(1, 72) if p & (p - 1)]
    hamming = np.array([[p >> k & 1 for k in range(7)] for p in positions])
    overall = 1 + hamming.sum(axis=1, keepdims=True)  # the data bit and the check bits it turns
    return np.asarray(np.hstack([hamming, overall]) % 2, dtype=np.int64)


def bits(value: int, width: int) -> npt.NDArray[np.int64]:
    return np.array([value >> i & 1 for i in range(width)], dtype=np.int64)


def decode(data: int, check: int) -> tuple[int, int, int]:
    d, c = ffi.new("uint64_t *", data), ffi.new("uint8_t *", check)
    return lib.secded_decode(d, c), d[0], c[0]


def test_the_generator_has_distance_four() -> None:
    """Any one, two or three of the 72 columns are independent: the oracle is worth its name."""
    columns = np.vstack([generator(), np.eye(8, dtype=np.int64)])
    syndromes = [int(row @ (1 << np.arange(8))) for row in columns]
    assert len(set(syndromes)) == 72
    assert all(x.bit_count() % 2 == 1 for x in syndromes)  # so no three, nor one, add up to zero


def test_check_bits_equal_the_matrix_product() -> None:
    g = generator()
    rng = np.random.default_rng(1)
    singles = [1 << i for i in range(64)]
    for data in [*WORDS, *singles, *rng.integers(0, 2**64, 500, dtype=np.uint64).tolist()]:
        expected = int((bits(data, 64) @ g % 2) @ (1 << np.arange(8)))
        assert lib.secded_encode(data) == expected


@pytest.mark.parametrize("data", WORDS)
def test_all_single_errors_are_corrected_and_all_double_errors_detected(data: int) -> None:
    check = lib.secded_encode(data)
    assert decode(data, check) == (lib.SECDED_CLEAN, data, check)
    errors = [(1 << i, 0) for i in range(64)] + [(0, 1 << i) for i in range(8)]
    for d, c in errors:
        assert decode(data ^ d, check ^ c) == (lib.SECDED_CORRECTED, data, check)
    for (d1, c1), (d2, c2) in itertools.combinations(errors, 2):
        hit = (data ^ d1 ^ d2, check ^ c1 ^ c2)
        assert decode(*hit) == (lib.SECDED_UNCORRECTABLE, *hit)


def test_a_store_under_random_upsets_keeps_its_bytes_while_scrubbed() -> None:
    """One upset between two scrub passes is always healed, whatever bit of the store it hits."""
    rng = np.random.default_rng(2)
    count = 33
    words, checks = ffi.new("uint64_t[]", count), ffi.new("uint8_t[]", count)
    memory = ffi.new("hil_secded_memory_t *")
    assert lib.secded_init(memory, words, checks, count) == lib.HIL_OK
    data = rng.bytes(8 * count - 3)
    assert lib.secded_write(memory, data, len(data)) == lib.HIL_OK
    for hits in range(1, 1001):
        word, bit = int(rng.integers(count)), int(rng.integers(72))
        if bit < 64:
            words[word] ^= 1 << bit
        else:
            checks[word] ^= 1 << (bit - 64)
        assert lib.secded_scrub(memory, count) == 1
        assert memory.passes == hits
    out = ffi.new("uint8_t[]", len(data))
    assert lib.secded_read(memory, out, len(data)) == lib.HIL_OK
    assert bytes(ffi.buffer(out)) == data
    assert (memory.corrected, memory.uncorrectable) == (1000, 0)


def test_a_checkpoint_outlives_scrubbed_upsets_and_reports_damage() -> None:
    words, checks = ffi.new("uint64_t[]", 16), ffi.new("uint8_t[]", 16)
    checkpoint = ffi.new("hil_checkpoint_t *")
    region = bytes(range(60))
    out = ffi.new("uint8_t[]", 60)
    assert lib.checkpoint_init(checkpoint, words, checks, 16) == lib.HIL_OK
    assert lib.checkpoint_newest(checkpoint) == ffi.NULL
    assert lib.checkpoint_restore(ffi.NULL, out, 60) == lib.HIL_ERR_STATE
    assert lib.checkpoint_take(checkpoint, region, 60, 42) == lib.HIL_OK
    assert lib.checkpoint_take(checkpoint, bytes(65), 65, 43) == lib.HIL_ERR_EXHAUSTED
    copy = lib.checkpoint_newest(checkpoint)
    copy.memory.words[3] ^= 1 << 17
    assert lib.checkpoint_restore(copy, out, 60) == lib.HIL_OK
    assert bytes(ffi.buffer(out)) == region
    assert copy.frame == 42
    copy.memory.words[3] ^= 0b11
    ffi.memmove(out, bytes(60), 60)
    assert lib.checkpoint_restore(copy, out, 60) == lib.HIL_ERR_DAMAGED
    assert bytes(ffi.buffer(out)) == bytes(60)  # what is damaged is not written
