"""The evidence file that runs and campaigns write at their end."""

# ruff: noqa: PLC0415  (imports in functions: `hil --help` must not load the engine)

from __future__ import annotations

from pathlib import Path

from hil.cli.output import say
from hil.errors import HilError

__all__ = ["keep_evidence"]


def keep_evidence(record: Path) -> None:
    """Write the evidence of a run, by its folder, or of a result file. A failure is only said: the
    record has everything, and `hil report RUN --evidence FILE` can write it later."""
    from hil.report.evidence.evidence_file import write_evidence

    try:
        write_evidence(record)
    except HilError as error:
        say(f"warning: no evidence file was written: {error}")
