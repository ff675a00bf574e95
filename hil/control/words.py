"""Commands as they are typed: `hil control RUN COMMAND [WORD...]`. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from hil.control.protocol import COMMANDS, Command, check_arguments, unknown_command
from hil.errors import UsageError

__all__ = ["arguments_of", "listing"]


def arguments_of(name: str, words: Sequence[str]) -> dict[str, Any]:
    """Return the arguments that `words` give to the command `name`: each is key=value (a.b=value
    for a key within a mapping), or a bare word for the first argument without a value. Raises:
    UsageError if the command or an argument is not valid."""
    command = COMMANDS.get(name)
    if command is None:
        raise UsageError(unknown_command(name), remedy="hil control --help")
    texts = {a.name for a in command.arguments if a.kind == "text"}
    out: dict[str, Any] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key.replace(".", "_").isidentifier():
            key, value = _next_argument(command, out, word), word
        _put(out, key.split("."), value if key in texts else _value(value))
    why = check_arguments(command, out)
    if why:
        raise UsageError(why, remedy=f"for example: hil control RUN {command.examples[0]}")
    return out


def _next_argument(command: Command, given: dict[str, Any], word: str) -> str:
    for argument in command.arguments:
        if argument.name not in given:
            return argument.name
    raise UsageError(
        f"`{command.name}` does not know what to do with `{word}`",
        remedy=f"for example: hil control RUN {command.examples[0]}",
    )


def _put(out: dict[str, Any], path: list[str], value: Any) -> None:
    for step in path[:-1]:
        inner = out.setdefault(step, {})
        if not isinstance(inner, dict):
            raise UsageError(f"`{step}` is given twice, once as a mapping")
        out = inner
    if path[-1] in out:
        raise UsageError(f"`{path[-1]}` is given twice")
    out[path[-1]] = value


def _value(text: str) -> Any:
    """Return a number, true, false or null as such; anything else as text."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return text if isinstance(value, (str, list, dict)) else value


def listing() -> str:
    """Return the help text of all commands, with examples."""
    lines = []
    for command in COMMANDS.values():
        lines.append(f"{command.name}: {command.help}")
        lines += [f"    hil control RUN {example}" for example in command.examples]
    return "\n".join(lines)
