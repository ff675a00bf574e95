"""The sources of the package as syntax trees, parsed once: several tests look at all of them."""

from __future__ import annotations

import ast
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

__all__ = ["nodes_of_file", "tree_of"]

PACKAGE = Path(__file__).resolve().parents[1] / "hil"


@contextmanager
def _kept_for_good() -> Iterator[None]:
    """What is made meanwhile is never looked at by the collector of garbage. Else it would go
    through the nodes of all trees, again and again, while they are made and in later tests."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.freeze()


@cache
def _trees_of_package() -> dict[Path, ast.Module]:
    with _kept_for_good():
        return {path: _parsed(path) for path in PACKAGE.rglob("*.py")}


def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def tree_of(path: Path) -> ast.Module:
    """The tree of a source file. All who ask get the same one: it is not to be changed."""
    return _trees_of_package().get(path) or _parsed(path)


@cache
def nodes_of_file(path: Path) -> tuple[ast.AST, ...]:
    """All nodes of that tree, as `ast.walk` yields them."""
    return tuple(ast.walk(tree_of(path)))
