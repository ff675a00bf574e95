"""Command lines of `hil`, read by its own parser without carrying them out."""

from __future__ import annotations

import re
import shlex
from typing import Any

import typer

from hil.cli.entry import app

_COMMAND: Any = typer.main.get_command(app)
_SHELL = re.compile(r"\s*(?:\d?>|<|\||&|;|\n#)")
"""What ends a command's own words."""


def misuse(line: str, *, whole: bool = True) -> str:
    """What is wrong with a command line that begins with `hil`: an unknown command, option or word
    of a choice, or, of a `whole` one, something that is missing. Empty if it is right."""
    words = shlex.split(line, comments=True)
    assert words[0] == "hil", line
    assert not any("completion" in word for word in words), "it would be carried out, at home"
    command, name, parent, rest = _COMMAND, "hil", None, words[1:]
    try:
        while True:
            context = command.make_context(name, list(rest), parent=parent)
            if not hasattr(command, "commands"):
                return ""
            rest = [*getattr(context, "_protected_args", []), *context.args]
            if not rest:
                return "" if not whole else "which command?"
            name, command, rest = command.resolve_command(context, rest)
            parent = context
    except typer.Exit:
        return ""  # --help, --version
    except Exception as error:
        if not hasattr(error, "format_message"):
            raise
        is_missing = type(error).__name__ in {"MissingParameter", "NoArgsIsHelpError"}
        return "" if is_missing and not whole else str(error.format_message()) or "incomplete"


def own_words(command: str) -> str:
    """A command without redirections, pipes, `&` and variables before it."""
    line = re.sub(r"^(?:\w+=(?:'[^']*'|\S*)\s+)+", "", command)
    line = re.sub(r"^(?:\S*/)?hil(?=\s|$)", "hil", line)
    quote = ""
    for at, letter in enumerate(line):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif _SHELL.match(line, at) and letter in "><|&;":
            return line[:at].strip()
    return line.strip()
