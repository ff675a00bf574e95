"""Arrays in pages."""

from __future__ import annotations

import base64
import zlib

import pytest

from hil.report.packed import packed, unpacked


@pytest.mark.parametrize("differences", [False, True])
@pytest.mark.parametrize(
    "numbers", [[], [0], [7, 3, 3, 2**32 - 1, 0, 65536], list(range(0, 100_000, 7))]
)
def test_numbers_come_back_as_they_were(numbers: list[int], differences: bool) -> None:
    text = packed(numbers, differences=differences)
    assert unpacked(text, differences=differences).tolist() == numbers


def test_the_lowest_bytes_stand_first() -> None:
    """What the page's script relies on."""
    content = zlib.decompress(base64.b64decode(packed([0x04030201, 0x08070605])))
    assert list(content) == [1, 5, 2, 6, 3, 7, 4, 8]


@pytest.mark.parametrize("numbers", [[-1], [2**32]])
def test_a_number_that_does_not_fit_is_refused(numbers: list[int]) -> None:
    with pytest.raises(ValueError, match="32 bits"):
        packed(numbers)
