"""digest64 and digest_spans against PyPI's xxhash."""

from __future__ import annotations

import random

import pytest
import xxhash

from hil._kernel import ffi, lib


@pytest.mark.parametrize("seed", [0, 1, 2654435761, 2**64 - 1])
def test_every_length_equals_xxh64(seed: int) -> None:
    data = random.Random(seed).randbytes(300)
    for length in range(len(data) + 1):
        expected = xxhash.xxh64_intdigest(data[:length], seed)
        assert lib.hil_digest64(data[:length], length, seed) == expected


@pytest.mark.parametrize("length", [4096, 65_537, 1_000_003])
def test_long_data_equal_xxh64(length: int) -> None:
    data = random.Random(length).randbytes(length)
    assert lib.hil_digest64(data, length, 7) == xxhash.xxh64_intdigest(data, 7)


@pytest.mark.parametrize("length", [1, 255, 256, 257, 5000])
@pytest.mark.parametrize("span", [1, 16, 256, 4096])
def test_spans_equal_xxh64_of_their_bytes(length: int, span: int) -> None:
    data = random.Random(length * span).randbytes(length)
    expected = [xxhash.xxh64_intdigest(data[at : at + span]) for at in range(0, length, span)]
    out = ffi.new("uint64_t[]", len(expected) + 1)
    assert lib.digest_spans(data, length, span, 0, len(expected), out) == lib.HIL_OK
    assert list(out) == [*expected, 0]
    first = len(expected) // 2
    assert lib.digest_spans(data, length, span, first, 1, out) == lib.HIL_OK
    assert out[0] == expected[first]


def test_bisection_by_spans_finds_the_damaged_chunk() -> None:
    """The use the spans are made for: DIGEST_FANOUT digests a level, down to DIGEST_CHUNK bytes."""
    fanout, chunk = lib.DIGEST_FANOUT, lib.DIGEST_CHUNK
    size = chunk * fanout**3
    good = random.Random(5).randbytes(size)
    bad = bytearray(good)
    bad[123_456] ^= 0x04
    span, first = size, 0
    while span > chunk:
        span //= fanout
        first *= fanout
        out = [ffi.new("uint64_t[]", fanout) for _ in range(2)]
        for data, digests in ((good, out[0]), (bytes(bad), out[1])):
            assert lib.digest_spans(data, size, span, first, fanout, digests) == lib.HIL_OK
        differing = [i for i in range(fanout) if out[0][i] != out[1][i]]
        assert len(differing) == 1
        first += differing[0]
    assert first == 123_456 // chunk


@pytest.mark.parametrize(("span", "first", "count"), [(0, 0, 1), (10, 10, 1), (10, 9, 2)])
def test_spans_beyond_the_end_are_refused(span: int, first: int, count: int) -> None:
    out = ffi.new("uint64_t[]", [1, 1])
    assert lib.digest_spans(bytes(100), 100, span, first, count, out) == lib.HIL_ERR_ARG
    assert list(out) == [1, 1]
