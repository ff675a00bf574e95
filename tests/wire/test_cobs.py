"""COBS against PyPI `cobs`, an independent implementation."""

from __future__ import annotations

import random

import pytest
from cobs import cobs

from hil._kernel import ffi, lib

# Lengths at which a block begins or ends, and their neighbours.
BOUNDARIES = sorted({max(0, 254 * k + d) for k in range(6) for d in range(-3, 4)})
GUARD = 0xAA


def c_encode(data: bytes, cap: int | None = None) -> bytes | int:
    """The encoding, or the status if it failed. The byte behind the buffer must stay as it is."""
    cap = lib.cobs_max(len(data)) if cap is None else cap
    out, n = ffi.new("uint8_t[]", bytes([GUARD]) * (cap + 1)), ffi.new("size_t *")
    status = lib.cobs_encode(data, len(data), out, cap, n)
    assert out[cap] == GUARD
    return bytes(ffi.buffer(out, n[0])) if status == lib.HIL_OK else int(status)


def c_decode(data: bytes, cap: int | None = None) -> bytes | int:
    """As c_encode, decoding; out of place, and in place with the same result."""
    cap = len(data) if cap is None else cap
    out, n = ffi.new("uint8_t[]", bytes([GUARD]) * (cap + 1)), ffi.new("size_t *")
    status = lib.cobs_decode(data, len(data), out, cap, n)
    assert out[cap] == GUARD
    result = bytes(ffi.buffer(out, n[0])) if status == lib.HIL_OK else int(status)

    place = ffi.new("uint8_t[]", max(1, len(data)))
    ffi.memmove(place, data, len(data))
    assert lib.cobs_decode(place, len(data), place, cap, n) == status
    if status == lib.HIL_OK:
        assert bytes(ffi.buffer(place, n[0])) == result
    return result


def some_bytes(rng: random.Random, length: int, zero_share: float) -> bytes:
    return bytes(0 if rng.random() < zero_share else rng.randint(1, 255) for _ in range(length))


@pytest.mark.parametrize("zero_share", [0.0, 0.001, 0.01, 0.1, 0.5, 0.9, 1.0])
def test_lengths_round_block_boundaries_encode_as_pypi_cobs_does(zero_share: float) -> None:
    rng = random.Random(int(1000 * zero_share))
    for length in BOUNDARIES:
        for _ in range(4):
            data = some_bytes(rng, length, zero_share)
            coded = cobs.encode(data)
            assert c_encode(data) == coded
            assert c_encode(data, len(coded)) == coded
            assert c_decode(coded, len(data)) == data


def test_random_lengths_and_densities_encode_as_pypi_cobs_does() -> None:
    rng = random.Random(3)
    for _ in range(1500):
        data = some_bytes(rng, rng.randint(0, 1300), 2 ** -rng.uniform(0, 10))
        coded = cobs.encode(data)
        assert c_encode(data) == coded
        assert c_decode(coded) == data


def test_one_zero_at_each_place_of_two_blocks_encodes_as_pypi_cobs_does() -> None:
    for at in range(510):
        data = bytearray(b"\x77" * 510)
        data[at] = 0
        coded = cobs.encode(bytes(data))
        assert c_encode(bytes(data)) == coded
        assert c_decode(coded) == bytes(data)


def test_what_pypi_cobs_refuses_is_refused_and_what_it_accepts_is_accepted() -> None:
    rng = random.Random(4)
    refused = 0
    for _ in range(4000):
        data = bytes(rng.choice([0, 1, 2, 3, 5, 9, 255]) for _ in range(rng.randint(0, 12)))
        try:
            want: bytes | int = cobs.decode(data)
        except cobs.DecodeError:
            want = int(lib.HIL_ERR_PAYLOAD)
            refused += 1
        assert c_decode(data) == want
    assert 500 < refused < 3900


def test_one_byte_too_little_room_is_exhausted() -> None:
    rng = random.Random(5)
    for length in BOUNDARIES[1:]:
        data = some_bytes(rng, length, 0.01)
        coded = cobs.encode(data)
        assert c_encode(data, len(coded) - 1) == lib.HIL_ERR_EXHAUSTED
        if data:
            assert c_decode(coded, len(data) - 1) == lib.HIL_ERR_EXHAUSTED
