"""`hil console`: the console log of a board in a run, or a terminal on its console port."""

# ruff: noqa: PLC0415  (imports in functions: `hil --help` must not load the rig)

from __future__ import annotations

import re
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from hil.cli import completion
from hil.cli.output import out, say, write
from hil.cli.record import opened
from hil.cli.signals import ended_by_signals
from hil.errors import RecordError, SetupError, UsageError
from hil.exit_codes import Exit
from hil.printable import quoted

if TYPE_CHECKING:
    from hil.scenario.bench import BenchBoardConfig

__all__ = ["HELP", "console"]

HELP: Final = (
    "Show what the board of a node printed in a run; with --bench, open the console port of a "
    "board.\n\n"
    "RUN is the folder of a run; default: the newest in runs/. For an active run, --follow "
    "shows new lines until the run ends, or Ctrl-C. With --bench the console port is shown as "
    "in a terminal, and Ctrl-] ends; nothing is sent to the board without --write. Exit codes: 0, "
    "2 wrong run, node or file, 3 the port is in use, missing, or was lost."
)


def console(
    what: Annotated[
        list[str],
        typer.Argument(
            metavar="[RUN] NODE",
            help="A run and a node; with --bench a board.",
            autocompletion=completion.console_words,
        ),
    ],
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Show new lines until the run ends.")
    ] = False,
    bench: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The bench file: no run is needed.")
    ] = None,
    send: Annotated[
        bool, typer.Option("--write", help="Send what is typed to the board; with --bench.")
    ] = False,
) -> int:
    """Show the console log of a run, or open a console port."""
    if bench is not None:
        if follow:
            raise UsageError("--follow is for the log of a run; a console port is shown anyway")
        if len(what) != 1:
            raise UsageError("with --bench, name one board", remedy="hil console left --bench FILE")
        return _open_port(bench, what[0], send=send)
    if send:
        raise UsageError("--write needs a console port", remedy="add --bench FILE")
    if len(what) > 2:
        raise UsageError("too many names", remedy="hil console RUN NODE")
    return _show_log(_run_folder(what[:-1]), what[-1], follow=follow)


def _run_folder(named: list[str]) -> Path:
    from hil.record.live import newest_run

    run = Path(named[0]) if named else newest_run()
    if run is None:
        raise UsageError("there is no run in runs/", remedy="hil console RUN NODE")
    return run.parent if run.is_file() else run


def _show_log(run: Path, node: str, *, follow: bool) -> int:
    from hil.record.run_lock import is_running
    from hil.rig.console.log import log_path
    from hil.rig.console.log_follower import log_lines

    going_on = is_running(run)
    path = log_path(run, node)
    _check_node(run, node, path, going_on=going_on)
    if not path.exists() and not (follow and going_on):
        say(f"node {node} has printed nothing outside its frames")
        return Exit.PASS
    try:
        with ended_by_signals():
            for line in log_lines(path, lambda: follow and is_running(run)):
                out(line)
    except KeyboardInterrupt:
        say("")
    except OSError as error:
        raise SetupError(f"cannot read {path}: {error.strerror or error}") from error
    return Exit.PASS


def _check_node(run: Path, node: str, log: Path, *, going_on: bool) -> None:
    """Raise UsageError unless `run` is a run with this node, and RecordError if its `log` is not
    the one of the run. A run that still brings up its boards has no record yet: it may have any."""
    from hil.record.console_files import check_consoles
    from hil.scenario.words import NODE_NAME_PATTERN

    may_be_one = going_on and re.fullmatch(NODE_NAME_PATTERN, node) is not None
    if not may_be_one or (run / "run.db").exists():
        with opened(run) as reader:
            names = reader.node_names
            doubt = check_consoles(reader).doubts.get(log)
        if node not in names:
            raise UsageError(
                f"the run in {run} has no node `{node[:60]}`", remedy=f"one of {', '.join(names)}"
            )
        if doubt is not None:
            raise RecordError(doubt, remedy=f"hil verify {quoted(run / 'evidence.json')}")


def _open_port(bench: Path, name: str, *, send: bool) -> int:
    from hil.rig.console.port import ConsolePort
    from hil.rig.console.terminal import ConsoleTerminal
    from hil.rig.transport import TransportLost
    from hil.scenario import load_bench
    from hil.scenario.console import CONSOLE_BAUD

    board = _board_of(load_bench(bench).boards, name, bench)
    assert board.console is not None
    port = ConsolePort(board.console, board.console_baud or CONSOLE_BAUD)
    typed = "is sent" if send else "is not sent (--write)"
    try:
        with ended_by_signals(), closing(port.open()) as transport:
            what = f"{transport.port} at {port.baud} baud; what is typed {typed}; Ctrl-] ends"
            ConsoleTerminal(
                transport,
                sys.stdin.fileno() if sys.stdin is not None else None,
                lambda text: write(sys.stdout, text),
                writes=send,
                on_typed=lambda: say("nothing is sent to the board without --write"),
            ).run(lambda: say(what))
    except TransportLost as lost:
        raise SetupError(
            f"the console port was lost: {lost}", remedy="is it still plugged in?"
        ) from lost
    except KeyboardInterrupt:
        say("")
    return Exit.PASS


def _board_of(boards: tuple[BenchBoardConfig, ...], name: str, bench: Path) -> BenchBoardConfig:
    from hil.scenario.console import CONSOLE_EXAMPLES

    board = next((board for board in boards if board.name == name), None)
    if board is None:
        names = ", ".join(board.name for board in boards)
        raise UsageError(f"{bench} has no board `{name[:60]}`", remedy=f"one of {names}")
    if board.console is None:
        raise UsageError(
            f"board {name} has no console port in {bench}",
            remedy=f"add `console:`, {CONSOLE_EXAMPLES}",
        )
    return board
