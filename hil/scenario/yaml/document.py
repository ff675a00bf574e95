"""The values of one YAML file, and the place of each of them.

Knows paths and marks, not the syntax of YAML: `hil.scenario.yaml.reader` fills a `Document`, and
overrides change it.
"""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass, field

from hil.errors import Problem
from hil.json_values import JsonValue

__all__ = ["Document", "KeyPath", "SourceMark", "path_text"]

KeyPath = tuple[str | int, ...]
"""The way to a value: keys and list positions, from the top."""

_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*")


def path_text(path: KeyPath) -> str:
    """Return `path` as users see it: `$.rig.nodes[1].baud`."""
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
class SourceMark:
    """The place of a value: file, line and column (from 1; 0 = none), path in that file."""

    file: str
    line: int
    column: int
    path: KeyPath


@dataclass
class Document:
    """The values of one file, and the mark of each.

    `data` is what YAML gives, before it is validated: dates are text, numbers may be infinite.
    `keys` has the mark of a key, `values` that of its value. `problems` are those found while
    reading that did not stop it.
    """

    file: str
    data: dict[str, JsonValue]
    keys: dict[KeyPath, SourceMark] = field(default_factory=dict)
    values: dict[KeyPath, SourceMark] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def copied(self) -> Document:
        """Return an independent copy that may be changed."""
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
        """Return a Problem at `path`, or at the nearest value above it that the file has."""
        depth = next(n for n in range(len(path), -1, -1) if path[:n] in self.values or n == 0)
        prefix = path[:depth]
        mark = self.values.get(prefix) or SourceMark(self.file, 1, 1, ())
        if at_key:
            mark = self.keys.get(prefix, mark)
        return Problem(
            mark.file,
            mark.line,
            mark.column,
            path_text(mark.path + path[depth:]),
            message,
            remedy,
        )

    def written(self, path: KeyPath) -> bool:
        """Return whether there is a value at `path`."""
        return path in self.values

    def get(self, path: KeyPath) -> JsonValue:
        """Return the value at `path`; None if there is none."""
        value: JsonValue = self.data
        for step in path:
            if isinstance(value, dict):
                value = value.get(step)
            elif isinstance(value, list) and isinstance(step, int) and step < len(value):
                value = value[step]
            else:
                return None
        return value

    def replace(self, path: KeyPath, value: JsonValue, source: str) -> None:
        """Set the value at `path`; problems there and below then name `source`.

        Does nothing if a value above it is not a mapping: validation reports that.
        """
        parent: JsonValue = self.data
        for depth, step in enumerate(path[:-1], 1):
            if not isinstance(parent, dict):
                return
            if step not in parent:
                parent[step] = {}
                self.values[path[:depth]] = SourceMark(source, 0, 0, path[:depth])
            parent = parent[step]
        if isinstance(parent, dict):
            parent[path[-1]] = value
            self._forget(path)
            self.values[path] = SourceMark(source, 0, 0, path)

    def remove(self, path: KeyPath) -> None:
        """Remove the key at `path` from its mapping, if it is there."""
        parent = self.get(path[:-1])
        if isinstance(parent, dict) and path[-1] in parent:
            del parent[path[-1]]
            self._forget(path)

    def append(self, path: KeyPath, value: JsonValue, source: str) -> None:
        """Add an element to the list at `path`; problems there name `source`."""
        items = self.get(path)
        if isinstance(items, list):
            below = (*path, len(items))
            items.append(value)
            self.values[below] = SourceMark(source, 0, 0, below)

    def keep(self, path: KeyPath, indices: list[int]) -> None:
        """Reduce the list at `path` to the elements at `indices`, which keep their marks."""
        items = self.get(path)
        if not isinstance(items, list):
            return
        items[:] = [items[index] for index in indices]
        new_index = {old: new for new, old in enumerate(indices)}
        self.keys = _reindexed(self.keys, path, new_index)
        self.values = _reindexed(self.values, path, new_index)

    def _forget(self, path: KeyPath) -> None:
        for marks in (self.keys, self.values):
            for below in [p for p in marks if p[: len(path)] == path]:
                del marks[below]


def _reindexed(
    marks: dict[KeyPath, SourceMark], path: KeyPath, new_index: dict[int, int]
) -> dict[KeyPath, SourceMark]:
    """Return `marks` after elements of the list at `path` moved, without those of removed ones."""
    result: dict[KeyPath, SourceMark] = {}
    depth = len(path)
    for old, mark in marks.items():
        index = old[depth] if len(old) > depth and old[:depth] == path else None
        if not isinstance(index, int):
            result[old] = mark
        elif index in new_index:
            moved = (*path, new_index[index], *old[depth + 1 :])
            result[moved] = mark
    return result
