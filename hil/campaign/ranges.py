"""Ranges of units of a campaign: what is missing, and how it is cut up. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["Range", "missing_ranges", "pieces", "shares"]


class Range(NamedTuple):
    """The units from `first` to `end`, which is not one of them."""

    first: int
    end: int


def missing_ranges(done: Sequence[tuple[int, int]], units: int) -> list[Range]:
    """Return the ranges that are not among `done`, which are (first, count) in order."""
    missing, at = [], 0
    for first, count in done:
        if first > at:
            missing.append(Range(at, first))
        at = first + count
    if at < units:
        missing.append(Range(at, units))
    return missing


def shares(ranges: Sequence[Range], workers: int) -> list[list[Range]]:
    """Cut ranges into one share for each worker, of about equal size; each share is as contiguous
    as the ranges are."""
    total = sum(end - first for first, end in ranges)
    size = max(1, -(-total // workers))
    out: list[list[Range]] = [[] for _ in range(workers)]
    given = 0
    for first, end in ranges:
        at = first
        while at < end:
            number = given // size
            count = min(end - at, (number + 1) * size - given)
            out[number].append(Range(at, at + count))
            at, given = at + count, given + count
    return out


def pieces(ranges: Sequence[Range], size: int) -> list[Range]:
    """Cut ranges into pieces of at most `size` units."""
    return [
        Range(at, min(at + size, end)) for first, end in ranges for at in range(first, end, size)
    ]
