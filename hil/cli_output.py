"""How commands write, given to those that live in modules of their own.

Results go to stdout, everything else to stderr; hil.cli says how."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import typer

if TYPE_CHECKING:
    from rich.console import RenderableType

    from hil.views.style import Glyphs

__all__ = ["Json", "Output", "Show"]

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout instead.")]


class Show(Protocol):
    """Print a view; `width` columns where it is no terminal."""

    def __call__(
        self, make: Callable[[Glyphs], RenderableType], *, width: int | None = None
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class Output:
    """`out` a line of result, `say` one beside it, `answer` the JSON object, `show` a view."""

    out: Callable[[str], None]
    say: Callable[[str], None]
    answer: Callable[[Mapping[str, Any]], None]
    show: Show
