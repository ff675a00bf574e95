"""The values of one field of a frame: of each node, in clusters, beside the voted one."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hil.json_values import JsonObject, JsonValue
from hil.scenario.outputs import CHOICES, OutputField, OutputRole
from hil.views.style import plural

__all__ = ["FieldValues", "NodeGroup", "NodeValue", "numbers_of"]


@dataclass(frozen=True, slots=True)
class NodeValue:
    """The value of a field of one node, as text without its unit, and as numbers (empty for a field
    of bits). `distance`: of its number that is farthest from the voted one, in the field's unit, or
    the number of bits that differ; None without a voted value, or if numbers are not finite.
    `place`: the index of that number."""

    node: str
    value: str
    numbers: tuple[float, ...] = ()
    distance: float | None = None
    place: int = 0


@dataclass(frozen=True, slots=True)
class NodeGroup:
    """The nodes that agree with each other in a field, with the value of each; `wins`: theirs was
    delivered."""

    members: tuple[NodeValue, ...]
    wins: bool

    @property
    def nodes(self) -> tuple[str, ...]:
        """Return the names of its nodes."""
        return tuple(member.node for member in self.members)

    @property
    def values(self) -> tuple[str, ...]:
        """Return the values of its nodes as text, in their order."""
        return tuple(member.value for member in self.members)


@dataclass(frozen=True, slots=True)
class FieldValues:
    """One field in a frame: the field, the delivered value as text without its unit and as numbers
    (empty: none), the rule by which it was decided (empty: exact majority), and the voters in
    clusters, the one that agreed first."""

    field: OutputField
    delivered: str
    numbers: tuple[float, ...]
    rule: str
    groups: tuple[NodeGroup, ...]

    @property
    def name(self) -> str:
        """Return the name of the field."""
        return self.field.name

    @property
    def unit(self) -> str:
        """Return its unit; empty for plain numbers."""
        return self.field.unit

    @property
    def differs(self) -> bool:
        """Return whether a node has another value than the voted one, be it within a tolerance."""
        apart = any(value.distance for group in self.groups for value in group.members)
        return apart or len(self.groups) > 1

    def distance_text(self, value: NodeValue) -> str:
        """Return the distance of a value from the voted one with its unit: `off by 0.25 rad/s in
        [1]`; empty for the voted value itself, for a choice, and if it is not known."""
        if not value.distance or self.field.role in CHOICES:
            return ""
        if self.field.role is OutputRole.BITS:
            return f"{plural(round(value.distance), 'bit')} off"
        place = f" in [{value.place}]" if self.field.count > 1 else ""
        return f"off by {value.distance:.3g} {self.unit}".rstrip() + place

    def by_node(self) -> Iterator[tuple[int, NodeGroup, NodeValue]]:
        """Yield each node with the number of its cluster, from 1, in the order of the nodes."""
        listed = [
            (number, group, value)
            for number, group in enumerate(self.groups, 1)
            for value in group.members
        ]
        yield from sorted(listed, key=lambda row: row[2].node)

    def as_json(self) -> JsonObject:
        """Return the field as JSON; numbers that JSON does not have are texts."""
        return {
            "field": self.name,
            "type": self.field.type,
            "unit": self.unit,
            "rule": self.rule or "exact",
            "voted": _json(self.numbers, self.delivered),
            "nodes": [
                {
                    "node": value.node,
                    "value": _json(value.numbers, value.value),
                    "difference": None if value.distance is None else _number(value.distance),
                    "cluster": number,
                    "agrees": group.wins,
                }
                for number, group, value in self.by_node()
            ],
        }


def _json(numbers: Sequence[float], text: str) -> JsonValue:
    if numbers:
        return [_number(number) for number in numbers]
    return text or None


def _number(number: float) -> JsonValue:
    return number if isinstance(number, int) or math.isfinite(number) else str(number)


def numbers_of(field: OutputField, output: bytes) -> tuple[float, ...]:
    """Return the numbers of a field in an output; none if its bits have no order, or the output is
    too short."""
    if field.role is OutputRole.BITS:
        return ()
    try:
        return field.values(output)
    except struct.error:
        return ()
