"""All commands, in the order in which `hil --help` lists them, and where a command line begins."""

# ruff: noqa: PLC0415  (imports in functions: `hil --help` must not load the engine)

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Annotated, Any, NoReturn, TextIO

import typer

from hil.cli import (
    bench,
    board,
    campaign,
    check,
    compare,
    console,
    control,
    cost,
    demo,
    discover,
    doctor,
    export,
    feed,
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
from hil.cli.help_texts import App, HelpedGroup
from hil.cli.loading import held
from hil.cli.output import ClosedStream, answer, out, write
from hil.cli.session import session
from hil.cli.signals import ended_by_signals, return_lost_interrupts
from hil.errors import SetupError, UsageError

__all__ = ["main"]


class _Commands(HelpedGroup):
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


app = App(
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
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the versions of package, kernel, wire and schemas, and exit."
        ),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="With --version: as one JSON object.")
    ] = False,
) -> None:
    if version:
        _print_versions(as_json)
        raise typer.Exit
    if as_json:
        raise UsageError("--json stands behind its command", remedy="hil --version --json")
    session.command = context.invoked_subcommand or ""
    held.release()
    if context.invoked_subcommand is None:
        raise UsageError("which command?", remedy="hil run quickstart, or hil --help")


def _print_versions(as_json: bool) -> None:
    from hil.cli.versions import sentences, versions

    if as_json:
        answer(versions())
    else:
        out(sentences(versions()))


app.command(help=demo.HELP)(demo.demo)
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
app.command(help=feed.HELP)(feed.feed)
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
