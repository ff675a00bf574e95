"""The vote of one frame field by field: the values of the nodes, and who agreed on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hil.record.recorded_scenario import RecordedScenario
from hil.redundancy.agreement import members
from hil.redundancy.field_vote import FieldBallots, FieldMemory, FieldRule
from hil.scenario.outputs import OutputField
from hil.views.output_values import fields_of, number_text, rules_in, value_text

__all__ = ["FieldValues", "NodeGroup", "field_values"]


@dataclass(frozen=True, slots=True)
class NodeGroup:
    """The nodes that agree with each other in a field, with the value of each; `wins`: theirs was
    delivered."""

    nodes: tuple[str, ...]
    values: tuple[str, ...]
    wins: bool


@dataclass(frozen=True, slots=True)
class FieldValues:
    """One field in a frame: its name and unit, the delivered value (empty: none), the rule by which
    it was decided, and the voters in groups, the one that agreed first."""

    name: str
    unit: str
    delivered: str
    rule: str
    groups: tuple[NodeGroup, ...]


def field_values(
    scenario: RecordedScenario,
    outputs: Mapping[int, bytes],
    names: tuple[str, ...],
    voters: int,
    delivered: bytes,
) -> tuple[FieldValues, ...]:
    """Return the fields of a frame. `outputs` are those of the nodes that answered, by index, and
    `delivered` is what left the system (empty: nothing); `voters` is the mask of nodes that vote.
    Empty if nothing is known of the fields."""
    length = max(map(len, outputs.values()), default=0)
    fields = fields_of(scenario)
    if not length or not fields:
        return ()
    rules = {rule.field: rule for rule in rules_in(scenario, length)}
    return tuple(
        _of_field(field, rules.get(field), outputs, names, voters, delivered) for field in fields
    )


def _of_field(
    field: OutputField,
    rule: FieldRule | None,
    outputs: Mapping[int, bytes],
    names: tuple[str, ...],
    voters: int,
    delivered: bytes,
) -> FieldValues:
    inside = slice(field.offset, field.offset + field.length)
    parts = {node: output[inside] for node, output in outputs.items()}
    own = delivered[inside]
    if rule is None:
        masks = _alike(parts, own)
    else:
        memory = FieldMemory(own or None, 0, ((1 << 16) - 1,) * len(names))
        masks = list(rule.vote(FieldBallots(parts, voters), memory).clusters)
    agreed = own or None
    groups = tuple(
        NodeGroup(
            tuple(names[node] for node in members(mask)),
            tuple(value_text(field, outputs[node], unit=False) for node in members(mask)),
            wins=agreed is not None and index == 0,
        )
        for index, mask in enumerate(masks)
        if mask
    )
    return FieldValues(
        field.name,
        field.unit,
        value_text(field, delivered, unit=False) if delivered else "",
        "" if rule is None else rule_text(rule),
        groups,
    )


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
