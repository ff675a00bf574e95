"""The JSON Schema of the YAML files, with which editors complete and check them.

    # yaml-language-server: $schema=scenario.schema.json

Made from the models. Only the short forms that a file may use are added here. It is not complete:
rules between keys are checked by the loader alone.
"""

from __future__ import annotations

from typing import Any

from hil.json_values import JsonObject
from hil.scenario.bench import BenchConfig
from hil.scenario.c_workload import CWorkloadConfig
from hil.scenario.expect import KNOWN_METRICS, NONE
from hil.scenario.model import Scenario
from hil.scenario.onnx_workload import OnnxWorkloadConfig
from hil.scenario.orbit_scheme import OrbitSchemeConfig
from hil.scenario.pattern import PatternConfig
from hil.scenario.plant.radiation import RadiationModel
from hil.scenario.rig import NodeConfig, RigConfig
from hil.scenario.upsets import UpsetRateConfig
from hil.scenario.words import (
    BOARD_ALIASES,
    NODE_NAME_PATTERN,
    SCENARIO_NAME_PATTERN,
    BoardKind,
    PatternKind,
    SchemeName,
    UpsetTarget,
)

__all__ = ["bench_schema", "finished", "scenario_schema"]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_LIMITS = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}


def scenario_schema() -> JsonObject:
    """Return the JSON Schema of a scenario file."""
    schema = Scenario.model_json_schema(by_alias=True)
    parts: dict[str, Any] = schema["$defs"]
    top: dict[str, Any] = schema["properties"]
    top["workload"] = {
        "anyOf": [
            {"enum": top["workload"]["enum"]},
            {"type": "string", "pattern": r"^(.*/)?[a-z][a-z0-9_]{0,14}\.c$"},
            {"type": "string", "pattern": r"\.onnx$"},
            {"$ref": f"#/$defs/{CWorkloadConfig.__name__}"},
            {"$ref": f"#/$defs/{OnnxWorkloadConfig.__name__}"},
        ],
        "description": top["workload"]["description"],
    }
    top["name"]["pattern"] = f"^{SCENARIO_NAME_PATTERN}$"
    del top["name"]["default"]  # it is the name of the file
    del parts[NodeConfig.__name__]["properties"]["board"]["default"]  # it is that of the rig
    top["expect"]["anyOf"] = [
        {
            "type": "object",
            "properties": {name: _expected() for name in KNOWN_METRICS},
            "additionalProperties": False,
        },
        {"const": NONE},
        {"type": "null"},
    ]
    schema["oneOf"] = [{"required": ["frames"]}, {"required": ["duration"]}]
    rig = parts[RigConfig.__name__]["properties"]
    rig["scheme"] = {
        "anyOf": [
            {"$ref": f"#/$defs/{SchemeName.__name__}"},
            {"$ref": f"#/$defs/{OrbitSchemeConfig.__name__}"},
        ],
        "default": rig["scheme"]["default"],
        "description": rig["scheme"]["description"],
    }
    del rig["follows"]
    _name_is_enough(parts, NodeConfig, {"type": "string", "pattern": f"^{NODE_NAME_PATTERN}$"})
    _name_is_enough(parts, PatternConfig, {"$ref": f"#/$defs/{PatternKind.__name__}"})
    data = parts[RadiationModel.__name__]["properties"]["data"]
    parts[RadiationModel.__name__]["properties"]["data"] = {
        "anyOf": [{"type": "string"}, data],
        "description": data["description"],
    }
    parts[BoardKind.__name__]["enum"] += BOARD_ALIASES
    rate = parts[UpsetRateConfig.__name__]
    targets = rate["properties"]["targets"]
    rate["properties"]["targets"] = {
        "anyOf": [
            {"$ref": f"#/$defs/{UpsetTarget.__name__}"},
            {"type": "array", "items": targets["items"]},
        ],
        "description": targets["description"],
    }
    rate["properties"]["target"] = rate["properties"]["targets"]
    rate["required"] = [key for key in rate["required"] if key != "targets"]
    rate["oneOf"] = [{"required": ["target"]}, {"required": ["targets"]}]
    return finished(schema, "Scenario of hil")


def bench_schema() -> JsonObject:
    """Return the JSON Schema of a bench file."""
    return finished(BenchConfig.model_json_schema(by_alias=True), "Bench file of hil")


def _expected() -> JsonObject:
    return {"anyOf": [{"type": "number"}, {"type": "string"}]}


def _name_is_enough(parts: dict[str, Any], model: type, short: JsonObject) -> None:
    name = model.__name__
    parts[name] = {"anyOf": [short, parts[name]]}


def finished(schema: JsonObject, title: str) -> JsonObject:
    """Return a schema of a model with its dialect and a title for people."""
    return {"$schema": _DIALECT, **_in_one_form(schema), "title": title}


def _in_one_form(part: Any) -> Any:
    """Return a schema in the one form of those that versions of pydantic write for the same.

    A reference stands beside its description (before 2.9 as the only member of an `allOf`), and
    whole limits have no decimal point.
    """
    if isinstance(part, list):
        return [_in_one_form(one) for one in part]
    if not isinstance(part, dict):
        return part
    plain = {key: _in_one_form(value) for key, value in part.items()}
    if isinstance(plain.get("allOf"), list) and len(plain["allOf"]) == 1:
        plain = {**plain.pop("allOf")[0], **plain}
    for limit in _LIMITS & plain.keys():
        if isinstance(plain[limit], float) and plain[limit].is_integer():
            plain[limit] = int(plain[limit])
    return plain
