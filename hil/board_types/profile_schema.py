"""JSON Schema of board profiles, with which editors complete and check them.

Made from the models. It is not complete: rules between keys are checked by the loader alone.
"""

from __future__ import annotations

from hil.board_types.profile import BoardProfile
from hil.json_values import JsonObject
from hil.scenario.schema import finished

__all__ = ["board_schema"]

_CITED = ("Note", "Number", "Sensor", "Switch")


def board_schema() -> JsonObject:
    """Return the JSON Schema of a board profile."""
    schema = BoardProfile.model_json_schema(by_alias=True)
    for name in _CITED:
        part = schema["$defs"][name]
        for key in ("source", "grade", "assumption"):  # left out, never null
            part["properties"][key].pop("default", None)
        part["oneOf"] = [{"required": ["source", "grade"]}, {"required": ["assumption"]}]
    return finished(schema, "Board profile of hil")
