"""`hil watch`, and the screen of `hil replay`."""

# ruff: noqa: PLC0415  (imports in functions: `hil --help` must not load the engine)

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from hil.cli import completion
from hil.cli.options import Ascii
from hil.cli.output import has_screen, say, show, wants_ascii
from hil.cli.record import must_be_run
from hil.errors import UsageError
from hil.exit_codes import Exit

__all__ = ["on_screen", "watch"]


def watch(
    runs: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[RUN]...",
            help="Folders of runs; default: the newest in runs/.",
            autocompletion=completion.runs,
        ),
    ] = None,
    web: Annotated[
        bool, typer.Option("--web", help="In a browser on this computer, read-only.")
    ] = False,
    port: Annotated[int, typer.Option(metavar="N", min=1, max=65535, help="For --web.")] = 8000,
    ascii_only: Ascii = False,
) -> int:
    """Watch runs on a screen, during the run or after it. It never slows or ends them.

    If stdout is not a terminal, it prints the first page once.
    """
    from hil.record.live import newest_run

    newest = [] if runs else [newest_run()]
    wanted = list(runs or []) or [run for run in newest if run is not None]
    if not wanted:
        raise UsageError("there is no run in runs/", remedy="hil run quickstart, or name a folder")
    for run in wanted:
        if not run.exists():
            must_be_run(run)
    if web:
        from hil.views.screen.web import serve

        serve(wanted, port, say, *(["--ascii"] if ascii_only else []))
        return Exit.PASS
    return on_screen(wanted, replay=False, ascii_only=ascii_only)


def on_screen(runs: Sequence[Path], *, replay: bool, ascii_only: bool) -> int:
    """Show `runs` on the screen, or print its first page if there is no terminal; return the exit
    code. `replay` plays a recording from its beginning."""
    from hil.views.screen import open as screen
    from hil.views.screen.run_commands import Socket
    from hil.views.screen.web import is_served

    if not (has_screen() or is_served()):
        width = os.get_terminal_size().columns if sys.stdout.isatty() else 100
        page, readable = screen.once(runs, width, 30, ascii_only=wants_ascii(ascii_only))
        show(lambda _: page, width=width)
        return Exit.PASS if readable else Exit.USAGE
    control = None if is_served() else Socket()
    screen.show(runs, replay=replay, ascii_only=wants_ascii(ascii_only), control=control)
    return Exit.PASS
