"""The types of a JSON document that leaves the program or comes from outside. Values that cross
rooms have a class of their own; `tests/test_layers.py` checks it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

__all__ = ["JsonKey", "JsonObject", "JsonScalar", "JsonValue"]

JsonScalar: TypeAlias = "bool | int | float | str | None"

JsonValue: TypeAlias = (
    "bool | int | float | str | Sequence[JsonValue] | Mapping[str, JsonValue] | None"
)
JsonObject: TypeAlias = Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True)
class JsonKey:
    """One key of a JSON object whose keys are checked only by the room that knows them.

    The value is a scalar, or the keys of an object: an array is none of these."""

    name: str
    value: JsonScalar | tuple[JsonKey, ...]

    @property
    def document(self) -> JsonValue:
        """Return the value as JSON has it."""
        if isinstance(self.value, tuple):
            return {key.name: key.document for key in self.value}
        return self.value
