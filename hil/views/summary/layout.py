"""How the sections of a summary are laid out: titles, tables, and numbers as text."""

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
    """Make a line that is to be copied neither wrap nor be cut; returns it."""
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
    for unit in "kMG":
        count_of = count / 1000
        if count_of < 999.5 or unit == "G":
            return f"{count_of:.1f}{unit}" if count_of < 9.95 else f"{count_of:.0f}{unit}"
        count = round(count_of)
    raise AssertionError


def size_text(count: int) -> str:
    """Return a number of bytes in a fitting unit."""
    if count < 10_000:
        return f"{count} B"
    if count < 10_000_000:
        return f"{count / 1024:.0f} KiB"
    return f"{count / 1024**2:.0f} MiB"


def count_cell(glyphs: Glyphs, value: int) -> Text:
    """Return a count as a cell of a table; a dim glyph for zero."""
    return Text(f"{value:,}") if value else Text(glyphs.none, style=DIM)
