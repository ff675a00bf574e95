"""`hil campaign SCENARIO --text-hits 40`: how much of a text single hits cost, by their place."""

# ruff: noqa: PLC0415  (imports in functions: `hil --help` must not load the engine)

from __future__ import annotations

from typing import TYPE_CHECKING

from hil.cli.output import answer, show
from hil.exit_codes import Exit

if TYPE_CHECKING:
    from hil.scenario import Scenario

__all__ = ["hit_texts"]


def hit_texts(scenario: Scenario, hits: int, *, as_json: bool) -> int:
    """Carry out the experiments and print their table; return the exit code. Raises: UsageError for
    a workload that writes no text."""
    from hil.campaign.text_hits import text_hits
    from hil.views.text_listing import text_hits_table

    rows = text_hits(scenario.workload_name, scenario.seed, hits)
    if as_json:
        answer({"seed": scenario.seed, "rows": [row.as_json() for row in rows]})
    else:
        show(lambda _glyphs: text_hits_table(rows, scenario.seed))
    return Exit.PASS
