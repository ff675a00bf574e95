"""The shipped scenarios as a table. Takes plain values."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from hil.views.style import HEAD

__all__ = ["table"]


def table(rows: Sequence[tuple[str, str]]) -> RenderableType:
    """Return one line for each scenario: its name and its summary."""
    out = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    out.add_column(no_wrap=True)
    out.add_column(overflow="fold")
    for name, summary in rows:
        out.add_row(Text(name, style=HEAD), summary)
    return out
