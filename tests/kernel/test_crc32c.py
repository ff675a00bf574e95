"""crc32c against Google's implementation."""

from __future__ import annotations

import random

import google_crc32c
import pytest

from hil._kernel import lib


@pytest.mark.parametrize("start", [*range(8)])
def test_every_length_equals_google_crc32c(start: int) -> None:
    data = random.Random(start).randbytes(start + 3 * 800)
    for length in [*range(100), *range(700, 800), 1535, 1536, 1537, 2399, 2400]:
        part = data[start : start + length]
        assert lib.hil_crc32c(0, part, length) == google_crc32c.value(part)


def test_a_megabyte_equals_google_crc32c() -> None:
    data = random.Random(1).randbytes(1_000_003)
    assert lib.hil_crc32c(0, data, len(data)) == google_crc32c.value(data)


def test_pieces_cut_at_random_continue_to_the_same_value() -> None:
    rng = random.Random(2)
    data = rng.randbytes(10_000)
    for _ in range(50):
        cuts = sorted(rng.randrange(len(data)) for _ in range(5))
        crc = 0
        for begin, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
            crc = lib.hil_crc32c(crc, data[begin:end], end - begin)
        assert crc == google_crc32c.value(data)
