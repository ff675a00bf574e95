"""Reads YAML files into plain values, with the place of each value.

Knows YAML, not scenarios. PyYAML parses; the values are made here, because PyYAML's own
constructor forgets positions, lets the last of two equal keys win, builds objects from tags, and
follows YAML 1.1, where a node called `no` is the value false and `1:30` the number 90. Plain
values are read by the YAML 1.2 core rules instead: null, true/false, numbers, else text.

Untrusted input: the size of a file, its depth and the number of values it expands to are limited.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from hil.errors import ConfigError, Problem, UsageError
from hil.json_values import JsonValue
from hil.scenario.yaml.document import Document, KeyPath, SourceMark, path_text
from hil.scenario.yaml.messages import character_problem, describe, shortened, syntax_problem

__all__ = ["MAX_BYTES", "MAX_DEPTH", "MAX_VALUES", "FileKind", "parse_yaml", "read_yaml"]

MAX_BYTES = 1 << 20
MAX_DEPTH = 32
MAX_VALUES = 200_000


@dataclass(frozen=True, slots=True)
class FileKind:
    """A kind of file, for the message on one that has no keys: an `example` of a key, and `start`,
    which says how to get a file to begin with."""

    example: str
    start: str


_SCENARIO: Final = FileKind(
    "schema: 1", "a shipped scenario is a good start (`hil run quickstart`)"
)


def read_yaml(path: Path, kind: FileKind = _SCENARIO) -> Document:
    """Read the document in the file `path`, which is of the kind `kind`.

    Raises:
        UsageError: There is no such file, or it cannot be read.
        ConfigError: The file is larger than MAX_BYTES, not UTF-8 text, not YAML, or its top level
            is not a mapping.
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
    return parse_yaml(raw, str(path), kind)


def parse_yaml(raw: bytes, file: str, kind: FileKind = _SCENARIO) -> Document:
    """Read the document in the bytes `raw`, of the kind `kind`; `file` names them in errors.

    Raises:
        ConfigError: The bytes are larger than MAX_BYTES, not UTF-8 text, not YAML, or their top
            level is not a mapping.
    """
    text = _decode(raw, file)
    try:
        loader = _Loader(text)
        try:
            root = loader.get_single_node()
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        raise ConfigError([syntax_problem(error, text, file)]) from None
    except yaml.reader.ReaderError as error:
        raise ConfigError([character_problem(error, text, file)]) from None
    if root is None:
        raise ConfigError(
            [
                Problem(
                    file,
                    1,
                    1,
                    "$",
                    f"the file is empty; expected keys such as `{kind.example}`",
                    kind.start,
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
                    f"write lines such as `{kind.example}` at its top level",
                ),
            ]
        )
    document.data = data
    return document


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
            "the file holds a zero byte, so it is not text; expected YAML",
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

    def build(self, root: Node) -> JsonValue:
        try:
            return self.value(root, ())
        except _TooMuchError as stop:
            raise ConfigError([*self.document.problems, stop.args[0]]) from None

    def mark(self, node: Node, path: KeyPath) -> SourceMark:
        start = node.start_mark
        return SourceMark(self.document.file, start.line + 1, start.column + 1, path)

    def complain(self, node: Node, path: KeyPath, message: str, remedy: str = "") -> Problem:
        mark = self.mark(node, path)
        return Problem(mark.file, mark.line, mark.column, path_text(path), message, remedy)

    def value(self, node: Node, path: KeyPath) -> JsonValue:
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

    def mapping(self, node: MappingNode, path: KeyPath) -> dict[str, JsonValue]:
        if node.tag != _CORE + "map":
            self.refuse_tag(node, path)
        result: dict[str, JsonValue] = {}
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
                        f"{shown} is not text, so it cannot be a key",
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

    def merge(self, source: MappingNode, result: dict[str, JsonValue], path: KeyPath) -> None:
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
        """Return the Problem of a number with leading zeros.

        YAML 1.1 reads `017` as 15, YAML 1.2 as 17: readers must not be surprised.
        """
        text = node.value
        shown = shortened(text)
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
        """Return the text of a node. No name of a file, port or program can hold a zero byte."""
        text: str = node.value
        if "\0" in text:
            self.document.problems.append(
                self.complain(node, path, "the text holds a zero byte", "remove the `\\0`")
            )
        return text.replace("\0", "")

    def scalar(self, node: ScalarNode, path: KeyPath) -> JsonValue:
        text: str = node.value
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
            self.document.problems.append(
                self.complain(node, path, f"`{shortened(text)}` cannot be read as {_KINDS[kind]}")
            )
            return None
        self.refuse_tag(node, path)
        return text


_LEADING_ZERO = re.compile(r"[-+]?0[0-9]+")
_DIGITS_MAX = 40  # of a whole number: more than any needs, fewer than Python refuses to print
_KINDS = {"int": "a whole number", "float": "a number", "bool": "true or false"}


def _is_decimal(key: Node, value: Node) -> bool:
    """Return whether `{a: 0,5}` was written, which is a key `5` without a value."""
    return key.tag == _CORE + "int" and isinstance(value, ScalarNode) and value.value == ""


def _shown_tag(tag: str) -> str:
    return "!!" + tag.removeprefix(_CORE) if tag.startswith(_CORE) else tag
