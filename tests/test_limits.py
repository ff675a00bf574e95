"""Limits of size that keep the code readable: files, classes, functions, parameters, names."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.sources import tree_of

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "hil"

FILE_LINES = 450
CLASS_LINES = 300
PUBLIC_METHODS = 25
FUNCTION_LINES = 60
PARAMETERS = 8  # without self and cls
ROOMS = 33

# Command lines have a parameter for each option; the pages of the screen have one model each.
MANY_PARAMETERS = "hil/cli/"
REPEATED_MODULES = ("hil/cli/", "hil/views/screen/model/", "hil/views/screen/pages/")

Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def trees() -> dict[str, ast.Module]:
    return {
        path.relative_to(ROOT).as_posix(): tree_of(path) for path in sorted(PACKAGE.rglob("*.py"))
    }


def definitions(tree: ast.AST, outer: str = "") -> Iterator[tuple[str, ast.ClassDef | Function]]:
    """All classes and functions of a tree with their qualified names, nested ones included."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            name = f"{outer}{node.name}"
            yield name, node
            yield from definitions(node, f"{name}.")
        else:
            yield from definitions(node, outer)


@cache
def classes() -> dict[str, ast.ClassDef]:
    return {
        f"{path}:{name}": node
        for path, tree in trees().items()
        for name, node in definitions(tree)
        if isinstance(node, ast.ClassDef)
    }


@cache
def functions() -> dict[str, Function]:
    return {
        f"{path}:{name}": node
        for path, tree in trees().items()
        for name, node in definitions(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    }


def lines(node: ast.ClassDef | Function) -> int:
    assert node.end_lineno is not None
    return node.end_lineno - node.lineno + 1


def public_methods(node: ast.ClassDef) -> int:
    """The number of public methods and properties that the class itself defines."""
    return len(
        {
            inner.name
            for inner in node.body
            if isinstance(inner, (ast.FunctionDef, ast.AsyncFunctionDef))
            and not inner.name.startswith("_")
        }
    )


def parameters(node: Function) -> int:
    given = node.args
    names = [p.arg for p in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    return len(names) - (names[:1] in (["self"], ["cls"]))


def long_files() -> dict[str, str]:
    counts = {path: len((ROOT / path).read_text(encoding="utf-8").splitlines()) for path in trees()}
    return {path: f"{n} lines" for path, n in counts.items() if n > FILE_LINES}


def long_classes() -> dict[str, str]:
    return {at: f"{lines(c)} lines" for at, c in classes().items() if lines(c) > CLASS_LINES}


def broad_classes() -> dict[str, str]:
    return {
        at: f"{public_methods(c)} public methods"
        for at, c in classes().items()
        if public_methods(c) > PUBLIC_METHODS
    }


def long_functions() -> dict[str, str]:
    return {at: f"{lines(f)} lines" for at, f in functions().items() if lines(f) > FUNCTION_LINES}


def many_parameters() -> dict[str, str]:
    return {
        at: f"{parameters(f)} parameters"
        for at, f in functions().items()
        if parameters(f) > PARAMETERS and not at.startswith(MANY_PARAMETERS)
    }


def repeated_classes() -> dict[str, str]:
    """The public classes of modules whose name stands for more than one class."""
    places: dict[str, list[str]] = defaultdict(list)
    for path, tree in trees().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(path)
    return {name: ", ".join(paths) for name, paths in places.items() if len(paths) > 1}


def repeated_modules() -> dict[str, str]:
    places: dict[str, list[str]] = defaultdict(list)
    for path in trees():
        parts = Path(path).parts
        if parts[-1] != "__init__.py" and not path.startswith(REPEATED_MODULES):
            places["/".join((*parts[:2], "**", parts[-1]) if len(parts) > 2 else parts)].append(
                path
            )
    return {name: ", ".join(paths) for name, paths in places.items() if len(paths) > 1}


CHECKS: dict[str, Callable[[], dict[str, str]]] = {
    f"no file is longer than {FILE_LINES} lines": long_files,
    f"no class is longer than {CLASS_LINES} lines": long_classes,
    f"no class has more than {PUBLIC_METHODS} public methods": broad_classes,
    f"no function is longer than {FUNCTION_LINES} lines": long_functions,
    f"no function takes more than {PARAMETERS} parameters": many_parameters,
    "no two public classes have one name": repeated_classes,
    "no two modules of a room have one name": repeated_modules,
}


@pytest.mark.parametrize("limit", CHECKS)
def test_the_limit_holds_everywhere(limit: str) -> None:
    above = [f"{at}: {size}" for at, size in CHECKS[limit]().items()]
    assert not above, f"{limit}\n" + "\n".join(above)


def test_there_are_few_rooms() -> None:
    rooms = {Path(path).parts[1].removesuffix(".py") for path in trees()} - {"__init__", "__main__"}
    assert 10 < len(rooms) <= ROOMS, sorted(rooms)
