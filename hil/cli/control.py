"""`hil control`: sends a command to a run."""

# ruff: noqa: PLC0415  (imports in functions: `hil --help` must not load the engine)

from __future__ import annotations

import sys
from typing import Annotated, Any, Final

import typer

from hil.cli import completion
from hil.cli.help_texts import HelpedCommand
from hil.cli.options import Json, RunFolder
from hil.cli.output import answer, out, say
from hil.exit_codes import Exit
from hil.printable import printable

__all__ = ["HELP", "ControlCommand", "control"]

HELP: Final = (
    "Command a run that was started with --control.\n\n"
    "Each command is executed between two frames, and recorded with the user who sent it. "
    "Arguments are key=value; the first may omit its key. On a terminal, disruptive commands ask "
    "for confirmation.\n\n"
    "Exit codes: 0 done, 1 the run refused, 2 wrong command line, or the run takes no commands, "
    "3 the run cannot be reached."
)


class ControlCommand(HelpedCommand):
    """The command `hil control`; its help lists the commands of a run, which only the help
    loads."""

    def format_help(self, *words: Any, **more: Any) -> None:
        """Write the help, with the list of commands."""
        from hil.control.words import listing

        self.help = f"{HELP}\n\n\b\n{listing()}"
        super().format_help(*words, **more)


def control(
    run_folder: RunFolder,
    command: Annotated[
        str,
        typer.Argument(
            metavar="COMMAND", help="One of those above.", autocompletion=completion.commands
        ),
    ],
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[KEY=VALUE]...",
            help="Its arguments.",
            autocompletion=completion.command_arguments,
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: Json = False,
) -> int:
    """Send a command to a run and print the answer."""
    from hil.control.client import Client
    from hil.control.words import command_of

    command = command.replace("-", "_")
    order = command_of(command, words or ())
    with Client(run_folder) as client:
        if order.command.destructive and not yes and sys.stdin is not None:
            if sys.stdin.isatty():
                question = printable(f"{command} {' '.join(words or ())}: sure?")
                typer.confirm(question, abort=True, err=True)
        reply = client.send(order)
    if as_json:
        answer(reply.as_json())
    elif reply.ok:
        out(reply.text)
    else:
        say(f"hil: {reply.text}")
    return Exit.PASS if reply.ok else Exit.FAIL
