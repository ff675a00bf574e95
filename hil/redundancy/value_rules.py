"""The rules of voters: which value of a field follows from those of the nodes. Pure.

n: the voters that were heard. A voter whose bytes are missing has no value, and counts in n.

    voter               delivered                                   decided if
    exact               the bytes of more than half                 there are such bytes
    bitwise             each bit that more than half have           no bit is tied
    plurality           the mid-value of the largest cluster        it is the only one of its size
                                                                    and has `quorum` members
    tolerance           the mid-value of the winning cluster        it has more than half of n
    mid_value           the mid-value of all, number by number      more than half of n have a
                                                                    number; if two, they agree
    generalised_median  what is left when the two values that       more than half of n are finite;
                        are farthest apart are put aside, again     if two, they agree
                        and again
    history             the mean of the values that agree with      as mid_value
                        the mid-value, weighted by records
    smoothing           as tolerance; else the value nearest to     it is within `reach`, or the
                        the last delivered one; else the last one   last has been held for less
                                                                    than `hold_frames`
    held_mean           the mean of the first two voters; the       two voters have values
                        last one for `hold_frames` frames from
                        when one of the two does not agree with
                        the mid-value; then once the mean as it is

    Identical bytes of all n voters are delivered as they are, by every voter.
    A node agrees if its bytes are the delivered ones (exact, bitwise), if it agrees with all
    members of the winning cluster (plurality, tolerance, smoothing), with the delivered value, or
    with the mid-value (history, held_mean). All others dissent.

    mid-value    of an odd number of values the middle one, of an even number the lower one of the
                 two in the middle: it is always the number of a node
    NaN          is no number, and outside of their order; if more than half are NaN, the output is
                 the NaN of positive sign without a payload
    infinities   are numbers at the ends of the order, and no periodic ones; no mean is made of them
    -0.0         is +0.0, and is delivered as that
    periodic     the circle is cut in its largest gap (of several the one behind the lowest angle),
                 and the values are ordered from there: the middle is right as long as those of the
                 correct nodes lie in an arc shorter than the period / (faulty nodes + 2)
    record       the last RECORD_FRAMES frames in which the node was heard; its weight is the number
                 of those in which it agreed, and 0 if that is below the average of the voters
    integers     a mean is rounded to the nearest, ties to even

The flight control computers of an Airbus A330 took the angle of attack as `held_mean` does in 2008,
with a hold of 1.2 s (ATSB, AO-2008-070): a spike that is there when the hold ends is let through.
It is here to be compared with, not as advice."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

from hil.redundancy.agreement import Metric, Value, largest_clusters, members, order_key
from hil.scenario.voter import FieldVoterConfig, VoterName

__all__ = ["RECORD_FRAMES", "VALUE_RULES", "Choice", "Situation", "bitwise", "majority"]

RECORD_FRAMES: Final = 16
"""[frame] The length of a node's record of agreement."""

_NAN: Final = math.nan


@dataclass(frozen=True, slots=True)
class Choice:
    """The numbers that are delivered, and the values with all of which a node must agree. `held`:
    for how many consecutive frames these are the last ones again."""

    numbers: Value
    anchors: tuple[Value, ...]
    held: int = 0


@dataclass(frozen=True, slots=True)
class Situation:
    """The knowledge of a rule besides the values: its metric and `config`; `heard`, the number of
    voters; `reach`, the metric of what is near the `last` delivered value (None before the first),
    which has been held for `held` frames; and the record of each node, a bit per frame."""

    metric: Metric
    config: FieldVoterConfig
    heard: int
    reach: Metric
    last: Value | None
    held: int
    records: tuple[int, ...]


def majority(parts: Mapping[int, bytes], heard: int) -> bytes | None:
    """Return the bytes that more than half of the `heard` voters have; None without."""
    for part, count in Counter(parts.values()).items():
        if 2 * count > heard:
            return part
    return None


def bitwise(parts: Mapping[int, bytes], heard: int) -> bytes | None:
    """Return the majority of each bit of the bytes of more than half of the `heard` voters; None if
    a bit is tied, or there are too few."""
    if 2 * len(parts) <= heard:
        return None
    voted = 0
    numbers = [int.from_bytes(part, "little") for part in parts.values()]
    length = max(map(len, parts.values()))
    for bit in range(8 * length):
        ones = sum(number >> bit & 1 for number in numbers)
        if 2 * ones == len(numbers):
            return None
        voted |= (2 * ones > len(numbers)) << bit
    return voted.to_bytes(length, "little")


def _middle(metric: Metric, numbers: list[float]) -> float:
    """Return the mid-value of numbers without NaN."""
    if not metric.period:
        return sorted(numbers)[(len(numbers) - 1) // 2]
    around = sorted((x % metric.period if math.isfinite(x) else x, x) for x in numbers)
    after = [*around[1:], (around[0][0] + metric.period, 0.0)]
    gaps = [end[0] - start[0] for start, end in zip(around, after, strict=True)]
    widest = gaps.index(max(gaps))
    in_order = [*around[widest + 1 :], *around[: widest + 1]]
    return in_order[(len(in_order) - 1) // 2][1]


def _mid_value(metric: Metric, values: list[Value], heard: int) -> Value | None:
    """Return the mid-value number by number; None if one of them is undecided."""
    out: list[float] = []
    for column in zip(*values, strict=True):
        numbers = [x for x in column if math.isfinite(x) or not (metric.period or math.isnan(x))]
        if 2 * (len(column) - len(numbers)) > heard:
            out.append(_NAN)
            continue
        if 2 * len(numbers) <= heard:
            return None
        if len(numbers) == 2 and not metric.agree((numbers[0],), (numbers[1],)):
            return None
        out.append(_middle(metric, numbers))
    return tuple(out) if values else None


def _of_all(now: Situation, values: Mapping[int, Value]) -> Value | None:
    return _mid_value(now.metric, list(values.values()), now.heard)


def _by_mid_value(now: Situation, values: Mapping[int, Value]) -> Choice | None:
    middle = _of_all(now, values)
    return None if middle is None else Choice(middle, (middle,))


def _cluster(now: Situation, values: Mapping[int, Value], least: int) -> Choice | None:
    """Return the choice of the winning cluster if it has at least `least` members."""
    best = largest_clusters(values, now.metric)
    if not best or best[0].bit_count() < least:
        return None
    inside = [values[node] for node in members(best[0])]
    middle = tuple(
        _NAN if math.isnan(column[0]) else _middle(now.metric, list(column))
        for column in zip(*inside, strict=True)
    )
    return Choice(middle, tuple(inside))


def _by_tolerance(now: Situation, values: Mapping[int, Value]) -> Choice | None:
    return _cluster(now, values, now.heard // 2 + 1)


def _by_plurality(now: Situation, values: Mapping[int, Value]) -> Choice | None:
    if len(largest_clusters(values, now.metric)) != 1:
        return None
    return _cluster(now, values, min(now.config.quorum, now.heard))


def _by_median(now: Situation, values: Mapping[int, Value]) -> Choice | None:
    metric = now.metric
    left = sorted((v for v in values.values() if all(map(math.isfinite, v))), key=order_key)
    if 2 * len(left) <= now.heard or (len(left) == 2 and not metric.agree(*left)):
        return None
    while len(left) > 2:
        pairs = [(a, b) for b in range(len(left)) for a in range(b)]
        a, b = max(pairs, key=lambda pair: metric.length(left[pair[0]], left[pair[1]]))
        left = [value for index, value in enumerate(left) if index not in (a, b)]
    return Choice(left[0], (left[0],))


def _by_history(now: Situation, values: Mapping[int, Value]) -> Choice | None:
    middle = _of_all(now, values)
    if middle is None:
        return None
    weights = {node: now.records[node].bit_count() for node in values}
    total = sum(weights.values())
    near = {
        node: value
        for node, value in values.items()
        if now.metric.agree(value, middle) and weights[node] * len(weights) >= total
    }
    weights = {node: weights[node] for node in near}
    if not sum(weights.values()):
        return Choice(middle, (middle,))
    mean = tuple(
        _mean(now.metric, number, {node: near[node][place] for node in near}, weights)
        for place, number in enumerate(middle)
    )
    return Choice(mean, (middle,))


def _mean(
    metric: Metric, middle: float, numbers: Mapping[int, float], weights: Mapping[int, int]
) -> float:
    """Return the weighted mean of numbers near `middle`: between the least and the greatest."""
    if not math.isfinite(middle):
        return middle
    offsets = {node: metric.difference(number, middle) for node, number in numbers.items()}
    total = sum(weights.values())
    if not metric.significant_bits:
        sums = sum(weights[node] * int(offset) for node, offset in offsets.items())
        return int(middle) + round(Fraction(sums, total))
    mean = middle + sum(weights[node] * offset for node, offset in offsets.items()) / total
    if metric.period:
        return mean
    return min(max(mean, min(numbers.values())), max(numbers.values()))


def _by_smoothing(now: Situation, values: Mapping[int, Value]) -> Choice | None:
    cluster = _cluster(now, values, now.heard // 2 + 1)
    last = now.last
    if cluster is not None or last is None:
        return cluster
    nearest = min(
        values.values(), key=lambda v: (now.metric.spread(v, last), order_key(v)), default=None
    )
    if nearest is not None and now.reach.agree(nearest, last):
        return Choice(nearest, (nearest,))
    return _hold(now)


def _hold(now: Situation) -> Choice | None:
    if now.last is None or now.held >= now.config.hold_frames:
        return None
    return Choice(now.last, (now.last,), now.held + 1)


def _by_held_mean(now: Situation, values: Mapping[int, Value]) -> Choice | None:
    if len(values) < min(2, now.heard) or not values:
        return None
    pair = [values[node] for node in sorted(values)[:2]]
    middle = _of_all(now, values)
    mean = tuple(_plain_mean(now.metric, numbers) for numbers in zip(*pair, strict=True))
    anchors = (mean if middle is None else middle,)
    if not now.held and middle is not None:
        if all(now.metric.agree(value, middle) for value in pair):
            return Choice(mean, anchors)
    held = _hold(now)
    return Choice(mean, anchors) if held is None else replace(held, anchors=anchors)


def _plain_mean(metric: Metric, numbers: tuple[float, ...]) -> float:
    first, last = numbers[0], numbers[-1]
    offset = metric.difference(last, first)
    if not math.isfinite(offset):
        return first + last
    if not metric.significant_bits:
        return int(first) + round(Fraction(int(offset), 2))
    return first + offset / 2


VALUE_RULES: Final[
    Mapping[VoterName, Callable[[Situation, Mapping[int, Value]], Choice | None]]
] = {
    VoterName.PLURALITY: _by_plurality,
    VoterName.TOLERANCE: _by_tolerance,
    VoterName.MID_VALUE: _by_mid_value,
    VoterName.GENERALISED_MEDIAN: _by_median,
    VoterName.HISTORY: _by_history,
    VoterName.SMOOTHING: _by_smoothing,
    VoterName.HELD_MEAN: _by_held_mean,
}
"""The rules of voters by value; None: undecided."""
