"""The fields of a doer beside those of its checkers, which have another layout. Pure.

A field that both have is compared within its bound; the others are the doer's alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from hil.record.recorded_scenario import RecordedCheckers
from hil.redundancy.checked_vote import distance
from hil.scenario.outputs import OutputField, output_fields
from hil.views.field_parts import FieldValues, NodeGroup, NodeValue, numbers_of
from hil.views.output_values import number_text, value_text

__all__ = ["checked_fields"]

_DOER: Final = 0


def checked_fields(
    checkers: RecordedCheckers,
    fields: Sequence[OutputField],
    names: Sequence[str],
    outputs: Mapping[int, bytes],
    delivered: bytes,
) -> tuple[FieldValues, ...]:
    """Return the fields of a frame. `fields`: those of the doer's output; `outputs`: those of the
    nodes that answered, by index; `delivered`: what left the system, empty if nothing did."""
    reduced = {field.name: field for field in output_fields(checkers.workload)}
    of_doer = bool(delivered) and outputs.get(_DOER) == delivered
    out = []
    for full in fields:
        own = reduced.get(full.name)
        voted_by = full if of_doer or own is None else own
        if not of_doer and own is None and delivered:
            continue  # a degraded output does not have it
        bound = checkers.bounds.get(full.name)
        layouts = _Layouts(full, own, None if bound is None else bound)
        out.append(layouts.field(names, outputs, voted_by, delivered))
    return tuple(out)


@dataclass(frozen=True, slots=True)
class _Layouts:
    """A field of the doer, the same of the checkers (None: they do not have it), and the bound."""

    full: OutputField
    reduced: OutputField | None
    bound: float | None

    def of(self, node: int) -> OutputField | None:
        return self.reduced if node != _DOER else self.full

    def field(
        self,
        names: Sequence[str],
        outputs: Mapping[int, bytes],
        voted_by: OutputField,
        delivered: bytes,
    ) -> FieldValues:
        voted = numbers_of(voted_by, delivered) if delivered else ()
        near: list[NodeValue] = []
        far: list[NodeGroup] = []
        for node, output in sorted(outputs.items()):
            layout = self.of(node)
            if layout is None or node >= len(names):
                continue
            value = self._value(names[node], layout, output, voted)
            if value.distance is not None and value.distance <= (self.bound or 0.0):
                near.append(value)
            else:
                far.append(NodeGroup((value,), wins=False))
        groups = [NodeGroup(tuple(near), wins=bool(delivered))] if near else []
        text = value_text(voted_by, delivered, unit=False) if delivered else ""
        return FieldValues(self.full, text, voted, self._rule(), (*groups, *far))

    def _rule(self) -> str:
        if self.bound is None:
            return "not checked"
        return f"within {number_text(self.bound)} {self.full.unit}".rstrip() + " of the checkers"

    def _value(
        self, name: str, layout: OutputField, output: bytes, voted: tuple[float, ...]
    ) -> NodeValue:
        text, numbers = value_text(layout, output, unit=False), numbers_of(layout, output)
        if not numbers or len(numbers) != len(voted):
            return NodeValue(name, text, numbers)
        apart = [distance(a, b, layout.period) for a, b in zip(numbers, voted, strict=True)]
        farthest = max(apart)
        known = farthest if math.isfinite(farthest) else None
        return NodeValue(name, text, numbers, known, apart.index(farthest))
