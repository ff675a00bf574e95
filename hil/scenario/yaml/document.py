"""Reads YAML files into plain values and remembers where each value stands.

Knows YAML, not scenarios. PyYAML parses; the values are made here, because PyYAML's own
constructor forgets positions, lets the last of two equal keys win, builds objects from tags, and
follows YAML 1.1, where a node called `no` is the value false and `1:30` the number 90. Plain
values are read by the YAML 1.2 core rules instead: null, true/false, numbers, else text.

Untrusted input: the size of a file, its depth and the number of values it expands to are limited.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from hil.errors import ConfigError, Problem, UsageError

__all__ = ["Document", "KeyPath", "Mark", "parse_yaml", "path_text", "read_yaml"]

MAX_BYTES = 1 << 20
MAX_DEPTH = 32
MAX_VALUES = 200_000

KeyPath = tuple[str | int, ...]
"""The way to a value: keys and list positions, from the top."""

_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*")


def path_text(path: KeyPath) -> str:
    """`path` as users see it: `$.rig.nodes[1].baud`."""
    text = "$"
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif _PLAIN_KEY.fullmatch(step):
            text += f".{step}"
        else:
            text += f"[{step!r}]" if len(step) <= 60 else f"[{step[:57] + '...'!r}]"
    return text


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a value was written: file, line and column (from 1; 0 = none), path in that file."""

    file: str
    line: int
    column: int
    path: KeyPath


@dataclass
class Document:
    """The values of one file, and the mark of each.

    `keys` has the mark of a key, `values` that of its value. `problems` are those found while
    reading, which did not keep the rest from being read.
    """

    file: str
    data: dict[str, Any]
    keys: dict[KeyPath, Mark] = field(default_factory=dict)
    values: dict[KeyPath, Mark] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def copied(self) -> Document:
        """An independent copy, to be changed."""
        return Document(
            self.file,
            copy.deepcopy(self.data),
            dict(self.keys),
            dict(self.values),
            list(self.problems),
        )

    def problem(
        self, path: KeyPath, message: str, remedy: str = "", *, at_key: bool = False
    ) -> Problem:
        """A Problem at `path`, or at the nearest value above it that was written down."""
        found = next(n for n in range(len(path), -1, -1) if path[:n] in self.values or n == 0)
        prefix = path[:found]
        mark = self.values.get(prefix) or Mark(self.file, 1, 1, ())
        if at_key:
            mark = self.keys.get(prefix, mark)
        return Problem(
            mark.file,
            mark.line,
            mark.column,
            path_text(mark.path + path[found:]),
            message,
            remedy,
        )

    def written(self, path: KeyPath) -> bool:
        """Whether there is a value at `path`."""
        return path in self.values

    def get(self, path: KeyPath) -> object:
        """The value at `path`; None if there is none."""
        value: object = self.data
        for step in path:
            if isinstance(value, dict):
                value = value.get(step)
            elif isinstance(value, list) and isinstance(step, int) and step < len(value):
                value = value[step]
            else:
                return None
        return value

    def replace(self, path: KeyPath, value: object, source: str) -> None:
        """Set the value at `path`; from now on problems there, and below, name `source`.

        Does nothing if a value above it is no mapping: that is a problem of its own.
        """
        parent: object = self.data
        for depth, step in enumerate(path[:-1], 1):
            if not isinstance(parent, dict):
                return
            if step not in parent:
                parent[step] = {}
                self.values[path[:depth]] = Mark(source, 0, 0, path[:depth])
            parent = parent[step]
        if isinstance(parent, dict):
            parent[path[-1]] = value
            self._forget(path)
            self.values[path] = Mark(source, 0, 0, path)

    def remove(self, path: KeyPath) -> None:
        """Remove the key at `path` from its mapping, if it is there."""
        parent = self.get(path[:-1])
        if isinstance(parent, dict) and path[-1] in parent:
            del parent[path[-1]]
            self._forget(path)

    def append(self, path: KeyPath, value: object, source: str) -> None:
        """Add an element to the list at `path`; problems there name `source`."""
        items = self.get(path)
        if isinstance(items, list):
            below = (*path, len(items))
            items.append(value)
            self.values[below] = Mark(source, 0, 0, below)

    def keep(self, path: KeyPath, kept: list[int]) -> None:
        """Reduce the list at `path` to the elements `kept`, which keep their marks."""
        items = self.get(path)
        if not isinstance(items, list):
            return
        items[:] = [items[index] for index in kept]
        new_index = {old: new for new, old in enumerate(kept)}
        self.keys = _reindexed(self.keys, path, new_index)
        self.values = _reindexed(self.values, path, new_index)

    def _forget(self, path: KeyPath) -> None:
        for marks in (self.keys, self.values):
            for below in [p for p in marks if p[: len(path)] == path]:
                del marks[below]


def _reindexed(
    marks: dict[KeyPath, Mark], path: KeyPath, new_index: dict[int, int]
) -> dict[KeyPath, Mark]:
    """`marks` after the elements of the list at `path` moved; those without a new place go."""
    result: dict[KeyPath, Mark] = {}
    depth = len(path)
    for old, mark in marks.items():
        index = old[depth] if len(old) > depth and old[:depth] == path else None
        if not isinstance(index, int):
            result[old] = mark
        elif index in new_index:
            moved = (*path, new_index[index], *old[depth + 1 :])
            result[moved] = mark
    return result


def read_yaml(path: Path) -> Document:
    """The document in the file `path`.

    Raises UsageError if there is no such file or it cannot be read, ConfigError if it is larger
    than MAX_BYTES, no UTF-8 text, no YAML, or its top level is no mapping.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise UsageError(f"there is no file {path}") from None
    except IsADirectoryError:
        raise UsageError(
            f"{path} is a directory; expected a YAML file", remedy="name one of the files in it"
        ) from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}") from None
    except ValueError:  # a NUL byte in the name
        raise UsageError(f"{str(path)!r} is not a file name") from None
    return parse_yaml(raw, str(path))


def parse_yaml(raw: bytes, file: str) -> Document:
    """The document in the bytes `raw`; `file` names them in errors. Raises ConfigError."""
    text = _decode(raw, file)
    try:
        loader = _Loader(text)
        try:
            root = loader.get_single_node()
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        raise ConfigError([_syntax_problem(error, text, file)]) from None
    except yaml.reader.ReaderError as error:
        raise ConfigError([_character_problem(error, text, file)]) from None
    if root is None:
        raise ConfigError(
            [
                Problem(
                    file,
                    1,
                    1,
                    "$",
                    "the file is empty; expected keys such as `schema: 1`",
                    "a shipped scenario is a good start (`hil run quickstart`)",
                )
            ]
        )
    document = Document(file, {})
    data = _Builder(document).build(root)
    if not isinstance(data, dict):
        raise ConfigError(
            [
                *document.problems,
                document.problem(
                    (),
                    f"the file holds {describe(data)}; expected a mapping",
                    "write lines such as `schema: 1` at its top level",
                ),
            ]
        )
    document.data = data
    return document


def describe(value: object) -> str:
    """`value` in a few words, for messages: "the text `abc`", "a list"."""
    if value is None:
        return "no value"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, (int, float)):
        try:
            shown = str(value)
        except ValueError:  # more digits than Python converts
            return "a huge number"
        return f"the number {shown}" if len(shown) <= 40 else "a huge number"
    if isinstance(value, str):
        return f"the text `{value if len(value) <= 40 else value[:37] + '...'}`"
    return "a mapping" if isinstance(value, dict) else "a list"


# Text ---------------------------------------------------------------------------------------------


def _decode(raw: bytes, file: str) -> str:
    def refuse(message: str, remedy: str, line: int = 1, column: int = 1) -> ConfigError:
        return ConfigError([Problem(file, line, column, "$", message, remedy)])

    if len(raw) > MAX_BYTES:
        raise refuse(
            f"the file is larger than {MAX_BYTES >> 10} KiB, the most that is read",
            "use `upsets.rates` instead of very many single events",
        )
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise refuse("the file is UTF-16 text; expected UTF-8", "save it as UTF-8")
    nul = raw.find(b"\0")
    if nul >= 0:
        line = raw.count(b"\n", 0, nul) + 1
        raise refuse(
            "the file holds a zero byte, so it is no text; expected YAML",
            "is it the right file?",
            line,
            nul - raw.rfind(b"\n", 0, nul),
        )
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        bad = error.start + (3 if raw.startswith(b"\xef\xbb\xbf") else 0)
        begin = raw.rfind(b"\n", 0, bad) + 1
        raise refuse(
            f"the byte 0x{raw[bad]:02x} is not UTF-8 text",
            "save the file as UTF-8",
            raw.count(b"\n", 0, bad) + 1,
            len(raw[begin:bad].decode("utf-8-sig", "replace")) + 1,
        ) from None
    return text


class _Loader(yaml.SafeLoader):
    """Composes nodes only; with a limit of depth, before Python's own limit is met."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's own interface
    _depth = 0

    def compose_node(self, parent: Node | None, index: int) -> Node | None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise yaml.MarkedYAMLError(
                None,
                None,
                f"more than {MAX_DEPTH} levels of nesting",
                self.peek_event().start_mark,  # type: ignore[no-untyped-call]
            )
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1


for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    (
        "float",
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        list("-+0123456789."),
    ),
    ("merge", r"<<", ["<"]),
):
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_pattern})\Z"), _first
    )


# Values -------------------------------------------------------------------------------------------

_CORE = "tag:yaml.org,2002:"


class _TooMuchError(Exception):
    """The values exceed MAX_VALUES or MAX_DEPTH; `args[0]` is the Problem."""


class _Builder:
    """Makes plain values from composed nodes and fills in a document's marks and problems."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.count = 0
        self.open: list[int] = []  # ids of the nodes being built, outermost first

    def build(self, root: Node) -> object:
        try:
            return self.value(root, ())
        except _TooMuchError as stop:
            raise ConfigError([*self.document.problems, stop.args[0]]) from None

    def mark(self, node: Node, path: KeyPath) -> Mark:
        start = node.start_mark
        return Mark(self.document.file, start.line + 1, start.column + 1, path)

    def complain(self, node: Node, path: KeyPath, message: str, remedy: str = "") -> Problem:
        mark = self.mark(node, path)
        return Problem(mark.file, mark.line, mark.column, path_text(path), message, remedy)

    def value(self, node: Node, path: KeyPath) -> object:
        self.count += 1
        self.document.values[path] = self.mark(node, path)
        if id(node) in self.open:
            raise _TooMuchError(self.complain(node, path, "this anchor contains itself"))
        if self.count > MAX_VALUES:
            raise _TooMuchError(
                self.complain(
                    node,
                    path,
                    f"the file expands to more than {MAX_VALUES} values",
                    "repeat its anchors less often",
                )
            )
        if len(self.open) >= MAX_DEPTH:
            raise _TooMuchError(
                self.complain(node, path, f"more than {MAX_DEPTH} levels of nesting")
            )
        if isinstance(node, ScalarNode):
            return self.scalar(node, path)
        self.open.append(id(node))
        try:
            return (
                self.mapping(node, path)
                if isinstance(node, MappingNode)
                else [
                    self.value(child, (*path, index))
                    for index, child in enumerate(self.items(node, path))
                ]
            )
        finally:
            self.open.pop()

    def items(self, node: Node, path: KeyPath) -> list[Node]:
        if node.tag != _CORE + "seq":
            self.refuse_tag(node, path)
        children: list[Node] = node.value
        return children

    def refuse_tag(self, node: Node, path: KeyPath) -> None:
        self.document.problems.append(
            self.complain(
                node,
                path,
                f"the tag `{_shown_tag(node.tag)}` is not allowed here",
                'put the comparison in quotes, like "!= 0"'
                if node.tag == "!="
                else "remove it; only plain values are read",
            )
        )

    def mapping(self, node: MappingNode, path: KeyPath) -> dict[str, object]:
        if node.tag != _CORE + "map":
            self.refuse_tag(node, path)
        result: dict[str, object] = {}
        merged: list[MappingNode] = []
        for key_node, value_node in node.value:
            if key_node.tag == _CORE + "merge":
                merged.extend(self.merge_sources(value_node, path))
                continue
            key = key_node.value
            if not isinstance(key_node, ScalarNode) or key_node.tag != _CORE + "str":
                shown = f"`{key}`" if isinstance(key_node, ScalarNode) else "a list or mapping"
                self.document.problems.append(
                    self.complain(
                        key_node,
                        path,
                        f"{shown} is no text, so it cannot be a key",
                        "write decimals with a point"
                        if _is_decimal(key_node, value_node)
                        else "put it in quotes if it is really meant",
                    )
                )
                continue
            below = (*path, key)
            if key in result:
                first = self.document.keys[below]
                self.document.problems.append(
                    self.complain(
                        key_node,
                        below,
                        f"the key `{key}` is here a second time; the first is in line {first.line}",
                        "remove one of them",
                    )
                )
                continue
            self.document.keys[below] = self.mark(key_node, below)
            result[key] = self.value(value_node, below)
        for source in merged:
            self.merge(source, result, path)
        return result

    def merge_sources(self, node: Node, path: KeyPath) -> Iterator[MappingNode]:
        sources = node.value if isinstance(node, SequenceNode) else [node]
        for source in sources:
            if isinstance(source, MappingNode):
                yield source
            else:
                self.document.problems.append(
                    self.complain(source, path, "`<<` needs a mapping, or a list of mappings")
                )

    def merge(self, source: MappingNode, result: dict[str, object], path: KeyPath) -> None:
        # Built as part of another document, so that marks of keys already present stay.
        scratch = Document(self.document.file, {})
        inner = _Builder(scratch)
        inner.count, inner.open = self.count, self.open
        built = inner.value(source, path)
        self.count = inner.count
        self.document.problems.extend(
            p for p in scratch.problems if p not in self.document.problems
        )
        assert isinstance(built, dict)
        new = built.keys() - result.keys()
        result.update((key, item) for key, item in built.items() if key in new)
        for mine, other in (
            (self.document.keys, scratch.keys),
            (self.document.values, scratch.values),
        ):
            mine.update(
                (p, m)
                for p, m in other.items()
                if p[len(path) : len(path) + 1] and p[len(path)] in new
            )

    def _of_zeros(self, node: ScalarNode, path: KeyPath) -> Problem:
        """YAML 1.1 reads `017` as 15, YAML 1.2 as 17: nobody is to be surprised."""
        text = node.value
        shown = text if len(text) <= 40 else text[:37] + "..."
        sign = text[0].replace("+", "") if text[0] in "-+" else ""
        decimal = sign + (text.lstrip("-+0") or "0")
        octal = set(text) <= set("-+01234567")
        remedy = f"write {decimal}" if len(decimal) <= 40 else "write it without them"
        if octal and len(text) <= 40 and abs(int(decimal)) > 7:
            remedy += f", or {sign}{int(text.lstrip('-+'), 8)} if it is an octal number"
        return self.complain(
            node,
            path,
            f"`{shown}` begins with a zero, which some take for an octal number",
            f'{remedy}; text belongs in quotes: "{shown}"',
        )

    def _without_zeros(self, node: ScalarNode, path: KeyPath) -> str:
        """The text of a node. No name of a file, port or program can hold a zero byte."""
        text: str = node.value
        if "\0" in text:
            self.document.problems.append(
                self.complain(node, path, "the text holds a zero byte", "remove the `\\0`")
            )
        return text.replace("\0", "")

    def scalar(self, node: ScalarNode, path: KeyPath) -> object:
        text = node.value
        kind = node.tag.removeprefix(_CORE)
        try:
            if kind in {"str", "merge"}:
                return self._without_zeros(node, path)
            if kind == "null":
                return None
            if kind == "bool":
                return {"true": True, "false": False}[text.lower()]
            if kind == "int" and _LEADING_ZERO.fullmatch(text):
                self.document.problems.append(self._of_zeros(node, path))
                return int(text[:_DIGITS_MAX])
            if kind == "int" and len(text) <= _DIGITS_MAX:
                return int(text, 0) if text[:2] in ("0x", "0o") else int(text)
            if kind == "float":
                return float(text.replace(".inf", "inf").replace(".nan", "nan"))
            if kind in _KINDS:
                raise ValueError
        except (ValueError, KeyError):
            shown = text if len(text) <= 40 else text[:37] + "..."
            self.document.problems.append(
                self.complain(node, path, f"`{shown}` cannot be read as {_KINDS[kind]}")
            )
            return None
        self.refuse_tag(node, path)
        return text


_LEADING_ZERO = re.compile(r"[-+]?0[0-9]+")
_DIGITS_MAX = 40  # of a whole number: more than any needs, fewer than Python refuses to print
_KINDS = {"int": "a whole number", "float": "a number", "bool": "true or false"}


def _is_decimal(key: Node, value: Node) -> bool:
    """Whether `{a: 0,5}` was written, which is a key `5` without a value."""
    return key.tag == _CORE + "int" and isinstance(value, ScalarNode) and value.value == ""


def _shown_tag(tag: str) -> str:
    return "!!" + tag.removeprefix(_CORE) if tag.startswith(_CORE) else tag


# Syntax errors ------------------------------------------------------------------------------------

_QUOTE = "put texts that contain `: ` or ` #`, or begin with a special character, in quotes"
_INDENT = "lines of one mapping or list must begin in the same column"
_SYNTAX: tuple[tuple[str, str, str], ...] = (
    (r"found character '\\t'", "a tab where only spaces may stand", "indent with spaces"),
    (
        r"mapping values are not allowed here",
        "a `:` where no key can be",
        f"{_INDENT}; {_QUOTE}",
    ),
    (r"could not find expected ':'", "a key without its `:`", f"write `key: value`; {_QUOTE}"),
    (
        r"expected chomping or indentation indicators",
        "a text cannot begin with `>` or `|`",
        'put comparisons in quotes, like ">= 0.999"',
    ),
    (r"expected <block end>, but found", "this line does not fit the lines above it", _INDENT),
    (r"found undefined alias", "an alias (`*name`) of an anchor that is not defined above", _QUOTE),
    (r"found duplicate anchor", "an anchor (`&name`) is defined a second time", "rename one"),
    (r"unexpected end of stream", "a quote is opened here, but never closed", "close it"),
    (
        r"expected ',' or '[\]}]', but got '<stream end>'",
        "a bracket is opened here, but never closed",
        "close it",
    ),
    (
        r"expected ',' or '[\]}]'",
        "between brackets, a comma or the closing bracket is missing",
        "separate the values with commas",
    ),
    (
        r"found character '.' that cannot start any token",
        "a text cannot begin with this character",
        _QUOTE,
    ),
    (r"but found another document", "a second document (`---`); expected one", "split the file"),
    (r"unknown escape character", "an unknown `\\` escape in double quotes", "use single quotes"),
    (r"more than \d+ levels of nesting", "", "no scenario needs that; is it the right file?"),
)
_AT_CONTEXT = ("unexpected end of stream", "but got '<stream end>'", "could not find expected ':'")


def _syntax_problem(error: yaml.MarkedYAMLError, text: str, file: str) -> Problem:
    original = ", ".join(str(part) for part in (error.context, error.problem) if part)
    message, remedy = original, ""
    for pattern, friendly, what_to_do in _SYNTAX:
        if re.search(pattern, original):
            message, remedy = friendly or original, what_to_do
            break
    mark = error.problem_mark or error.context_mark
    if error.context_mark is not None and any(words in original for words in _AT_CONTEXT):
        mark = error.context_mark
    line, column = (mark.line, mark.column) if mark is not None else (0, 0)
    lines = re.split("\r\n|[\n\r\x85\u2028\u2029]", text)
    indent = re.match(r"[ \t]*", lines[min(line, len(lines) - 1)])
    tab = -1 if indent is None else indent[0].find("\t")
    if tab >= 0:  # the real cause, whatever the parser stumbled over
        message, remedy = "a tab in the indentation; only spaces may stand there", "use spaces"
        column = tab
    return Problem(file, line + 1, column + 1, "$", f"not valid YAML: {message}", remedy)


def _character_problem(error: yaml.reader.ReaderError, text: str, file: str) -> Problem:
    before = text[: error.position]
    code = error.character if isinstance(error.character, int) else ord(error.character)
    return Problem(
        file,
        before.count("\n") + 1,
        len(before) - before.rfind("\n"),
        "$",
        f"the control character U+{code:04X} is not allowed in YAML",
        "remove it; is it the right file?",
    )
