"""Edits a bench file: what is not changed stays as it was written, with its comments, order, quotes
and spaces.

YAML libraries write the whole file again from its values. Here only the changed places are written
into the text, at the positions that PyYAML reports; afterwards the text is read again, and must
have exactly the intended values.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final, TypeAlias

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from hil.errors import ConfigError, SetupError
from hil.scenario.bench import BENCH_SCHEMA_VERSION, parse_bench

__all__ = ["BenchText", "NewBoard", "fresh_text", "is_accepted"]

_PLAIN: Final = re.compile(r"[A-Za-z/][A-Za-z0-9_./-]*(?::[A-Za-z0-9_./-]+)*")
_QUOTED: Final = '"\\'
_WORDS: Final = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"}


BenchValue: TypeAlias = "str | int | bool | None"
"""The new value of a key; a bool is written as `true` or `false`."""


@dataclass(frozen=True, slots=True)
class NewBoard:
    """A board to add to a bench file. Fields that are None are not written.

    Texts from boards and adapters can be anything: `is_accepted` reports whether a bench file may
    contain them. Rates are in bit/s.
    """

    name: str
    port: str | None = None
    adapter: str | None = None
    baud: int | None = None
    serial: str | None = None
    fast_baud: int | None = None

    def items(self) -> Iterator[tuple[str, str | int]]:
        """Return the keys that are written, in their order, and the value of each."""
        for key in fields(self):
            value = getattr(self, key.name)
            if value is not None:
                yield key.name, value


def _scalar(value: BenchValue) -> str:
    """Return a value as YAML, in quotes where it needs them."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    text = str(value)
    plain = _PLAIN.fullmatch(text) and text.lower() not in _WORDS
    return text if plain else f'"{_escaped(text, also=_QUOTED)}"'


def _escaped(text: str, also: str = "") -> str:
    """Return `text` with YAML escapes for characters that cannot be printed, and for those in
    `also`.
    """
    return "".join(
        char if char.isprintable() and char not in also else _escape(char) for char in text
    )


def _escape(char: str) -> str:
    code = ord(char)
    if char in _QUOTED:
        return "\\" + char
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


@dataclass(slots=True)
class BenchText:
    """The text of a bench file, which `set_key` and `append` change in place.

    Raises:
        SetupError: The change cannot be made without altering the rest of the file: the owner must
            edit it.
    """

    text: str
    file: str

    def _boards(self) -> SequenceNode:
        root = yaml.compose(self.text, Loader=yaml.SafeLoader)
        if isinstance(root, MappingNode):
            for key, value in root.value:
                if key.value == "boards" and isinstance(value, SequenceNode):
                    return value
        raise self._refuse("it has no list `boards:`")

    def _refuse(self, why: str) -> SetupError:
        return SetupError(
            f"{self.file} cannot be changed safely: {why}",
            remedy="edit it by hand",
        )

    def set_key(self, index: int, key: str, value: BenchValue) -> None:
        """Set a key of board `index` (from 0): in place, or as a new key after the board's name.

        Raises: SetupError if that would change more than the key."""
        board = self._boards().value[index]
        if not isinstance(board, MappingNode) or not board.value:
            raise self._refuse(f"board {index + 1} is not a mapping")
        for name, old in board.value:
            if name.value == key:
                if not isinstance(old, ScalarNode) or old.style in {"|", ">"}:
                    raise self._refuse(f"`{key}` of board {index + 1} is not a simple value")
                start, end = old.start_mark.index, old.end_mark.index
                shown = _scalar(value)
                if start == end:  # `key:` without a value
                    shown = " " + shown
                self._commit(self.text[:start] + shown + self.text[end:], index, key, value)
                return
        self._insert(board, index, key, value)

    def _insert(self, board: MappingNode, index: int, key: str, value: BenchValue) -> None:
        first, name = board.value[0]
        for candidate, content in board.value:
            if candidate.value == "name":
                first, name = candidate, content
        if not isinstance(name, ScalarNode):
            raise self._refuse(f"the name of board {index + 1} is not a simple value")
        at = name.end_mark.index
        if board.flow_style:
            changed = f"{self.text[:at]}, {key}: {_scalar(value)}{self.text[at:]}"
        else:
            at = self._line_end(at)
            line = f"\n{' ' * first.start_mark.column}{key}: {_scalar(value)}"
            changed = self.text[:at] + line + self.text[at:]
        self._commit(changed, index, key, value)

    def _line_end(self, at: int) -> int:
        end = self.text.find("\n", at)
        return len(self.text) if end < 0 else end

    def _commit(self, changed: str, index: int, key: str, value: BenchValue) -> None:
        """Accept a changed text if it reads as what it should say, and nothing else."""
        before, after = _plain(self.text), _plain(changed)
        if before is not None:
            before["boards"][index][key] = value
        if before is None or before != after:
            raise self._refuse(f"setting `{key}` of board {index + 1} would change more than that")
        self.text = changed

    def append(self, board: NewBoard, comment: str = "") -> None:
        """Add a new board after the others.

        Raises: SetupError if that would change anything else."""
        boards = self._boards()
        before = _plain(self.text)
        if boards.flow_style:
            at = boards.end_mark.index - 1
            gap = ", " if boards.value else ""
            pairs = ", ".join(f"{key}: {_scalar(value)}" for key, value in board.items())
            changed = f"{self.text[:at].rstrip()}{gap}{{{pairs}}}{self.text[at:]}"
        else:
            at = self._line_end(_last(boards).end_mark.index)
            entry = _entry(board, " " * boards.start_mark.column, comment)
            changed = self.text[:at] + "\n" + entry.rstrip("\n") + self.text[at:]
        after = _plain(changed)
        if before is not None:
            before["boards"].append(dict(board.items()))
        if before is None or before != after:
            raise self._refuse("a new board would change more than that")
        self.text = changed

    def finished(self) -> str:
        """Return the text, checked as a bench file.

        Raises:
            ConfigError: The text is not a valid bench file.
        """
        parse_bench(self.text, file=self.file)
        return self.text


def _plain(text: str) -> Any:
    """Return the values of a text by the rules of YAML 1.1, for comparison only."""
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return None


def _last(node: Node) -> Node:
    """Return the last node within a node: a block ends before the comments that follow it."""
    if isinstance(node, MappingNode) and not node.flow_style and node.value:
        return _last(node.value[-1][1])
    if isinstance(node, SequenceNode) and not node.flow_style and node.value:
        return _last(node.value[-1])
    return node


def _entry(board: NewBoard, indent: str, comment: str) -> str:
    lines = [f"{key}: {_scalar(value)}" for key, value in board.items()]
    if comment:
        lines[0] += f"  # {_escaped(comment)}"
    return "".join(f"{indent}{'  ' if n else '- '}{line}\n" for n, line in enumerate(lines))


_HEAD: Final = """\
# The boards of this bench, in the order in which a rig takes them. Written by `hil discover`, which
# keeps what you change here; every key is explained in boards/README.md.
schema: {schema}
boards:
"""


def fresh_text(boards: Sequence[tuple[NewBoard, str]]) -> str:
    """Return the text of a new bench file: boards, each with a comment.

    Raises:
        ConfigError: The boards do not form a valid bench.
    """
    text = _HEAD.format(schema=BENCH_SCHEMA_VERSION)
    text += "".join(_entry(board, "  ", comment) for board, comment in boards)
    return BenchText(text, "<new bench file>").finished()


def is_accepted(board: NewBoard) -> bool:
    """Return whether a bench file with this board is valid and reads back as this board."""
    try:
        (read,) = parse_bench(fresh_text([(board, "")])).boards
    except ConfigError:
        return False
    return all(getattr(read, key) == value for key, value in board.items())
