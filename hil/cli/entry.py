"""All commands, in the order in which `hil --help` lists them, and where a command line begins."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Annotated, Any, NoReturn, TextIO

import typer
from typer.core import TyperGroup

from hil import __version__
from hil.cli import (
    bench,
    board,
    campaign,
    check,
    compare,
    console,
    control,
    cost,
    discover,
    doctor,
    export,
    orbit,
    power,
    replay,
    report,
    run,
    scenario,
    theory,
    training,
    verify,
    watch,
)
from hil.cli.failures import Interrupted, guarded
from hil.cli.loading import held
from hil.cli.output import ClosedStream, out, write
from hil.cli.session import session
from hil.cli.signals import ended_by_signals, return_lost_interrupts
from hil.errors import SetupError, UsageError

__all__ = ["main"]


class _Commands(TyperGroup):
    """The group of all commands. Newer versions of typer turn Ctrl-C into an exit code, without a
    message, JSON or reports; so it is raised as `Interrupted`, which they do not catch."""

    def make_context(self, *words: Any, **more: Any) -> Any:
        with _ctrl_c():
            return super().make_context(*words, **more)

    def invoke(self, ctx: Any) -> Any:
        with _ctrl_c():
            return super().invoke(ctx)


@contextlib.contextmanager
def _ctrl_c() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt as error:
        raise Interrupted from error


app = typer.Typer(
    name="hil",
    cls=_Commands,
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
    session.command = context.invoked_subcommand or ""
    held.release()
    if context.invoked_subcommand is None:
        raise UsageError("which command?", remedy="hil run quickstart, or hil --help")


app.command(help=run.HELP)(run.run)
app.command()(watch.watch)
app.command(help=replay.HELP)(replay.replay)
app.command(help=console.HELP)(console.console)
app.command()(check.check)
app.command(cls=control.ControlCommand, help=control.HELP)(control.control)
app.command()(check.schema)
app.command()(doctor.doctor)
app.command()(doctor.perf)
app.command(help=discover.HELP)(discover.discover)
app.command()(orbit.orbit)
app.command(help=campaign.HELP)(campaign.campaign)
app.command(help=compare.HELP)(compare.compare)
app.command(help=training.HELP)(training.training)
app.command(help=cost.HELP)(cost.cost)
app.command(help=theory.HELP)(theory.theory)
app.command(help=report.HELP)(report.report)
app.command(help=verify.HELP)(verify.verify)
app.command(help=export.HELP)(export.export)
app.add_typer(board.board_app, name="board")
app.add_typer(bench.bench_app, name="bench")
app.add_typer(power.power_app, name="power")
app.add_typer(scenario.scenario_app, name="scenario")


def _made_usable(stream: TextIO | None) -> TextIO:
    """Return a standard stream that takes any text: what it cannot encode is replaced."""
    if stream is None:  # closed by the caller
        return ClosedStream()
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="replace")
    return stream


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the command line `argv` (None: of this process), and exit.

    Raises: SystemExit, always."""
    words = list(sys.argv[1:] if argv is None else argv)
    session.begin(words)
    sys.stdout, sys.stderr = _made_usable(sys.stdout), _made_usable(sys.stderr)
    return_lost_interrupts()
    with ended_by_signals():
        code = guarded(partial(app, args=words, prog_name="hil", standalone_mode=False))
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(SetupError, ValueError):
            write(stream, "")
    sys.exit(int(code))
