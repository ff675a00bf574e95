"""Commands as they are typed: `hil control RUN COMMAND [WORD...]`. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TypeAlias

from hil.control.arguments import Text
from hil.control.commands import (
    COMMANDS,
    Command,
    OperatorCommand,
    WrongArgument,
    unknown_command,
)
from hil.errors import UsageError
from hil.json_values import JsonScalar

__all__ = ["command_of", "listing"]

_Typed: TypeAlias = "dict[str, JsonScalar | _Typed]"


def command_of(name: str, words: Sequence[str]) -> OperatorCommand:
    """Return the command `name` with the arguments that `words` give it: each is key=value
    (a.b=value for a key within a mapping), or a bare word for the first argument without a value.
    Raises: UsageError if the command or an argument is not valid."""
    command = COMMANDS.get(name)
    if command is None:
        raise UsageError(unknown_command(name), remedy="hil control --help")
    texts = {a.name for a in command.arguments if isinstance(a.kind, Text)}
    typed: _Typed = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key.replace(".", "_").isidentifier():
            key, value = _next_argument(command, typed, word), word
        _put(typed, key.split("."), value if key in texts else _value(value))
    try:
        return command.parse(typed)
    except WrongArgument as why:
        raise UsageError(str(why), remedy=_example(command)) from why


def _example(command: Command) -> str:
    return f"for example: hil control RUN {command.examples[0]}"


def _next_argument(command: Command, typed: _Typed, word: str) -> str:
    for argument in command.arguments:
        if argument.name not in typed:
            return argument.name
    raise UsageError(
        f"`{command.name}` does not know what to do with `{word}`", remedy=_example(command)
    )


def _put(typed: _Typed, path: list[str], value: JsonScalar) -> None:
    for step in path[:-1]:
        inner = typed.setdefault(step, {})
        if not isinstance(inner, dict):
            raise UsageError(f"`{step}` is given twice, once as a mapping")
        typed = inner
    if path[-1] in typed:
        raise UsageError(f"`{path[-1]}` is given twice")
    typed[path[-1]] = value


def _value(text: str) -> JsonScalar:
    """Return the value of a word: a number, true, false or null as such; anything else as text."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value if value is None or isinstance(value, (bool, int, float)) else text


def listing() -> str:
    """Return the help text of all commands, with examples."""
    lines = []
    for command in COMMANDS.values():
        lines.append(f"{command.name}: {command.help}")
        lines += [f"    hil control RUN {example}" for example in command.examples]
    return "\n".join(lines)
