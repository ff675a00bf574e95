"""Outputs as people read them: the values of their fields, with units. Pure.

`fields_of` and `rules_in` know the fields and the voter of a recorded scenario; a record of which
they cannot be read has neither."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from hil.record.recorded_scenario import RecordedScenario
from hil.scenario.outputs import OutputField, OutputRole, output_fields

if TYPE_CHECKING:
    from hil.redundancy.field_vote import FieldRule

__all__ = ["difference_text", "fields_of", "number_text", "rules_in", "value_text"]

_NUMBERS_MAX: Final = 4
_BITS_MAX: Final = 8
_DIGITS: Final = 7


def fields_of(scenario: RecordedScenario) -> tuple[OutputField, ...]:
    """Return the fields of the outputs of a recorded scenario; empty if they are not known."""
    known = output_fields(scenario.workload)
    if known or '"fields"' not in scenario.text:
        return known
    try:
        return scenario.validated().output_fields
    except ValueError:  # of another hil; pydantic's ValidationError is one
        return ()


def rules_in(scenario: RecordedScenario, output_len: int) -> tuple[FieldRule, ...]:
    """Return the rules by which a recorded scenario votes on outputs of this length [byte], field
    by field; empty if the exact majority decides, or they cannot be read."""
    from hil.errors import HilError  # noqa: PLC0415
    from hil.redundancy.value_vote import value_voter  # noqa: PLC0415  (few records need it)

    if '"voter"' not in scenario.text:
        return ()
    try:
        voter = value_voter(scenario.validated(), output_len)
    except (HilError, ValueError):
        return ()
    return () if voter is None else voter.rules


def number_text(number: float) -> str:
    """Return a number of an output in at most seven significant digits."""
    return str(number) if isinstance(number, int) else f"{number:.{_DIGITS}g}"


def value_text(field: OutputField, output: bytes, *, unit: bool = True) -> str:
    """Return the value of a field in an output: its numbers and its unit, or its first bytes if its
    bits have no order; empty if the output is too short."""
    try:
        numbers = field.values(output)
    except struct.error:
        return ""
    if field.role is OutputRole.BITS:
        part = output[field.offset : field.offset + field.length]
        return part[:_BITS_MAX].hex() + (".." if len(part) > _BITS_MAX else "")
    words = [number_text(number) for number in numbers[:_NUMBERS_MAX]]
    if len(numbers) > _NUMBERS_MAX:
        words.append(f"and {len(numbers) - _NUMBERS_MAX} more")
    if unit and field.unit:
        words.append(field.unit)
    return " ".join(words)


def difference_text(
    fields: Sequence[OutputField], output: bytes, agreed: bytes, rules: Sequence[FieldRule] = ()
) -> str:
    """Return the number of an output that differs most from the agreed one, in the first field in
    which one does: `gyro_bias[1] 0.25 for 0.0021 rad/s`; empty if no number differs, or there are
    no numbers. A field that agrees by its rule in `rules` comes after all that do not."""
    agreeing = {rule.field for rule in rules if _matches(rule, output, agreed)}
    for field in sorted(fields, key=agreeing.__contains__):
        if field.role is OutputRole.BITS:
            continue
        try:
            pairs = list(zip(field.values(output), field.values(agreed), strict=True))
        except struct.error:
            return ""
        apart = [_apart(a, b) for a, b in pairs]
        if not any(apart):
            continue
        place = apart.index(max(apart))
        name = f"{field.name}[{place}]" if field.count > 1 else field.name
        found, right = (number_text(number) for number in pairs[place])
        return f"{name} {found} for {right}" + (f" {field.unit}" if field.unit else "")
    return ""


def _matches(rule: FieldRule, output: bytes, agreed: bytes) -> bool:
    first, end = rule.field.offset, rule.field.offset + rule.field.length
    own, right = output[first:end], agreed[first:end]
    return len(own) == len(right) == end - first and rule.matches(own, right)


def _apart(a: float, b: float) -> float:
    if a == b or (math.isnan(a) and math.isnan(b)):
        return 0.0
    distance = abs(a - b)
    return math.inf if math.isnan(distance) else distance
