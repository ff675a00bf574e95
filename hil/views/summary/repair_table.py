"""The repairs by action: their number, failures and durations."""

from __future__ import annotations

import statistics
from typing import Final

from rich.console import RenderableType
from rich.text import Text

from hil.record.row_counts import RepairCost, repair_costs
from hil.views.style import BAD, duration
from hil.views.summary.layout import columns, count_cell, section, size_text
from hil.views.summary.recorded_run import RecordedRun

__all__ = ["repair_table"]

_ACTIONS: Final = (
    "rollback",
    "resync",
    "restart",
    "reset",
    "power cycle",
    "cold start",
    "refresh",
    "reseed",
)


def repair_table(run: RecordedRun) -> RenderableType | None:
    """Return the repairs by action; None if nothing was repaired."""
    attempts = repair_costs(run.reader)
    if not attempts:
        return None
    kinds: dict[str, list[RepairCost]] = {}
    for attempt in attempts:
        kinds.setdefault(attempt.strategy, []).append(attempt)
    out = columns()
    out.add_column("repair", no_wrap=True)
    for name in ("times", "failed", "median", "worst", "moved"):
        out.add_column(name, justify="right", no_wrap=True)
    order = {name: i for i, name in enumerate(_ACTIONS)}
    for strategy in sorted(kinds, key=lambda kind: order.get(kind.split(",")[0], 99)):
        done = kinds[strategy]
        spent = [r.duration_wall_us for r in done]
        failed = sum(not r.ok for r in done)
        out.add_row(
            strategy,
            f"{len(done):,}",
            Text(f"{failed:,}", style=BAD) if failed else count_cell(run.glyphs, 0),
            duration(statistics.median(spent)),
            duration(max(spent)),
            size_text(sum(r.bytes_moved for r in done)),
        )
    return section("Recovery", out)
