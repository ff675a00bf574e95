"""The repairs by action: how many, how many failed, how long they took."""

from __future__ import annotations

import sqlite3
import statistics
from typing import Final

from rich.console import RenderableType
from rich.text import Text

from hil.record.queries import repair_attempts
from hil.views.style import BAD, duration
from hil.views.summary.layout import columns, count_cell, section, size_text
from hil.views.summary.recorded_run import RecordedRun

__all__ = ["repair_table"]

_ACTIONS: Final = ("rollback", "resync", "restart", "reset", "power_cycle", "refresh")


def repair_table(run: RecordedRun) -> RenderableType | None:
    """Return the repairs by action; None if nothing was repaired."""
    rows = repair_attempts(run.reader)
    if not rows:
        return None
    kinds: dict[str, list[sqlite3.Row]] = {}
    for row in rows:
        kinds.setdefault(row["action"], []).append(row)
    out = columns()
    out.add_column("repair", no_wrap=True)
    for name in ("times", "failed", "median", "worst", "moved"):
        out.add_column(name, justify="right", no_wrap=True)
    order = {name: i for i, name in enumerate(_ACTIONS)}
    for action in sorted(kinds, key=lambda a: order.get(a, 99)):
        done = kinds[action]
        spent = [r["duration_wall_us"] for r in done]
        failed = sum(not r["ok"] for r in done)
        out.add_row(
            action.replace("_", " "),
            f"{len(done):,}",
            Text(f"{failed:,}", style=BAD) if failed else count_cell(run.glyphs, 0),
            duration(statistics.median(spent)),
            duration(max(spent)),
            size_text(sum(r["bytes_moved"] for r in done)),
        )
    return section("Recovery", out)
