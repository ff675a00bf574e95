"""Reading YAML: positions, limits, and what is refused with words that help."""

from __future__ import annotations

from pathlib import Path

import pytest

from hil.errors import ConfigError, Problem, UsageError
from hil.scenario.yaml.document import Document, path_text
from hil.scenario.yaml.reader import MAX_BYTES, parse_yaml, read_yaml


def read(text: str | bytes) -> Document:
    return parse_yaml(text if isinstance(text, bytes) else text.encode(), "f.yaml")


def only_problem(text: str | bytes) -> Problem:
    with pytest.raises(ConfigError) as caught:
        read(text)
    assert len(caught.value.problems) == 1, str(caught.value)
    return caught.value.problems[0]


def test_values_follow_yaml_1_2_so_words_like_no_stay_text() -> None:
    text = "{a: no, b: on, c: 1:30, d: 0x10, e: 1e3, f: true, g: ~, h: 010, i: 2024-01-01, j: 1_0}"
    assert read(text).data == {
        "a": "no",
        "b": "on",
        "c": "1:30",
        "d": 16,
        "e": 1000.0,
        "f": True,
        "g": None,
        "h": 10,
        "i": "2024-01-01",
        "j": "1_0",
    }


def test_quoted_values_are_text_whatever_they_look_like() -> None:
    assert read("{a: '1', b: \"true\", c: 'null'}").data == {"a": "1", "b": "true", "c": "null"}


def test_every_value_and_key_has_its_line_and_column() -> None:
    document = read("# comment\na: 1\nrig:\n  nodes:\n    - x\n    - {name: y}\n")
    mark = document.values["rig", "nodes", 1, "name"]
    assert (mark.line, mark.column) == (6, 14)
    key = document.keys["rig", "nodes", 1, "name"]
    assert (key.line, key.column) == (6, 8)
    assert document.values["rig", "nodes", 0].line == 5
    assert document.keys["rig",].line == 3


def test_a_problem_at_a_missing_key_points_at_the_mapping_that_lacks_it() -> None:
    problem = read("rig:\n  scheme: tmr\n").problem(("rig", "nodes", 0), "gone")
    assert (problem.line, problem.column, problem.path) == (2, 3, "$.rig.nodes[0]")


def test_duplicate_keys_are_each_reported_and_name_the_first_line() -> None:
    document = read("a: 1\nb:\n  c: 1\n  c: 2\na: 3\n")
    assert [(p.line, p.column, p.path) for p in document.problems] == [
        (4, 3, "$.b.c"),
        (5, 1, "$.a"),
    ]
    assert "first is in line 1" in document.problems[1].message


def test_duplicate_keys_in_different_mappings_are_fine() -> None:
    assert read("a: {x: 1}\nb: {x: 1}\n").problems == []


def test_keys_that_are_no_text_are_reported() -> None:
    document = read("a: 1\n5: b\n[x]: c\n~: d\n")
    assert [problem.line for problem in document.problems] == [2, 3, 4]
    assert document.data == {"a": 1}


def test_anchors_and_merge_keys_work_and_keep_the_place_of_what_they_name() -> None:
    document = read("base: &b {x: 1, y: 2}\nuse:\n  <<: *b\n  y: 3\nsame: *b\n")
    assert document.data["use"] == {"x": 1, "y": 3}
    assert document.data["same"] == {"x": 1, "y": 2}
    assert document.problems == []
    assert document.values["use", "x"].line == 1
    assert document.values["use", "y"].line == 4
    document.replace(("same", "x"), 9, "--x")
    assert document.data["base"] == {"x": 1, "y": 2}, "an alias must be a copy"


def test_merging_something_that_is_no_mapping_is_reported() -> None:
    assert "`<<` needs a mapping" in read("a:\n  <<: 5\n").problems[0].message


@pytest.mark.parametrize(
    "tag", ["!!python/object/apply:os.system", "!custom", "!!binary", "!!timestamp", "!!set"]
)
def test_tags_that_would_build_objects_are_refused(tag: str) -> None:
    document = read(f"a: 1\nb: {tag} x\n")
    assert [(p.line, p.column, p.path) for p in document.problems] == [(2, 4, "$.b")]
    assert "not allowed" in document.problems[0].message


def test_tagged_lists_and_mappings_are_refused_too() -> None:
    document = read("a: !!python/tuple [1]\nb: !!python/dict {x: 1}\n")
    assert [problem.path for problem in document.problems] == ["$.a", "$.b"]


def test_core_tags_are_understood_and_checked() -> None:
    assert read("a: !!str 5").data == {"a": "5"}
    assert read("a: !!int x").problems[0].message == "`x` cannot be read as a whole number"


def test_an_unquoted_not_equal_is_explained() -> None:
    assert '"!= 0"' in read("a: != 0").problems[0].remedy


@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        ("a:\n\tb: 1\n", 2, 1, "a tab in the indentation"),
        ("a: 1\n \tb: 1\n", 2, 2, "a tab in the indentation"),
        ("a: b: c\n", 1, 5, "no key can be"),
        ("a: 1\nbroken\nc: 2\n", 2, 1, "without its `:`"),
        ("a:\n  - 1\n - 2\n", 3, 2, "does not fit the lines above"),
        ("a: *nobody\n", 1, 4, "alias"),
        ("a: 1\nb: 'never closed\n", 2, 4, "never closed"),
        ("a: 1\nb: [1, 2\n", 2, 4, "never closed"),
        ("a: [1 2, {x: 1}\nb: 2\n", 2, 1, "comma"),
        ("a: @x\n", 1, 4, "cannot begin"),
        ("a: >= 0.9\n", 1, 5, "cannot begin with `>`"),
        ("a: 1\n---\nb: 2\n", 2, 1, "second document"),
        ('a: "\\q"\n', 1, 6, "escape"),
        ("a: &x 1\nb: &x 2\n", 2, 4, "second time"),
        ("a: %x\n", 1, 4, "cannot begin"),
    ],
)
def test_syntax_errors_say_where_and_what_in_plain_words(
    text: str, line: int, column: int, words: str
) -> None:
    problem = only_problem(text)
    assert problem.message.startswith("not valid YAML: ")
    assert words in problem.message
    assert (problem.line, problem.column) == (line, column)


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n"])
def test_an_empty_file_is_said_to_be_empty(text: str) -> None:
    assert "the file is empty" in only_problem(text).message


@pytest.mark.parametrize(
    ("text", "words"),
    [("- a\n- b\n", "a list"), ("just text", "the text `just text`"), ("---\n", "no value")],
)
def test_a_file_whose_top_level_is_no_mapping_is_refused(text: str, words: str) -> None:
    problem = only_problem(text)
    assert words in problem.message
    assert "expected a mapping" in problem.message


def test_latin_1_is_refused_at_the_byte() -> None:
    problem = only_problem("a: 1\nb: grö\xdfer\n".encode("latin-1"))
    assert "0xf6 is not UTF-8" in problem.message
    assert (problem.line, problem.column) == (2, 6)


def test_utf_16_is_refused_by_name() -> None:
    assert "UTF-16" in only_problem("a: 1".encode("utf-16")).message


def test_a_byte_order_mark_is_ignored_also_in_positions() -> None:
    assert read(b"\xef\xbb\xbfa: 1").data == {"a": 1}
    problem = only_problem(b"\xef\xbb\xbfa: \xff")
    assert "0xff" in problem.message
    assert problem.column == 4


def test_a_binary_file_is_refused_as_no_text() -> None:
    assert "zero byte" in only_problem(b"\x7fELF\x02\x01\x01\x00\x00").message


def test_control_characters_are_refused_with_their_place() -> None:
    problem = only_problem("a: 1\nb: x\x07y\n")
    assert "U+0007" in problem.message
    assert (problem.line, problem.column) == (2, 5)


def test_dos_line_ends_do_not_move_lines() -> None:
    assert only_problem("a: 1\r\nb: 2\r\n\tc: 3\r\n").line == 3


@pytest.mark.parametrize("text", ["a: " + "[" * 100_000, "- " * 100_000, "{a: " * 5000])
def test_deep_nesting_is_refused_before_python_gives_up(text: str) -> None:
    assert "levels of nesting" in only_problem(text).message


def test_nesting_through_anchors_is_refused_too() -> None:
    lines = ["a0: &a0 [1]"] + [f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 60)]
    assert "levels of nesting" in only_problem("\n".join(lines)).message


def test_an_anchor_that_contains_itself_is_refused() -> None:
    assert "contains itself" in only_problem("a: &a [*a]").message
    assert "contains itself" in only_problem("a: &a {<<: *a}").message


@pytest.mark.slow
def test_a_billion_laughs_are_not_laughed() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [" + ", ".join([f"*a{n - 1}"] * 10) + "]" for n in range(1, 12)]
    assert "expands to more than" in only_problem("\n".join(lines)).message


@pytest.mark.slow
def test_a_billion_laughs_through_merge_keys_are_not_laughed_either() -> None:
    lines = ["m0: &m0 {x: 1}"]
    lines += [
        f"m{n}: &m{n} {{k: [{', '.join([f'*m{n - 1}'] * 8)}], <<: *m{n - 1}}}" for n in range(1, 25)
    ]
    assert "expands to more than" in only_problem("\n".join(lines)).message


def test_a_huge_file_is_refused_without_parsing_it(tmp_path: Path) -> None:
    path = tmp_path / "huge.yaml"
    path.write_bytes(b"a: 1\n" * (MAX_BYTES // 5 + 1))
    with pytest.raises(ConfigError, match="larger than 1024 KiB"):
        read_yaml(path)


@pytest.mark.parametrize("digits", ["9" * 10_000, "0x" + "f" * 10_000, "-" + "1" * 41])
def test_a_number_with_thousands_of_digits_is_refused_in_a_short_text(digits: str) -> None:
    document = read(f"a: {digits}")
    assert "cannot be read as a whole number" in document.problems[0].message
    assert len(document.problems[0].message) < 100


def test_a_missing_file_and_a_directory_are_usage_errors(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no file"):
        read_yaml(tmp_path / "none.yaml")
    with pytest.raises(UsageError, match="is a directory"):
        read_yaml(tmp_path)
    with pytest.raises(UsageError, match="not a file name"):
        read_yaml(Path("a\0b"))
    with pytest.raises(UsageError, match="cannot be read"):
        read_yaml(tmp_path / ("x" * 5000))


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ((), "$"),
        (("rig", "nodes", 1, "baud"), "$.rig.nodes[1].baud"),
        (("expect", "verdicts.unanimous"), "$.expect.verdicts.unanimous"),
        (("odd key",), "$['odd key']"),
        (("x" * 100,), "$." + "x" * 100),
        (("-" * 100,), "$['" + "-" * 57 + "...']"),
    ],
)
def test_paths_are_shown_as_users_would_write_them(path: tuple[str | int, ...], text: str) -> None:
    assert path_text(path) == text


def test_keep_moves_marks_with_the_elements() -> None:
    document = read("l:\n- {x: 0}\n- {x: 1}\n- {x: 2}\nother: {l: [1]}\n")
    document.keep(("l",), [0, 2])
    assert document.data["l"] == [{"x": 0}, {"x": 2}]
    assert document.values["l", 1, "x"].line == 4
    assert not document.written(("l", 2, "x"))
    assert document.problem(("l", 1, "x"), "m").path == "$.l[2].x", "the file's own position"
    assert document.values["other", "l", 0].line == 5


def test_a_copy_is_changed_without_changing_the_original() -> None:
    document = read("a: {b: [1]}\n")
    copy = document.copied()
    copy.replace(("a", "b"), 5, "--b")
    copy.append(("a", "b"), 6, "--b")
    copy.remove(("a", "nothing"))
    copy.replace(("a", "b", "c"), 5, "--c")  # b is no mapping: nothing happens
    assert copy.data == {"a": {"b": 5}}
    assert document.data == {"a": {"b": [1]}}
    assert copy.problem(("a", "b"), "m").file == "--b"
    assert document.problem(("a", "b"), "m").line == 1
