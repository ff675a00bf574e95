"""The Markdown documents of the tree, taken apart: fenced blocks, shell commands, code spans."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_NOT_OURS = {
    ".git",
    ".venv",
    "venv",
    "build",
    "dist",
    "node_modules",
    "__pycache__",
    ".pytest_cache",
}

_FENCE = re.compile(r"^(?P<indent> *)(?P<marks>`{3,}|~{3,}) *(?P<info>[^`]*)$")
_SPAN = re.compile(r"(?<!`)`([^`\n]+(?:\n[^`\n]+)?)`(?!`)")


@dataclass(frozen=True)
class Block:
    """One fenced block of a document; `line` is that of its fence."""

    document: str
    line: int
    language: str
    text: str

    @property
    def first(self) -> str:
        """Its first line that is not empty: what tables of these tests know it by."""
        return next((line.strip() for line in self.text.splitlines() if line.strip()), "")

    @property
    def place(self) -> str:
        return f"{self.document}:{self.line}"


def documents() -> list[Path]:
    """All Markdown files of the tree, but for what is installed or built in it."""
    found: list[Path] = []
    for folder, folders, files in os.walk(ROOT):
        folders[:] = set(folders) - _NOT_OURS
        found += [Path(folder, name) for name in files if name.endswith(".md")]
    return sorted(found)


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def blocks_of(path: Path) -> Iterator[Block]:
    """The fenced blocks of a document, without the indentation of the list that they stand in."""
    lines = path.read_text(encoding="utf-8").splitlines()
    at = 0
    while at < len(lines):
        opened = _FENCE.match(lines[at])
        at += 1
        if opened is None:
            continue
        begun, indent, content = at, len(opened["indent"]), []
        while at < len(lines) and lines[at].strip() != opened["marks"]:
            content.append(lines[at][indent:])
            at += 1
        assert at < len(lines), f"{name_of(path)}:{begun}: this block has no end"
        at += 1
        language = opened["info"].split()[0] if opened["info"].split() else ""
        yield Block(name_of(path), begun, language, "\n".join(content) + "\n")


def prose_of(path: Path) -> str:
    """A document without its fenced blocks, line for line."""
    kept: list[str] = []
    marks = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        fence = _FENCE.match(line)
        if marks:
            marks = "" if line.strip() == marks else marks
            kept.append("")
        elif fence is not None:
            marks = fence["marks"]
            kept.append("")
        else:
            kept.append(line)
    return "\n".join(kept)


def anchors_of(path: Path) -> set[str]:
    """The names by which links reach the headings of a document, as GitHub makes them."""
    headings = re.findall(r"^#{1,6} (.+)$", prose_of(path), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def spans_of(path: Path) -> Iterator[tuple[int, str]]:
    """The code spans of a document's prose, each with its line."""
    prose = prose_of(path)
    for found in _SPAN.finditer(prose):
        yield prose.count("\n", 0, found.start()) + 1, " ".join(found[1].split())


def commands_of(text: str) -> list[str]:
    """The commands of a shell block, without comments: a line each, or more where a quotation mark
    or a backslash at its end leads on."""
    out: list[str] = []
    waiting = ""
    for line in text.splitlines():
        waiting += line + "\n"
        if line.endswith("\\"):
            continue
        try:
            words = shlex.split(waiting, comments=True)
        except ValueError:
            continue  # a quotation is still open
        if words:
            out.append(_without_comment(waiting))
        waiting = ""
    assert not waiting.strip(), f"this command has no end: {waiting}"
    return out


def _without_comment(command: str) -> str:
    """A comment begins with a # at the beginning of a word, outside of quotations."""
    quote = ""
    for at, letter in enumerate(command):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif letter == "#" and (at == 0 or command[at - 1].isspace()):
            return command[:at].strip()
    return command.strip()
