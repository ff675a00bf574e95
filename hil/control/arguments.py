"""The kinds of arguments that commands have, and the check of received values. Pure.

A command's dataclass gives the kind and the meaning of each of its fields:
`node: Annotated[str, Text("name of the node")]`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Final, get_args, get_origin, get_type_hints

from hil.json_values import JsonKey, JsonScalar, JsonValue

__all__ = [
    "ID_MAX",
    "KEYS_MAX",
    "Argument",
    "Count",
    "MoreKeys",
    "Text",
    "arguments_in",
    "key_of",
    "shown",
]

ID_MAX: Final = 64
"""The longest name of a key, and the longest text that identifies a request [character]."""
KEYS_MAX: Final = 32
"""The most keys of one JSON object."""
_TEXT_MAX: Final = 500
_FRAMES_MAX: Final = 10**12


@dataclass(frozen=True, slots=True)
class Text:
    """An argument that is one short text, printable and not empty."""

    help: str

    def problem(self, name: str, value: JsonValue) -> str:
        """Return what is wrong with the value of the argument `name`; empty if it is valid."""
        if not isinstance(value, str) or not value.strip():
            return f"`{name}` must be text, and not empty"
        return _problem_of_text(name, value)


@dataclass(frozen=True, slots=True)
class Count:
    """An argument that is a whole number, at least 1."""

    help: str

    def problem(self, name: str, value: JsonValue) -> str:
        """Return what is wrong with the value of the argument `name`; empty if it is valid."""
        if type(value) is int and 1 <= value <= _FRAMES_MAX:
            return ""
        return f"`{name}` must be a whole number, at least 1"


@dataclass(frozen=True, slots=True)
class MoreKeys:
    """Further keys, as a tuple of JsonKey: only the run knows which exist. Each is a scalar,
    or one object of scalars."""

    def problem(self, name: str, value: JsonValue) -> str:
        """Return what is wrong with the key `name` or its value; empty if they are valid."""
        if not name.isprintable() or len(name) > ID_MAX:
            return f"the key {shown(name)} is not valid"
        parts: Iterable[tuple[str, JsonValue]] = [(name, value)]
        if isinstance(value, Mapping):
            if len(value) > KEYS_MAX:
                return f"`{name}` has too many keys"
            parts = value.items()
        for key, part in parts:
            if not key.isprintable() or len(key) > ID_MAX:
                return f"the key {shown(key)} is not valid"
            if isinstance(part, str):
                why = _problem_of_text(name, part)
                if why:
                    return why
            elif isinstance(part, (Mapping, Sequence)):
                return f"`{name}` is nested too deeply"
        return ""


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a command: the field `name` of its dataclass."""

    name: str
    kind: Text | Count
    required: bool

    @property
    def help(self) -> str:
        """Return the meaning of the argument."""
        return self.kind.help


def arguments_in(command: type) -> tuple[tuple[Argument, ...], str]:
    """Return the arguments that the fields of a command's dataclass describe, and the name of the
    field that takes further keys (empty: unknown keys are refused)."""
    arguments, more = [], ""
    for name, hint in get_type_hints(command, include_extras=True).items():
        if get_origin(hint) is not Annotated:
            continue
        value, kind = get_args(hint)
        if isinstance(kind, MoreKeys):
            more = name
        else:
            arguments.append(Argument(name, kind, required=type(None) not in get_args(value)))
    return tuple(arguments), more


def key_of(name: str, value: JsonValue) -> JsonKey:
    """Return a key that `MoreKeys` found valid as a value of its own."""
    if isinstance(value, Mapping):
        return JsonKey(name, tuple(JsonKey(key, _scalar(part)) for key, part in value.items()))
    return JsonKey(name, _scalar(value))


def _scalar(value: JsonValue) -> JsonScalar:
    assert value is None or isinstance(value, (bool, int, float, str)), "checked before"
    return value


def _problem_of_text(name: str, value: str) -> str:
    if len(value) > _TEXT_MAX:
        return f"`{name}` has {len(value)} characters; at most {_TEXT_MAX} are allowed"
    if not value.isprintable():  # no control codes into records and terminals
        return f"`{name}` has characters that cannot be printed"
    return ""


def shown(text: str) -> str:
    """Return a received name in a form that is safe in a message."""
    plain = "".join(c if c.isprintable() else "?" for c in text[:40])
    return f"`{plain}`" if len(text) <= 40 else f"`{plain}...`"
