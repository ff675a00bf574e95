"""Ranges of experiments are cut without a gap and without an overlap."""

from __future__ import annotations

import random
from collections.abc import Iterable

from hil.campaign.ranges import Range, missing_ranges, pieces, shares


def units_of(ranges: Iterable[Range]) -> list[int]:
    return [unit for first, end in ranges for unit in range(first, end)]


def some_ranges(rng: random.Random) -> list[Range]:
    cuts = sorted(rng.sample(range(200), 2 * rng.randrange(1, 6)))
    return [Range(a, b) for a, b in zip(cuts[::2], cuts[1::2], strict=True)]


def test_missing_ranges() -> None:
    assert missing_ranges([], 5) == [(0, 5)]
    assert missing_ranges([(0, 2), (2, 3)], 5) == []
    assert missing_ranges([(1, 2), (4, 1)], 6) == [(0, 1), (3, 4), (5, 6)]


def test_shares_have_every_unit_once_and_are_of_equal_size() -> None:
    rng = random.Random(1)
    for _ in range(200):
        ranges, workers = some_ranges(rng), rng.randrange(1, 9)
        cut = shares(ranges, workers)
        assert len(cut) == workers
        assert units_of(part for share in cut for part in share) == units_of(ranges)
        sizes = [len(units_of(share)) for share in cut]
        assert max(sizes) == -(-sum(sizes) // workers)


def test_pieces_have_every_unit_once_and_at_most_their_size() -> None:
    rng = random.Random(2)
    for _ in range(200):
        ranges, size = some_ranges(rng), rng.randrange(1, 50)
        cut = pieces(ranges, size)
        assert units_of(cut) == units_of(ranges)
        assert all(0 < end - first <= size for first, end in cut)
