"""The vote of one frame field by field: the value of each node beside the voted one, the distance
between them, and the clusters of nodes that agree."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from hil.json_values import JsonObject, JsonValue
from hil.record.event_queries import replies_of_frame
from hil.record.queries import Rows
from hil.record.recorded_scenario import RecordedScenario
from hil.record.row_values import RecordedFrame, RecordedReply
from hil.redundancy.field_vote import FieldBallots, FieldMemory, FieldRule, members
from hil.scenario.outputs import CHOICES, OutputField, OutputRole
from hil.scenario.voter import FieldVoterConfig
from hil.views.output_values import fields_of, number_text, rules_in, value_text
from hil.views.style import plural

__all__ = [
    "FieldReader",
    "FieldValues",
    "NodeGroup",
    "NodeValue",
    "dissenting",
    "last_outputs",
    "rule_text",
]

_EXACT: Final = FieldVoterConfig()


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


class FieldReader:
    """Reads the values of frames of one record. Not thread-safe."""

    def __init__(self, scenario: RecordedScenario, names: Sequence[str]) -> None:
        self._scenario = scenario
        self._names = names
        self._rules: dict[int, Mapping[OutputField, FieldRule]] = {}
        self.fields = fields_of(scenario)

    def of_frame(self, record: Rows, row: RecordedFrame) -> tuple[FieldValues, ...]:
        """Return the fields of a frame of the record that is more than plain agreement."""
        if not self.fields:
            return ()
        outputs = last_outputs(replies_of_frame(record, row.frame))
        return self.of(outputs, row.voters, bytes(row.value or b"") if row.delivered else b"")

    def of(
        self, outputs: Mapping[int, bytes], voters: int, delivered: bytes
    ) -> tuple[FieldValues, ...]:
        """Return the fields of a frame. `outputs` are those of the nodes that answered, by index,
        and `delivered` is what left the system (empty: nothing); `voters` is the mask of nodes that
        vote. Empty if nothing is known of the fields."""
        length = max(map(len, outputs.values()), default=0)
        if not length or not self.fields:
            return ()
        rules = self._rules.get(length)
        if rules is None:
            found = {rule.field: rule for rule in rules_in(self._scenario, length)}
            rules = self._rules[length] = found
        whole = {node: output for node, output in outputs.items() if node < len(self._names)}
        return tuple(
            self._of_field(field, rules.get(field), whole, voters, delivered)
            for field in self.fields
        )

    def _of_field(
        self,
        field: OutputField,
        rule: FieldRule | None,
        outputs: Mapping[int, bytes],
        voters: int,
        delivered: bytes,
    ) -> FieldValues:
        inside = slice(field.offset, field.offset + field.length)
        parts = {node: output[inside] for node, output in outputs.items()}
        own = delivered[inside]
        if rule is None:
            masks = _alike(parts, own)
        else:
            memory = FieldMemory(own or None, 0, ((1 << 16) - 1,) * len(self._names))
            masks = list(rule.vote(FieldBallots(parts, voters), memory).clusters)
        groups = tuple(
            NodeGroup(
                tuple(
                    _node_value(self._names[node], field, outputs[node], delivered)
                    for node in members(mask)
                ),
                wins=bool(own) and index == 0,
            )
            for index, mask in enumerate(masks)
            if mask
        )
        return FieldValues(
            field,
            value_text(field, delivered, unit=False) if delivered else "",
            _numbers(field, delivered),
            "" if rule is None else rule_text(rule),
            groups,
        )


def last_outputs(replies: Iterable[RecordedReply]) -> dict[int, bytes]:
    """Return the outputs of the last execution of a frame, by which it was decided, by node."""
    known = list(replies)
    last = max((reply.execution for reply in known), default=0)
    return {r.node: bytes(r.output) for r in known if r.execution == last and r.output}


def dissenting(fields: Iterable[FieldValues]) -> list[FieldValues]:
    """Return the fields in which a node has another value than the voted one."""
    return [field for field in fields if field.differs]


def _numbers(field: OutputField, output: bytes) -> tuple[float, ...]:
    if field.role is OutputRole.BITS:
        return ()
    try:
        return field.values(output)
    except struct.error:
        return ()


def _node_value(name: str, field: OutputField, output: bytes, delivered: bytes) -> NodeValue:
    text = value_text(field, output, unit=False)
    if field.role is OutputRole.BITS:
        inside = slice(field.offset, field.offset + field.length)
        pairs = zip(output[inside], delivered[inside], strict=False)
        bits = sum((a ^ b).bit_count() for a, b in pairs)
        return NodeValue(name, text, distance=bits if delivered else None)
    numbers, voted = _numbers(field, output), _numbers(field, delivered)
    if not numbers or not voted:
        return NodeValue(name, text, numbers)
    inside = slice(field.offset, field.offset + field.length)
    apart = FieldRule(field, _EXACT).distances(output[inside], delivered[inside])
    farthest = max(apart)
    distance = farthest if isinstance(farthest, int) or math.isfinite(farthest) else None
    return NodeValue(name, text, numbers, distance, apart.index(farthest))


def _alike(parts: Mapping[int, bytes], delivered: bytes) -> list[int]:
    groups: dict[bytes, int] = {}
    for node, part in parts.items():
        groups[part] = groups.get(part, 0) | 1 << node
    return [mask for _, mask in sorted(groups.items(), key=lambda g: (g[0] != delivered, g[1]))]


def rule_text(rule: FieldRule) -> str:
    """Return the rule of a field in words: `mid value, tolerance 0.001 rad/s`."""
    text = rule.config.kind.replace("_", " ")
    if rule.config.tolerance:
        text += f", tolerance {number_text(rule.config.tolerance)} {rule.field.unit}".rstrip()
    return text
