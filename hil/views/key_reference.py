"""The reference of a kind of file, in Markdown: every key with type, default, unit and example.

It is made from the JSON Schema of the models. Examples are what shipped files have, else the
default, else the smallest value that is allowed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, Final, TypeAlias

__all__ = ["example_of", "key_reference"]

Schema: TypeAlias = dict[str, Any]
"""A part of a JSON Schema."""

_UNITS: Final = {
    "a": "A", "ah": "Ah", "amps": "A", "c": "°C", "db": "dB", "dbw": "dBW", "deg": "°", "h": "h",
    "k": "K", "km": "km", "krad": "krad(Si)", "m2": "m²", "mhz": "MHz", "mib": "MiB", "mm": "mm",
    "ms": "ms", "ohm": "Ω", "s": "s", "us": "µs", "v": "V", "volts": "V", "w": "W", "wh": "Wh",
    "years": "years", "frames": "frames", "bits": "bits", "bytes": "bytes", "ghz": "GHz",
}  # fmt: skip
_COMPOSED: Final = {
    "velocity_km_s": "km/s", "capacity_j_per_k": "J/K", "shielding_mm_al": "mm of aluminium",
    "w_per_k": "W/K", "per_s": "1/s", "link_errors_per_s": "1/s", "ltan_h": "h",
    "rate_kbit_s": "kbit/s", "kbit_s": "kbit/s",
}  # fmt: skip
_LONGEST: Final = 60
_STATED_DEFAULT: Final = re.compile(r"[;.,:] [Dd]efault:? (.+?)(?:\.$|\. )")
_TEXTS: Final = {
    "ask_amps": "ISET?", "ask_selected": "INST?", "ask_volts": "VSET?", "attached_to": "panel",
    "backend": "@py", "error": "SYST:ERR?", "file": "gp.json", "flux_file": "spenvis_tri.txt",
    "frame": "TEME", "golden_sha256": "9f86d081884c7d65…", "hex": "inputs.hex", "hub": "1-1.4",
    "inputs": "inputs.npz", "is_on": "OUTP?", "measure_amps": "MEAS:CURR?",
    "measure_volts": "MEAS:VOLT?", "mount": "baseplate", "node": "payload", "object": "ISS",
    "off": "OUTP OFF", "omm": "<OMM in XML>", "on": "OUTP ON", "place": "jetson-1",
    "profile": "day.csv", "program": "filter", "raw": "inputs.bin", "region": "conv.weight",
    "resource": "TCPIP::10.0.0.6::INSTR", "rest_node": "board", "select": "INST CH1",
    "set_amps": "ISET {amps}", "set_volts": "VSET {volts}", "sha256": "9f86d081884c7d65…",
    "start_utc": "2026-03-20T00:00:00Z", "url": "http://10.0.0.7",
}  # fmt: skip
"""Texts of keys that no shipped file has."""


def key_reference(schema: Schema, title: str, intro: str, files: Iterable[Any]) -> str:
    """Return the reference of `schema` as a Markdown page. `files`: the contents of valid files, in
    a fixed order, for the examples."""
    shipped: dict[tuple[str, str], Any] = {}
    for content in files:
        _collect(content, schema, "", schema, shipped)
    lines = [f"# {title}", "", intro, ""]
    for name in _in_order(schema):
        model = _with_keys(schema["$defs"][name] if name else schema)
        if "properties" not in model:
            continue
        lines += [f"## {name or 'The file'}", "", _flat(model.get("description", "")), ""]
        lines += [
            "| key | type | default | unit | example | meaning |",
            "|---|---|---|---|---|---|",
        ]
        required = set(model.get("required", ()))
        for key, part in model["properties"].items():
            kind = _type(part, schema)
            cells = [
                f"`{key}`",
                kind,
                "**required**" if key in required else _default(part),
                "" if kind == "string" else _unit(key),
                _example(name, key, part, schema, shipped),
                _flat(part.get("description", "")),
            ]
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        lines.append("")
    return "\n".join(lines).rstrip("\n") + "\n"


def _example(
    name: str, key: str, part: Schema, schema: Schema, shipped: dict[tuple[str, str], Any]
) -> str:
    """Return the example of a key; that of a model without a short one is the model's table, as
    the smallest values of its keys together may make no sense."""
    example = shipped.get((name, key))
    models = [model for model, one in _alternatives(part, schema) if "properties" in one]
    if models and example in (None, {}, []):
        return f"see {models[0]}"
    if example is None:
        example = example_of(part, schema, _TEXTS.get(key, "name"))
    return f"`{_short(example)}`"


def _flat(text: str) -> str:
    return " ".join(text.split())


def _short(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=_utc)


def _utc(value: Any) -> str:
    """Return a time of YAML as it is written. Raises: TypeError for other values."""
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    raise TypeError(f"{value!r} is not a value of YAML")


def _default(part: Schema) -> str:
    """Return the default of a key: a value, or what its description says that it follows from, if
    that is short."""
    if part.get("default") is None:
        stated = _STATED_DEFAULT.search(_flat(part.get("description", "")))
        return stated[1] if stated and len(stated[1]) <= _LONGEST else ""
    short = _short(part["default"])
    return "that of its keys" if len(short) > _LONGEST else f"`{short}`"


def _unit(key: str) -> str:
    if key in _COMPOSED:
        return _COMPOSED[key]
    return _UNITS.get(key.rpartition("_")[2], "") if "_" in key else ""


def _in_order(schema: Schema) -> Iterator[str]:
    """Yield the names of all models in the order in which the file's keys lead to them; the file
    itself is the empty name."""
    seen, waiting = {""}, [""]
    while waiting:
        name = waiting.pop(0)
        yield name
        model = schema["$defs"][name] if name else schema
        for found in re.findall(r'"#/\$defs/(\w+)"', json.dumps(model.get("properties", model))):
            if found not in seen:
                seen.add(found)
                waiting.append(found)


def _with_keys(model: Schema) -> Schema:
    """Return the form of a model that has keys: some may be written in a word instead."""
    return next((one for one in model.get("anyOf", ()) if "properties" in one), model)


def _alternatives(part: Schema, schema: Schema) -> Iterator[tuple[str, Schema]]:
    """Yield what a part may be: each with the name of its model, empty if it has none."""
    forms: list[Schema] = part.get("anyOf") or part.get("oneOf") or [part]
    for one in forms:
        reference = one.get("$ref", "")
        if reference:
            name = reference.rpartition("/")[2]
            yield name, _with_keys(schema["$defs"][name])
        else:
            yield "", one


def _type(part: Schema, schema: Schema) -> str:
    words = []
    for name, one in _alternatives(part, schema):
        if one.get("type") == "null":
            continue
        if "enum" in one:
            words += [f"`{word}`" for word in one["enum"]]
        elif "const" in one:
            words.append(f"`{one['const']}`")
        elif name:
            words.append(f"[{name}](#{name.lower()})")
        elif one.get("type") == "array":
            inner = one.get("items")
            words.append("list of " + _type(inner, schema) if inner else "list")
        elif one.get("type") == "object":
            inner = one.get("additionalProperties")
            words.append("mapping" + (f" to {_type(inner, schema)}" if inner else ""))
        else:
            words.append(str(one.get("type", "any")) + _range(one))
    return ", ".join(dict.fromkeys(words)) or "any"


def _range(one: Schema) -> str:
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    limits = [f"{sign} {one[word]:g}" for word, sign in signs.items() if word in one]
    return f" {', '.join(limits)}" if limits else ""


# --- examples -------------------------------------------------------------------------------------


def _collect(
    value: Any, part: Schema, name: str, schema: Schema, shipped: dict[tuple[str, str], Any]
) -> None:
    """Note the values of a file's keys, by model and key; of several the first short one."""
    if isinstance(value, list):
        for one in value if "items" in part else ():
            _descend(one, part["items"], schema, shipped)
    if not isinstance(value, dict) or "properties" not in part:
        return
    for key, one in value.items():
        inner = part["properties"].get(key)
        if inner is None:
            continue
        if one is not None and len(_short(one)) <= _LONGEST:
            shipped.setdefault((name, key), one)
        _descend(one, inner, schema, shipped)


def _descend(value: Any, part: Schema, schema: Schema, shipped: dict[tuple[str, str], Any]) -> None:
    for name, one in _alternatives(part, schema):
        if isinstance(value, dict) and set(value) <= set(one.get("properties", {})):
            _collect(value, one, name, schema, shipped)
        elif isinstance(value, dict) and isinstance(one.get("additionalProperties"), dict):
            for inner in value.values():
                _descend(inner, one["additionalProperties"], schema, shipped)
        elif isinstance(value, list):
            _collect(value, one, name, schema, shipped)


def example_of(part: Schema, schema: Schema, text: str = "name") -> Any:
    """Return a value that the schema of one key allows: its default, else `text` or the smallest
    value."""
    if part.get("default") is not None:
        return part["default"]
    for _, one in _alternatives(part, schema):
        if one.get("type") == "null":
            continue
        if "enum" in one:
            return one["enum"][0]
        if "const" in one:
            return one["const"]
        return _smallest(one, schema, text)
    return None


def _smallest(one: Schema, schema: Schema, text: str) -> Any:
    kind = one.get("type")
    if kind == "object":
        if one.get("minProperties"):
            return {text: example_of(one["additionalProperties"], schema)}
        required = one.get("required", ())
        parts = one.get("properties", {})
        return {key: example_of(parts[key], schema, _TEXTS.get(key, "name")) for key in required}
    if kind == "array":
        parts = one.get("prefixItems") or [one["items"]] * max(1, one.get("minItems", 1))
        return [example_of(inner, schema, text) for inner in parts]
    if kind in {"integer", "number"}:
        return one.get("minimum", one.get("exclusiveMinimum", 0) + 1)
    if kind == "boolean":
        return True
    return text
