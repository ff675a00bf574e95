"""The summary of a run on one page: the outcome first, then why."""

from __future__ import annotations

from rich.console import Group, RenderableType

from hil.record.reader import Reader
from hil.record.run_result import RunResult
from hil.views.style import Glyphs
from hil.views.summary.expectation_table import expectation_table
from hil.views.summary.failures import failures
from hil.views.summary.ground_table import ground_table
from hil.views.summary.identity import identity, next_steps
from hil.views.summary.node_table import node_table
from hil.views.summary.outage_table import outage_table
from hil.views.summary.outcome import headline, last_line
from hil.views.summary.recorded_run import RecordedRun
from hil.views.summary.repair_table import repair_table
from hil.views.summary.result_table import result_table
from hil.views.summary.text_table import text_table
from hil.views.summary.training_table import training_table
from hil.views.summary.upset_tables import upset_tables
from hil.views.summary.value_table import value_table

__all__ = ["render"]


def render(
    reader: Reader, result: RunResult, glyphs: Glyphs, *, steps: tuple[tuple[str, str], ...]
) -> RenderableType:
    """Return the summary of the run in `reader`.

    `result` is its result, or the result so far; `steps` are commands to try next, each with its
    purpose. Raises: RecordError if the record cannot be read.
    """
    run = RecordedRun.of(reader, result, glyphs)
    parts = [
        headline(run),
        result_table(run),
        failures(run),
        expectation_table(run),
        upset_tables(run),
        value_table(run),
        text_table(run),
        training_table(run),
        ground_table(run),
        repair_table(run),
        outage_table(run),
        node_table(run),
        identity(run),
        next_steps(steps),
        last_line(run),
    ]
    return Group(*(part for part in parts if part is not None))
