"""The report of runs: the page of one, or the comparison of several."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

from hil.record.held_record import held_record
from hil.report.run_page.comparison import comparison_page
from hil.report.run_page.page import run_page
from hil.verification.recorded_run import result_of

__all__ = ["runs_page"]


def runs_page(runs: Sequence[Path]) -> str:
    """Return the page of a run, or of several beside each other. Raises: RecordError if a record
    cannot be read."""
    with contextlib.ExitStack() as stack:
        readers = [stack.enter_context(held_record(run)) for run in runs]
        pairs = [(reader, result_of(reader)) for reader in readers]
        return run_page(*pairs[0]) if len(pairs) == 1 else comparison_page(pairs)
