"""The table of `hil campaign SCENARIO --checksum-hits 300`."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from hil.campaign.checksum_hits import ChecksumHits, CleanSteps
from hil.views.style import BAD, HEAD

__all__ = ["checksum_table"]


def checksum_table(
    workload: str, rows: Sequence[ChecksumHits], clean: CleanSteps, seed: int
) -> RenderableType:
    """Return what checksums find of hits, and how often they find what is not there."""
    bare = workload.removesuffix("+abft")
    out = Table(box=None, pad_edge=False, header_style=HEAD)
    out.add_column("hit", no_wrap=True)
    for title in ("hits", f"wrong: {bare}", workload, "found"):
        out.add_column(title, justify="right", no_wrap=True)
    for row in rows:
        without = "" if row.bare_wrong is None else _share(row.bare_wrong, row.hits)
        out.add_row(
            row.part,
            f"{row.hits:,}",
            without,
            Text(_share(row.wrong, row.hits), style=BAD if row.wrong else ""),
            _share(row.found, row.hits),
        )
    return Group(
        Text(
            f"One flipped bit at a random moment of a step (seed {seed}): a later output is wrong"
        ),
        Text(),
        out,
        Text(),
        Text(
            f"Without upsets: {clean.steps:,} steps, {_count(clean.alarms, 'false alarm')}, "
            f"{_count(clean.wrong, 'output')} other than without checksums",
            style=BAD if clean.alarms or clean.wrong else "",
        ),
    )


def _share(count: int, hits: int) -> str:
    if count in {0, hits}:
        return "none" if not count else "all"
    return f"{100 * count / hits:.1f} %"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" + "s" * (number != 1) if number else f"no {what}"
