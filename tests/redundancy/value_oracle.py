"""An independent oracle of the rules of voters by value, for one number of each node.

It shares no code with hil: clusters by trying all subsets, medians by the standard library, means
by fractions. A value is a float; None: the bytes of the node are missing."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from itertools import combinations

Value = float | None
UNDECIDED = "undecided"


def agree(a: float, b: float, tolerance: float) -> bool:
    """Exact in rational numbers: the tests use values without rounding."""
    if math.isnan(a) or math.isnan(b):
        return math.isnan(a) and math.isnan(b)
    if math.isinf(a) or math.isinf(b):
        return a == b
    return abs(Fraction(a) - Fraction(b)) <= Fraction(tolerance)


def known(values: Sequence[Value]) -> list[float]:
    return [v for v in values if v is not None]


def largest_clusters(values: Sequence[Value], tolerance: float) -> list[tuple[int, ...]]:
    """All largest sets of nodes whose values agree pair by pair, found by trying every set."""
    nodes = [i for i, v in enumerate(values) if v is not None]
    for size in range(len(nodes), 0, -1):
        found = [
            group
            for group in combinations(nodes, size)
            if all(
                agree(values[a] or 0.0, values[b] or 0.0, tolerance)
                for a, b in combinations(group, 2)
            )
        ]
        if found:
            return found
    return []


def winner(values: Sequence[Value], tolerance: float) -> list[float]:
    """The members of the winning cluster: of the largest ones that with the least spread, then the
    lowest."""
    groups = [
        sorted(known([values[i] for i in g]), key=lambda v: (math.isnan(v), v))
        for g in largest_clusters(values, tolerance)
    ]
    if not groups:
        return []
    width = {
        tuple(map(str, g)): 0.0 if g[0] == g[-1] or math.isnan(g[0]) else g[-1] - g[0]
        for g in groups
    }
    return min(groups, key=lambda g: (width[tuple(map(str, g))], [(math.isnan(v), v) for v in g]))


def mid_value(values: Sequence[Value], tolerance: float) -> float | str:
    n = len(values)
    numbers = [v for v in known(values) if not math.isnan(v)]
    if 2 * sum(math.isnan(v) for v in known(values)) > n:
        return math.nan
    if 2 * len(numbers) <= n:
        return UNDECIDED
    if len(numbers) == 2 and not agree(numbers[0], numbers[1], tolerance):
        return UNDECIDED
    return statistics.median_low(numbers)


def generalised_median(values: Sequence[Value], tolerance: float) -> float | str:
    """Of single numbers the two that are farthest apart are the least and the greatest."""
    finite = sorted(v for v in known(values) if math.isfinite(v))
    if 2 * len(finite) <= len(values):
        return UNDECIDED
    if len(finite) == 2 and not agree(finite[0], finite[1], tolerance):
        return UNDECIDED
    while len(finite) > 2:
        finite = finite[1:-1]
    return finite[0]


def tolerance_majority(values: Sequence[Value], tolerance: float) -> float | str:
    members = winner(values, tolerance)
    return statistics.median_low(members) if 2 * len(members) > len(values) else UNDECIDED


def plurality(values: Sequence[Value], tolerance: float) -> float | str:
    groups = largest_clusters(values, tolerance)
    if len(groups) != 1 or len(groups[0]) < min(2, len(values)):
        return UNDECIDED
    return statistics.median_low(winner(values, tolerance))


def exact(values: Sequence[Value], tolerance: float) -> float | str:
    """Of bytes: +0.0 and -0.0 differ, and all NaN here have the same bits."""
    del tolerance
    counts = Counter(v.hex() for v in known(values))
    if counts and 2 * counts.most_common(1)[0][1] > len(values):
        word = counts.most_common(1)[0][0]
        return next(v for v in known(values) if v.hex() == word)
    return UNDECIDED


def history(values: Sequence[Value], tolerance: float) -> float | str:
    """With records that are all the same: the mean of what agrees with the mid-value."""
    middle = mid_value(values, tolerance)
    if isinstance(middle, str) or not math.isfinite(middle):
        return middle
    near = [Fraction(v) for v in known(values) if agree(v, middle, tolerance)]
    return float(sum(near) / len(near))


def smoothing(values: Sequence[Value], tolerance: float, last: float, reach: float) -> float | str:
    majority = tolerance_majority(values, tolerance)
    finite = [v for v in known(values) if math.isfinite(v)]
    if majority != UNDECIDED or not finite:
        return majority
    nearest = min(finite, key=lambda v: (abs(Fraction(v) - Fraction(last)), v))
    return nearest if agree(nearest, last, reach) else UNDECIDED


def held_mean(values: Sequence[Value], tolerance: float, last: float) -> float | str:
    """While the hold lasts: the last value where one of the first two is off the mid-value."""
    pair = known(values)[:2]
    if len(pair) < min(2, len(values)):
        return UNDECIDED
    middle = mid_value(values, tolerance)
    if isinstance(middle, str) or not all(agree(v, middle, tolerance) for v in pair):
        return last
    if not all(map(math.isfinite, pair)):
        return pair[0] + pair[-1]
    return float((Fraction(pair[0]) + Fraction(pair[-1])) / 2)
