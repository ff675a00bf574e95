"""Board profiles as tables. Takes plain values; knows nothing of the files they come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from hil.views.style import DIM, HEAD, WARN, Glyphs

__all__ = ["sheet", "table"]

_GRADES: Final = (
    "M measured by this project, S read in the source, S2 in a text that quotes it, "
    "R remembered, assumed: no source, a reason instead"
)


def table(rows: Sequence[Mapping[str, Any]], glyphs: Glyphs) -> RenderableType:
    """Return a table with a line for each profile."""
    out = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    out.add_column("profile", no_wrap=True)
    out.add_column("processor", no_wrap=True)
    out.add_column("memory", justify="right", no_wrap=True)
    out.add_column("full load", justify="right", no_wrap=True)
    out.add_column("serial", no_wrap=True)
    out.add_column("agent", no_wrap=True)
    for row in rows:
        agent = row["target"] or glyphs.none
        out.add_row(
            Text(row["name"], style=HEAD),
            row["soc"][:22],
            f"{row['memory_mib'] / 1024:g} GiB",
            f"{row['full_w']:g} W",
            row["device"] or glyphs.none,
            f"{agent}, emulated" if row["emulated"] else agent,
        )
    return out


def sheet(
    row: Mapping[str, Any], facts: Sequence[tuple[str, str, str, str]], glyphs: Glyphs
) -> RenderableType:
    """Return one profile in full: each fact with its grade and its source."""
    out = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    out.add_column("what")
    out.add_column("value", overflow="fold")
    out.add_column("grade", no_wrap=True)
    out.add_column("who says so, or why", style=DIM, overflow="fold")
    for path, value, grade, origin in facts:
        assumed = grade == "assumed"
        mark = Text(f"{glyphs.warn} {grade}" if assumed else grade, style=WARN if assumed else "")
        out.add_row(path, value, mark, origin)
    title = Text.assemble((row["title"], HEAD), f"  {row['soc']}, {row['family']}")
    return Group(title, Text(_GRADES, style=DIM), Text(), out)
