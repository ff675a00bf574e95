"""`hil demo`: one short run, watched, and its report. It asks for nothing."""

# ruff: noqa: PLC0415  (imports in functions: `hil --help` must not load the engine)

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from hil.cli.options import Ascii, Json
from hil.cli.output import answer, has_screen, out, say, show, wants_ascii
from hil.cli.prepare import Prepared, fresh
from hil.cli.run import flown
from hil.cli.session import session
from hil.cli.signals import signals
from hil.errors import SetupError
from hil.exit_codes import Exit
from hil.printable import quoted
from hil.verification.run_end import recorded

if TYPE_CHECKING:
    from hil.record.run_result import RunResult

__all__ = ["HELP", "demo"]

HELP: Final = (
    "Fly half a minute and show it: three faults, outvoted and healed, and the report.\n\n"
    "It needs no board and no input. On a terminal the screen shows the run as it happens, and "
    "leaves by itself; anywhere else lines say what happened. The run and its page stay in a "
    "folder of runs/."
)
_SCENARIO: Final = "demo"
_SEEN_S: Final = 4.0
"""How long the screen shows the end of the run."""


def demo(
    folder: Annotated[
        Path | None,
        typer.Option(
            "-o", "--out", metavar="DIR", help="Folder of the run; default: runs/TIME-demo."
        ),
    ] = None,
    no_tui: Annotated[bool, typer.Option("--no-tui", help="No screen, only lines.")] = False,
    ascii_only: Ascii = False,
    as_json: Json = False,
) -> int:
    """Fly the scenario `demo`, and write its report (see `HELP`)."""
    from hil.report.page_file import write_file
    from hil.report.run_report import runs_page
    from hil.scenario import Overrides

    prepared = fresh(_SCENARIO, Overrides(), folder, quiet=True)
    if has_screen() and not (as_json or no_tui):
        code, result = _watched(prepared, ascii_only=wants_ascii(ascii_only))
    else:
        say("three nodes, three faults; on a terminal a screen shows the run as it happens")
        with signals() as stop:
            result = flown(prepared, stop, quiet=True)
        code = int(result.exit_code)
    page = prepared.run_dir / "report.html"
    write_file(page, runs_page([prepared.run_dir]))
    if as_json:
        answer({**result.as_answer(), "report": str(page)})
        return code
    _tell(prepared.run_dir, result)
    out(f"report: {page.resolve()}")
    return code


def _watched(prepared: Prepared, *, ascii_only: bool) -> tuple[int, RunResult]:
    """Run in the background at the speed of flight, before the screen; return exit code and result.
    A user who leaves the screen ends the run."""
    from hil.cli.background import BackgroundRun
    from hil.views.screen.open import show as show_screen

    run_dir = prepared.run_dir
    session.reports = None  # they are the background run's
    words = ["run", _SCENARIO, "--pace", "realtime", "--no-tui", "--quiet", "--out", str(run_dir)]
    background = BackgroundRun(words)
    try:
        show_screen(
            [run_dir],
            ascii_only=ascii_only,
            end_run=background.interrupt,
            over=lambda: not background.running,
            leave_after_s=_SEEN_S,
        )
    finally:
        background.interrupt()
        code, stderr = background.finish()
    result = recorded(run_dir)
    if result is None:
        raise SetupError(f"the demonstration did not begin: {stderr}", remedy="hil doctor")
    return code, result


def _tell(run_dir: Path, result: RunResult) -> None:
    """Print what happened, frame by frame, and how to look further."""
    from hil.cli.record import opened
    from hil.views import listing

    with opened(run_dir) as reader:
        moments = list(listing.moments(reader))
    show(lambda glyphs: listing.table(moments, glyphs), width=200)
    if result.exit_code is Exit.PASS:
        out(f"in {result.flown:,} frames no wrong output left the system")
    out(f"{result.outcome.upper()}: frame by frame with hil replay {quoted(run_dir)}")
