"""Agreement of values within a tolerance, and clusters of values that agree. Pure.

A value is the tuple of the numbers of one field of one node, as they are stored. Agreement is not
transitive: with a tolerance of 1, 0 agrees with 0.9 and 0.9 with 1.8, but 0 does not with 1.8. The
clustering rule is therefore part of the result:

    A cluster is a set of values of which each agrees with each (complete linkage), as large as
    possible. Of several largest ones, the one with the least spread wins; of those, the one with
    the lower values. The rest is clustered again in the same way. The order of the nodes has no
    influence.

    numbers          they agree if
    floating point   |a - b| <= tolerance + one unit in the last place of the larger one: within a
                     tolerance of 0.0005 are 0.1813 and 0.1818, whose difference in binary is a
                     little more; with a tolerance of 0 they must be equal
    integers         |a - b| <= tolerance, exactly; without the bits that `ignore_bits` names
    NaN              agrees with NaN, of any bits, and with nothing else
    infinities       each agrees with itself only
    -0.0             is +0.0
    periodic         the difference is taken the short way round: 359 and 1 degrees differ by 2

The literature calls the majority of such clusters the formalised majority voter (Lorczak, Caglayan
and Eckhardt, FTCS-19, 1989); which clusters are meant differs between its implementations."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

__all__ = ["Metric", "Value", "clusters", "largest_clusters", "members", "order_key"]

Value = tuple[float, ...]
"""The numbers of a field of one node."""

_INF: Final = math.inf


@dataclass(frozen=True, slots=True)
class Metric:
    """The distance of numbers of one field, and the `tolerance` within which they agree. `period`:
    0 without one. Both are in the numbers' own unit, that of their last bit for fixed-point
    numbers. `significant_bits` of a floating-point number, 0 for integers."""

    tolerance: float = 0.0
    period: float = 0.0
    significant_bits: int = 0

    def difference(self, a: float, b: float) -> float:
        """Return a - b, the short way round; NaN for different infinities or NaN."""
        delta = a - b
        if not self.period or not math.isfinite(delta):
            return delta
        around = math.fmod(delta, self.period) if self.significant_bits else delta % self.period
        if around > self.period / 2:
            around -= self.period
        elif around < -self.period / 2:
            around += self.period
        return around

    def apart(self, a: float, b: float) -> float:
        """Return the distance of two numbers: 0 for equal ones and for two NaN, infinity between
        NaN or an infinity and anything else."""
        if a == b or (math.isnan(a) and math.isnan(b)):
            return 0.0
        distance = abs(self.difference(a, b))
        return _INF if math.isnan(distance) else distance

    def agree(self, a: Value, b: Value) -> bool:
        """Return whether all numbers of two values agree."""
        return all(map(self._agree, a, b))

    def _agree(self, a: float, b: float) -> bool:
        distance = self.apart(a, b)
        if distance <= self.tolerance:
            return True
        if not self.tolerance or not self.significant_bits or distance == _INF:
            return False
        last_place = max(abs(a), abs(b)) * 2.0 ** (1 - self.significant_bits)
        return distance <= self.tolerance + last_place

    def spread(self, a: Value, b: Value) -> float:
        """Return the largest distance of any two numbers of two values at the same place."""
        return max(map(self.apart, a, b), default=0.0)

    def length(self, a: Value, b: Value) -> float:
        """Return the Euclidean distance of two values."""
        return math.hypot(*map(self.apart, a, b))


def order_key(value: Value) -> tuple[tuple[bool, float], ...]:
    """Return a key that orders values by their numbers, NaN last."""
    return tuple((True, 0.0) if math.isnan(number) else (False, number) for number in value)


def members(mask: int) -> list[int]:
    """Return the positions of the bits that are set in a mask of nodes."""
    return [node for node in range(mask.bit_length()) if mask >> node & 1]


def largest_clusters(values: Mapping[int, Value], metric: Metric) -> list[int]:
    """Return the largest clusters of the values of some nodes, as masks, the winning one first;
    none without values."""
    nodes = list(values)
    agrees = {
        a: sum(1 << b for b in nodes if a == b or metric.agree(values[a], values[b])) for a in nodes
    }
    best: list[int] = []
    size = 1
    for mask in _subsets(nodes):
        count = mask.bit_count()
        if count < size or any(mask & ~agrees[node] for node in members(mask)):
            continue
        best = [*best, mask] if count == size else [mask]
        size = count

    def rank(mask: int) -> tuple[float, list[tuple[tuple[bool, float], ...]]]:
        inside = [values[node] for node in members(mask)]
        spread = max((metric.spread(a, b) for a in inside for b in inside), default=0.0)
        return spread, sorted(map(order_key, inside))

    return sorted(best, key=rank)


def clusters(values: Mapping[int, Value], metric: Metric) -> list[int]:
    """Return all clusters, as masks: the winning one, then those of the nodes that are left."""
    out: list[int] = []
    left = dict(values)
    while left:
        best = largest_clusters(left, metric)[0]
        out.append(best)
        left = {node: value for node, value in left.items() if not best >> node & 1}
    return out


def _subsets(nodes: Sequence[int]) -> list[int]:
    """Return the masks of all subsets of `nodes` but the empty one."""
    masks = [0]
    for node in nodes:
        masks += [mask | 1 << node for mask in masks]
    return masks[1:]
