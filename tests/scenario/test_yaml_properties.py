"""Properties of reading YAML: values survive, and marks point at what was written."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import example
from hypothesis import strategies as st

from hil.errors import ConfigError
from hil.scenario.yaml.document import Document, KeyPath
from hil.scenario.yaml.reader import parse_yaml
from tests.properties import property_of

# What JSON writes and YAML reads as it stands: no control characters, line breaks or byte orders.
TEXT = st.text(
    st.characters(
        exclude_categories=("Cs", "Cc", "Cn", "Co", "Zl", "Zp"), exclude_characters="\ufeff"
    ),
    max_size=12,
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**38), 10**38)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
MAPPINGS = st.dictionaries(TEXT, VALUES, max_size=5)
NOISE = st.text(st.sampled_from("ab:-?&*!|>'\"%@`{}[],#<~.0 \t\n\\\u00e9\0"), max_size=40)


def read(text: str) -> Document:
    return parse_yaml(text.encode(), "f.yaml")


def written(value: Any) -> str:
    """How JSON begins to write a value: a scalar whole, a collection by its bracket."""
    return json.dumps(value, ensure_ascii=False)[: 1 if isinstance(value, (list, dict)) else None]


def at(data: Any, path: KeyPath) -> Any:
    for step in path:
        data = data[step]
    return data


@property_of(MAPPINGS, st.sampled_from([None, 1, 4]))
def test_json_is_read_as_the_values_that_it_says(data: dict[str, Any], indent: int | None) -> None:
    document = read(json.dumps(data, ensure_ascii=False, indent=indent))
    assert document.problems == []
    assert document.data == data
    assert repr(document.data) == repr(data)  # true is not 1, and 1.0 not 1


@property_of(MAPPINGS, st.sampled_from([None, 1, 4]))
def test_the_mark_of_every_value_and_key_is_where_its_text_begins(
    data: dict[str, Any], indent: int | None
) -> None:
    text = json.dumps(data, ensure_ascii=False, indent=indent)
    document = read(text)
    lines = text.split("\n")
    for path, mark in document.values.items():
        assert lines[mark.line - 1][mark.column - 1 :].startswith(written(at(data, path)))
        assert mark.path == path
    for path, mark in document.keys.items():
        assert lines[mark.line - 1][mark.column - 1 :].startswith(written(path[-1]))


@property_of(st.binary(max_size=60) | NOISE.map(str.encode))
@example(b"{a: 0777777777777777777777777777777777777777777777777777}")
@example(b"\xff\xfe")
def test_any_bytes_are_a_document_or_problems_that_have_a_place(raw: bytes) -> None:
    try:
        problems = parse_yaml(raw, "f.yaml").problems
    except ConfigError as error:
        problems = list(error.problems)
        assert problems
    for problem in problems:
        assert problem.file == "f.yaml"
        assert problem.line >= 1
        assert problem.column >= 1
        assert problem.message


@property_of(st.lists(VALUES, min_size=1, max_size=6), st.data())
def test_elements_that_are_kept_keep_their_values_and_marks(
    items: list[Any], draw: st.DataObject
) -> None:
    document = read(json.dumps({"list": items, "next": 1}, ensure_ascii=False))
    before = document.copied()
    indices = st.sampled_from(range(len(items)))
    kept = sorted(draw.draw(st.lists(indices, unique=True)))
    document.keep(("list",), kept)
    assert document.data == {"list": [items[index] for index in kept], "next": 1}
    for marks, old in ((document.values, before.values), (document.keys, before.keys)):
        expected = {
            path: mark for path, mark in old.items() if path[:1] != ("list",) or len(path) < 2
        }
        for new_index, index in enumerate(kept):
            for path, mark in old.items():
                if path[:2] == ("list", index):
                    moved = ("list", new_index, *path[2:])
                    expected[moved] = mark
        assert marks == expected


@property_of(MAPPINGS, TEXT, VALUES)
def test_a_replaced_value_is_read_back_and_its_problems_name_who_replaced_it(
    data: dict[str, Any], key: str, value: Any
) -> None:
    document = read(json.dumps(data, ensure_ascii=False))
    before = document.copied()
    document.replace((key,), value, "--option")
    assert document.get((key,)) == value
    assert document.problem((key, "below"), "wrong").file == "--option"
    others = [path for path in before.values if path and path[0] != key]
    assert all(document.values[path] == before.values[path] for path in others)
    document.remove((key,))
    assert not document.written((key,))
    assert document.data == {name: item for name, item in data.items() if name != key}
