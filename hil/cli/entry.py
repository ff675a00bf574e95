"""All commands, in the order in which `hil --help` lists them, and where a command line begins."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from functools import partial
from typing import Annotated, NoReturn

import typer

from hil import __version__
from hil.cli import board, check, control, discover, doctor, orbit, replay, run, scenario, watch
from hil.cli.failures import guarded
from hil.cli.output import ClosedStream, out, write
from hil.cli.session import session
from hil.errors import SetupError, UsageError

__all__ = ["main"]

app = typer.Typer(
    name="hil",
    no_args_is_help=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Hardware-in-the-loop flight computer emulator: redundant nodes, upsets, votes, recovery.",
)


@app.callback(invoke_without_command=True)
def _top(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        out(f"hil {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        raise UsageError("which command?", remedy="hil run quickstart, or hil --help")
    session.command = context.invoked_subcommand


app.command(help=run.HELP)(run.run)
app.command()(watch.watch)
app.command(help=replay.HELP)(replay.replay)
app.command()(check.check)
app.command(help=control.HELP)(control.control)
app.command()(check.schema)
app.command()(doctor.doctor)
app.command()(doctor.perf)
app.command(help=discover.HELP)(discover.discover)
app.command()(orbit.orbit)
app.add_typer(board.board_app, name="board")
app.add_typer(scenario.scenario_app, name="scenario")


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the command line `argv` (None: of this process), and exit."""
    words = list(sys.argv[1:] if argv is None else argv)
    session.begin(words)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by the caller
            setattr(sys, name, ClosedStream())
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    code = guarded(partial(app, args=words, prog_name="hil", standalone_mode=False))
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(SetupError, ValueError):
            write(stream, "")
    sys.exit(int(code))
