"""The expectations of the scenario, and the measured values."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from hil.run_outcome import RunOutcome
from hil.views.style import BAD, DIM, GOOD, WARN
from hil.views.summary.layout import grid, number_text, section
from hil.views.summary.recorded_run import RecordedRun

__all__ = ["expectation_table"]


def expectation_table(run: RecordedRun) -> RenderableType | None:
    """Return each expectation with the measured value; None if there is no result yet."""
    expectations = run.result.expectations
    if expectations is None:
        return None
    untested = Text("none: the scenario says `expect: none`, so nothing was tested", style=WARN)
    if not expectations:
        return section("Expectations", untested)
    table = grid()
    for _ in range(5):
        table.add_column(no_wrap=True)
    for e in expectations:
        ok, style = (run.glyphs.ok, GOOD) if e.ok else (run.glyphs.bad, BAD)
        table.add_row(
            Text(f"{ok} {'ok' if e.ok else 'failed'}", style=style),
            e.metric,
            Text(e.wanted, style=DIM),
            Text(f"measured {number_text(e.measured)}", style="" if e.ok else BAD),
            Text("default" if e.default else "", style=DIM),
        )
    missing = [
        Text(f"{run.glyphs.warn} {text}: no expectation covers this", style=WARN)
        for text in run.result.not_covered
    ]
    if run.result.outcome == RunOutcome.UNTESTED:
        missing.insert(0, untested)
    return section("Expectations", table, *missing)
