"""The evidence file that runs and campaigns write at their end: what hinders it is said."""

from __future__ import annotations

from pathlib import Path

from hil.cli.output import say
from hil.report.evidence import kept_evidence

__all__ = ["keep_evidence"]


def keep_evidence(record: Path) -> None:
    """Write the evidence of a run, by its folder, or of a result file. A failure is only said."""
    kept_evidence.keep_evidence(record, lambda text: say(f"warning: {text}"))
