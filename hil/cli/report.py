"""`hil report`: runs, or the result of a campaign, as one page for a browser."""

# ruff: noqa: PLC0415  (imports in functions: `hil --help` must not load them)

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from hil.cli import completion
from hil.cli.options import Json
from hil.cli.output import answer, say
from hil.errors import UsageError
from hil.exit_codes import Exit

__all__ = ["HELP", "report"]

HELP: Final = (
    "Write a run, several runs beside each other, or the result of a campaign as one HTML page for "
    "a review board.\n\n"
    "Of a run: verdict, one dissent with its bits, cause and healing, the command that repeats it, "
    "figures, tables, boards; the page votes all frames again before the reader's eyes. Of an "
    "exact campaign: tables, the fault-space map and source; of a sample its experiments and its "
    "fault list.\n\n"
    "The page needs no network and no other file."
)


def report(
    of: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN...|RESULT",
            help="Run folders, or a campaign's result file.",
            autocompletion=completion.runs_or_results,
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="FILE", help="The page; default: RUN.html."),
    ] = None,
    pdf: Annotated[
        Path | None, typer.Option("--pdf", metavar="FILE", help="Also as PDF (needs Chromium).")
    ] = None,
    png: Annotated[
        Path | None, typer.Option("--png", metavar="FILE", help="Also as PNG (needs Chromium).")
    ] = None,
    evidence: Annotated[
        Path | None,
        typer.Option("--evidence", metavar="FILE", help="Also the evidence file (see hil verify)."),
    ] = None,
    as_json: Json = False,
) -> int:
    """Write a report (see `HELP`)."""
    from hil.report.page_file import must_be_new, write_file

    page = out or Path(f"{_name(of)}.html")
    printed = [file for file in (pdf, png) if file is not None]
    _check_endings(pdf, png)
    for file in (page, *printed, *([] if evidence is None else [evidence])):
        must_be_new(file)
    if printed:
        from hil.report.printed_page import require_browser

        require_browser()
    if evidence is not None and len(of) > 1:
        raise UsageError("an evidence file is of one run or campaign", remedy="name one of them")
    write_file(page, _content(of))
    if evidence is not None:
        from hil.report.evidence.evidence_file import write_evidence

        write_evidence(of[0], evidence)
    for file in printed:
        from hil.report.printed_page import print_page

        print_page(page, file)
    written = {"report": str(page)}
    for key, extra in (("pdf", pdf), ("png", png), ("evidence", evidence)):
        if extra is not None:
            written[key] = str(extra)
    if as_json:
        answer(written)
    else:
        for name in written.values():
            say(f"written: {name}")
    return Exit.PASS


def _name(of: Sequence[Path]) -> str:
    """Return the name of a page whose name is not given."""
    if len(of) > 1:
        return "comparison"
    path = of[0].resolve()
    return path.parent.name if path.name == "run.db" else path.stem if path.is_file() else path.name


def _check_endings(pdf: Path | None, png: Path | None) -> None:
    """Check the endings of files that a browser writes. Raises: UsageError."""
    for option, file in (("pdf", pdf), ("png", png)):
        if file is not None and file.suffix.lower() != f".{option}":
            raise UsageError(f"--{option} {file}: the name of the file must end in .{option}")


def _content(of: Sequence[Path]) -> str:
    """Return the page. Raises: UsageError if something else than runs, or one result, is named."""
    from hil.cli.record import must_be_run, must_not_be_scenario

    for path in of:
        must_not_be_scenario(path)
    runs = [path for path in of if path.is_dir() or path.name == "run.db"]
    if len(runs) == len(of):
        from hil.report.run_report import runs_page

        for path in runs:
            must_be_run(path)
        return runs_page(runs)
    if len(of) > 1:
        raise UsageError(
            "a report is of one campaign, or of one or several runs",
            remedy="name run folders only, or one result file",
        )
    from hil.record.campaign_file import CampaignFile
    from hil.report.campaign_report import campaign_page

    (result,) = of
    if not result.is_file():
        raise UsageError(
            f"there is no run folder and no result file {result}",
            remedy="make a run: hil run quickstart",
        )
    with CampaignFile(result) as file:
        return campaign_page(file)
