"""The sources of the package as syntax trees, parsed once: several tests look at all of them."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

__all__ = ["nodes_of_file", "tree_of"]


@cache
def tree_of(path: Path) -> ast.Module:
    """The tree of a source file. All who ask get the same one: it is not to be changed."""
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def nodes_of_file(path: Path) -> tuple[ast.AST, ...]:
    """All nodes of that tree, as `ast.walk` yields them."""
    return tuple(ast.walk(tree_of(path)))
