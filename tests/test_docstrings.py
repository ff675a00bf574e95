"""Public docstrings: whole sentences that say what something does or is, and the errors it raises.

A function's begins with a verb, a class's with a noun. Errors stand behind `Raises:`. A method that
implements a documented one of a protocol or a base class needs none of its own."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from tests.sources import tree_of

ROOT = Path(__file__).resolve().parents[1]

FRAGMENT = re.compile(r"(What|Who|Whose|How|Why|Which|Whether|Where|When|If|From|Of)\b")
NO_VERB = re.compile(
    r"(An?|The|This|That|These|Those|It|Its|They|We|All|Any|Each|Every|Some|No|None|One|Two|Another"
    r"|As|At|By|In|On|For|To|With|Without|Within|After|Before|Called|Only|Raises|While|There|Same)\b"
    r"|[^A-Z]"
)
ERROR = r"(?:[A-Z]\w*(?:Error|Lost|Mismatch|Timeout|InUse)|sqlite3\.Error)"
NOT_BEHIND_RAISES = re.compile(
    rf"(?:^|[.)] ){ERROR}(?:, [^.]*?,)? (?:if|for|unless|when|where)\b|\bRaises {ERROR}"
)


@dataclass(frozen=True)
class Definition:
    """A public module, class, function or method, with its docstring on one line."""

    place: str
    name: str
    doc: str
    is_function: bool

    @property
    def is_method(self) -> bool:
        return self.is_function and "." in self.name

    def __str__(self) -> str:
        return f"{self.place}: {self.name}: {self.doc[:60]}"


def doc_of(node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    return " ".join((ast.get_docstring(node) or "").split())


def definitions(path: str, body: list[ast.stmt], outer: str = "") -> Iterator[Definition]:
    """The public classes and functions in a body, and those in its classes."""
    for node in body:
        if not isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        if node.name.startswith("_") or any(
            "setter" in ast.unparse(d) for d in node.decorator_list
        ):
            continue
        name = f"{outer}{node.name}"
        is_function = not isinstance(node, ast.ClassDef)
        yield Definition(f"{path}:{node.lineno}", name, doc_of(node), is_function)
        if isinstance(node, ast.ClassDef):
            yield from definitions(path, node.body, f"{name}.")


@cache
def public() -> list[Definition]:
    """All public definitions of the package, modules included."""
    out: list[Definition] = []
    for path in sorted((ROOT / "hil").rglob("*.py")):
        place, tree = str(path.relative_to(ROOT)), tree_of(path)
        out.append(Definition(f"{place}:1", place, doc_of(tree), False))
        out += definitions(place, tree.body)
    return out


def test_everything_public_has_a_docstring() -> None:
    assert len(public()) > 1000
    documented = {d.name.rpartition(".")[2] for d in public() if d.is_method and d.doc}
    bare = [d for d in public() if not d.doc]
    wrong = [d for d in bare if not (d.is_method and d.name.rpartition(".")[2] in documented)]
    assert not wrong, "\n".join(map(str, wrong))


def problem(doc: str, *, is_function: bool) -> str:
    """What is wrong with a docstring that stands on one line; empty if nothing is."""
    if not doc:
        return ""
    if FRAGMENT.match(doc):
        return "a fragment"
    if is_function and NO_VERB.match(doc):
        return "no verb at the beginning"
    if NOT_BEHIND_RAISES.search(doc):
        return "an error that is not behind `Raises:`"
    return ""


def test_docstrings_say_what_something_does_and_raises() -> None:
    wrong = [
        f"{d}: {what}" for d in public() if (what := problem(d.doc, is_function=d.is_function))
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("doc", "is_function", "wrong"),
    [
        ("Return the record. Raises: RecordError if there is none.", True, False),
        ("The record of a run.", False, False),
        ("The record of a run.", True, True),
        ("`text` without its escapes.", True, True),
        ("What a run says of itself.", False, True),
        ("Whether it is open.", True, True),
        ("Return the record. RecordError if there is none.", True, True),
        ("Return the record. Raises RecordError if there is none.", True, True),
        ("Return it. Raises: RecordError if it is damaged; OSError if it is gone.", True, False),
    ],
)
def test_the_search_finds_what_is_wrong(doc: str, is_function: bool, wrong: bool) -> None:
    assert bool(problem(doc, is_function=is_function)) is wrong
