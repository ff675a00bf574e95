"""The vote of one frame field by field: the value of each node beside the voted one, the distance
between them, and the clusters of nodes that agree."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from hil.record.event_queries import replies_of_frame
from hil.record.queries import Rows
from hil.record.recorded_scenario import RecordedScenario
from hil.record.row_values import RecordedFrame, RecordedReply
from hil.redundancy.field_vote import FieldBallots, FieldMemory, FieldRule, members
from hil.scenario.outputs import OutputField, OutputRole
from hil.scenario.voter import FieldVoterConfig
from hil.views.checked_fields import checked_fields
from hil.views.checker_results import has_checkers
from hil.views.field_parts import FieldValues, NodeGroup, NodeValue, numbers_of
from hil.views.output_values import fields_of, number_text, rules_in, value_text

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
        if self._scenario.checkers is not None and has_checkers(self._scenario.scheme):
            return checked_fields(
                self._scenario.checkers, self.fields, self._names, outputs, delivered
            )
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
            numbers_of(field, delivered),
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


def _node_value(name: str, field: OutputField, output: bytes, delivered: bytes) -> NodeValue:
    text = value_text(field, output, unit=False)
    if field.role is OutputRole.BITS:
        inside = slice(field.offset, field.offset + field.length)
        pairs = zip(output[inside], delivered[inside], strict=False)
        bits = sum((a ^ b).bit_count() for a, b in pairs)
        return NodeValue(name, text, distance=bits if delivered else None)
    numbers, voted = numbers_of(field, output), numbers_of(field, delivered)
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
