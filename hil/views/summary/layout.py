"""The layout of the sections of a summary: titles, tables, and numbers as text."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from hil.views.style import DIM, HEAD, Glyphs

__all__ = [
    "columns",
    "count_cell",
    "count_text",
    "grid",
    "number_text",
    "section",
    "size_text",
    "unbroken",
]


def grid() -> Table:
    """Return an empty table without a header."""
    return Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))


def columns() -> Table:
    """Return an empty table with a header."""
    return Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style=DIM)


def section(title: str, *content: RenderableType) -> RenderableType:
    """Return a titled section with its content indented."""
    return Group(Text(f"\n {title}", style=HEAD), *(Padding(c, (0, 0, 0, 3)) for c in content))


def unbroken(line: Text) -> Text:
    """Keep a line that is to be copied from being wrapped or cut; return it."""
    line.no_wrap, line.overflow = True, "ignore"
    return line


def number_text(value: float | None) -> str:
    """Return a measured value with six digits at most."""
    if value is None:
        return "not measured"
    return f"{int(value)}" if float(value).is_integer() else f"{value:.6g}"


def count_text(count: int) -> str:
    """Return a count in five characters at most: 999, 12k, 3.4M."""
    if count < 10_000:
        return str(count)
    unit, scaled = "k", count / 1000
    for larger in "MG":
        if scaled < 999.5:
            break
        unit, scaled = larger, round(scaled) / 1000
    return f"{scaled:.1f}{unit}" if scaled < 9.95 else f"{scaled:.0f}{unit}"


def size_text(count: int) -> str:
    """Return a number of bytes in a fitting unit."""
    if count < 10_000:
        return f"{count} B"
    if count < 10_000_000:
        return f"{count / 1024:.0f} KiB"
    if count < 10_000_000_000:
        return f"{count / 1024**2:.0f} MiB"
    return f"{count / 1024**3:.1f} GiB"


def count_cell(glyphs: Glyphs, value: int) -> Text:
    """Return a count as a cell of a table; a dim glyph for zero."""
    return Text(f"{value:,}") if value else Text(glyphs.none, style=DIM)
