"""The reference of scenarios: it is that of the models as they are, and its examples are valid."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from hil.scenario import scenario_schema
from tests.command_line import Hil

PAGE = Path(__file__).parents[2] / "scenarios" / "REFERENCE.md"
SCHEMA: dict[str, Any] = dict(scenario_schema())


def rows() -> Iterator[tuple[str, str, list[str]]]:
    """The rows of the page: model, key, and what else stands there."""
    model = ""
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            model = line[3:]
        elif line.startswith("| `"):
            cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            yield model, cells[0].strip("`"), cells[1:]


def properties(model: str) -> dict[str, Any]:
    of: dict[str, Any] = SCHEMA if model == "The file" else SCHEMA["$defs"][model]
    forms = [of, *(of.get("anyOf", ()))]  # a model may be written in a word instead
    parts: dict[str, Any] = next((f["properties"] for f in forms if "properties" in f), {})
    return parts


def test_the_page_is_that_of_the_models(hil: Hil) -> None:
    """Made again with `hil schema scenario --markdown > scenarios/REFERENCE.md`."""
    done = hil("schema", "scenario", "--markdown")
    assert done.code == 0 and done.out == PAGE.read_text(encoding="utf-8")


def test_the_page_has_every_key_once_with_type_and_meaning() -> None:
    listed = [(model, key) for model, key, _ in rows()]
    models = {"The file": SCHEMA, **SCHEMA["$defs"]}
    keys = [(name, key) for name in models for key in properties(name)]
    assert sorted(listed) == sorted(keys) and len(keys) > 300
    for model, key, (kind, _, _, example, meaning) in rows():
        assert kind and example and len(meaning) > 3, (model, key)


@pytest.mark.parametrize("model", sorted({model for model, _, _ in rows()}))
def test_examples_and_defaults_are_values_that_the_key_may_have(model: str) -> None:
    for of, key, (_, default, _, example, _) in rows():
        for text in (default, example):
            if of != model or not text.startswith("`") or "…" in text:
                continue
            value = json.loads(text.strip("`").replace("\\|", "|"))
            part = {**properties(model)[key], "$defs": SCHEMA["$defs"]}
            assert not list(jsonschema.Draft202012Validator(part).iter_errors(value)), (key, value)


def test_the_column_of_defaults_says_what_happens() -> None:
    defaults = {(model, key): cells[1] for model, key, cells in rows()}
    assert defaults["The file", "name"] == "the name of the file"
    assert defaults["NodeConfig", "board"] == "that of `rig.board`"


def test_units_are_those_of_the_names() -> None:
    units = {key: cells[2] for _, key, cells in rows()}
    assert units["frame_ms"] == "ms" and units["altitude_km"] == "km"
    assert units["capacity_j_per_k"] == "J/K" and units["scheme"] == ""


def test_only_scenarios_have_a_page(hil: Hil) -> None:
    done = hil("schema", "bench", "--markdown")
    assert done.code == 2 and "hil schema scenario --markdown" in done.err
