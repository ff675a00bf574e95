"""The footer: the keys that work now, as many as fit, the most important first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.widgets import Footer

__all__ = ["Keys"]

_AROUND: Final = 3
"""Columns around a key and its word."""


class Keys(Footer):
    """The footer. `rank` returns the rank of an action and its word (empty: that of the binding);
    None: it is not shown now."""

    def __init__(self, rank: Callable[[str], tuple[int, str] | None]) -> None:
        super().__init__()
        self._rank = rank

    def compose(self) -> ComposeResult:
        """Yield the keys that fit; none is cut. `?` and the palette list the others."""
        wanted: list[tuple[int, int, Any]] = []
        keys: list[Any] = list(super().compose())
        for place, key in enumerate(keys):
            ranked = self._rank(key.action)
            if ranked is not None:
                wanted.append((ranked[0], place, key))
                key.description = ranked[1] or key.description
                key.remove_class("-command-palette")  # one key among others, without a border
                key.compact = False
        room, shown = self.app.size.width, set()
        for _, place, key in sorted(wanted, key=lambda one: one[:2]):
            width = cell_len(key.key_display) + cell_len(key.description) + _AROUND
            if width <= room:
                room -= width
                shown.add(place)
        yield from (key for place, key in enumerate(keys) if place in shown)
