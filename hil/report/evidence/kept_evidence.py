"""The evidence that every run and campaign leaves at its end, whoever carried it out."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final

from hil.errors import HilError

__all__ = ["keep_evidence"]

_LOG: Final = logging.getLogger(__name__)
_LOG.addHandler(logging.NullHandler())  # without a handler of the program nothing is printed


def keep_evidence(record: Path, warn: Callable[[str], None] = _LOG.warning) -> None:
    """Write the evidence of a run, by its folder, or of a result file. A failure is only reported
    to `warn`: the record has everything, and `hil report RUN --evidence FILE` can write it
    later."""
    from hil.report.evidence.evidence_file import write_evidence  # noqa: PLC0415  (heavy)

    try:
        write_evidence(record)
    except HilError as error:
        warn(f"no evidence file was written: {error}")
