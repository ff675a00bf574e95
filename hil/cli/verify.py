"""`hil verify`: an evidence file against its record."""

# ruff: noqa: PLC0415  (imports in functions: `hil --help` must not load the engine)

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from hil.cli import completion
from hil.cli.options import Json
from hil.cli.output import answer, out, say
from hil.exit_codes import Exit

__all__ = ["HELP", "verify"]

_SHOWN: Final = 20

HELP: Final = (
    "Compare an evidence file with the record that it is of.\n\n"
    "The record is verified (hil replay --verify), the evidence is computed again from it, and "
    "every key but `written_by` is compared. Exit 0 if nothing differs, 1 if the evidence or the "
    "record was changed, 2 if --record names a record of another kind, 3 if it is not there."
)


def verify(
    evidence: Annotated[
        Path,
        typer.Argument(
            metavar="EVIDENCE|RUN",
            help="An evidence file, or a run with its own.",
            autocompletion=completion.evidence,
        ),
    ],
    record: Annotated[
        Path | None,
        typer.Option(
            "--record",
            metavar="RUN|RESULT",
            help="Its record; default: the one beside it.",
            autocompletion=completion.runs_or_results,
        ),
    ] = None,
    as_json: Json = False,
) -> int:
    """Verify an evidence file (see `HELP`)."""
    from hil.errors import RecordError
    from hil.report.evidence.evidence_check import EvidenceCheck, check_evidence, record_of
    from hil.report.evidence.evidence_file import EVIDENCE, read_evidence

    if evidence.is_dir():
        evidence /= EVIDENCE
    try:
        content = read_evidence(evidence)
    except RecordError as error:
        check = EvidenceCheck(None, (error.message,), ())
    else:
        check = check_evidence(content, record_of(evidence, content, record))
    if as_json:
        answer(check.as_json())
    elif check.ok:
        out(f"verified: {evidence} is what {check.record} shows")
        for line in check.covered:
            say(line)
        for line in check.not_covered:
            say(f"not covered: {line}")
    else:
        out(f"REFUSED: {_refusal(evidence, check.record)}")
        for line in check.differences[:_SHOWN]:
            out(f"  {line}")
        if len(check.differences) > _SHOWN:
            out(f"  and {len(check.differences) - _SHOWN:,} more differences")
    return Exit.PASS if check.ok else Exit.FAIL


def _refusal(evidence: Path, record: Path | None) -> str:
    if record is None:
        return f"{evidence} is not a readable evidence file, so it was compared with no record"
    return f"{evidence} is not what {record} shows"
