"""`hil report`: the result of a campaign as one page for a browser."""

# ruff: noqa: PLC0415  (imports in functions: `hil --help` must not load them)

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hil.cli.options import Json
from hil.cli.output import answer, say
from hil.errors import UsageError
from hil.exit_codes import Exit

__all__ = ["HELP", "report"]

HELP = (
    "Write the result of a campaign as one HTML page: verdict and tables; of an exact one the "
    "fault-space map and source, of a sample its experiments and its fault list.\n\n"
    "The page needs no network and no other file."
)


def report(
    result: Annotated[Path, typer.Argument(metavar="RESULT", help="Result file of a campaign.")],
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="FILE", help="The page; default: RESULT.html."),
    ] = None,
    as_json: Json = False,
) -> int:
    """Write a report (see `HELP`)."""
    from hil.report.campaign_report import write_campaign_report

    if result.is_dir():
        raise UsageError(
            f"{result} is a folder: reports are of campaigns",
            remedy="name the result file of one: hil report memory-storm.campaign",
        )
    if not result.is_file():
        raise UsageError(
            f"there is no file {result}", remedy="make one: hil campaign SCENARIO --exact"
        )
    page = Path(f"{result.stem}.html") if out is None else out
    write_campaign_report(result, page)
    if as_json:
        answer({"report": str(page)})
    else:
        say(f"written: {page}")
    return Exit.PASS
