"""The control protocol: the lines in which commands are sent. Pure; trusts no byte.

A request is one line of JSON, and so is its answer; on one connection they alternate:

    {"hil": 1, "command": "isolate", "arguments": {"node": "b"}, "id": 7}
    {"hil": 1, "id": 7, "ok": true, "text": "node b is isolated", "error": "", "number": 3,
     "frame": 1200, "data": {}}

`hil` is the version of this format. `id` is chosen by the sender and returned unchanged; it may be
left out. `error` is the kind of failure (see `hil.control.answers`).

Invariants: a parsed request has a known command, every argument that the command requires, no
unknown one, each of the right kind; every text in it is printable, short, and encodes to UTF-8;
nothing is nested deeper than one mapping of scalars in an argument."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from hil.control.answers import VERSION, Answer
from hil.control.arguments import ID_MAX, shown
from hil.control.commands import COMMANDS, OperatorCommand, WrongArgument, unknown_command
from hil.json_values import JsonObject, JsonValue

__all__ = [
    "LINE_MAX",
    "SOCKET_NAME",
    "Request",
    "parse_request",
    "recorded_command",
    "request_line",
]

LINE_MAX: Final = 8192
"""The longest request with its line feed [byte]."""
SOCKET_NAME: Final = "control.sock"


@dataclass(frozen=True, slots=True)
class Request:
    """One command as it was sent, checked as far as possible without the run. `id` is chosen by the
    sender and returned with the answer."""

    command: OperatorCommand
    id: int | str | None = None


def request_line(request: Request) -> bytes:
    """Return the line that is sent, with its line feed. Raises: ValueError if an argument cannot be
    written as JSON."""
    content = {
        "hil": VERSION,
        "command": request.command.command.name,
        "arguments": request.command.as_json(),
        "id": request.id,
    }
    return json.dumps(content, allow_nan=False).encode() + b"\n"


def recorded_command(name: str, arguments: str) -> OperatorCommand | None:
    """Return a recorded command; None if it is not valid in this version."""
    try:
        return COMMANDS[name].parse(json.loads(arguments or "{}"))
    except (KeyError, ValueError, AttributeError, TypeError, RecursionError):
        return None


# --- reading requests -----------------------------------------------------------------------------


def _no_number(word: str) -> None:
    raise ValueError(f"{word} is not a valid number")


def parse_request(line: bytes) -> Request | Answer:
    """Return the request in a line (without its line feed), or the answer that refuses it."""
    try:
        content = json.loads(line.decode(), parse_constant=_no_number)
    except (ValueError, RecursionError):
        return Answer(False, "not a line of JSON in UTF-8", "malformed")
    if not isinstance(content, dict):
        return Answer(False, "expected a JSON object", "malformed")
    id_ = content.get("id")
    if not _is_id(id_):
        return Answer(
            False, f"`id` must be a whole number or text of up to {ID_MAX} characters", "malformed"
        )
    try:
        return Request(_command_in(content), id_)
    except _Wrong as why:
        return Answer(False, str(why), why.error, id_)


class _Wrong(Exception):
    """A document that is not a request. `error`: see `Answer.error`."""

    def __init__(self, error: str, text: str) -> None:
        super().__init__(text)
        self.error = error


def _is_id(value: JsonValue) -> bool:
    if isinstance(value, str):
        return len(value) <= ID_MAX and value.isprintable()
    return value is None or (type(value) is int and abs(value) < 2**63)


def _command_in(content: JsonObject) -> OperatorCommand:
    """Return the command in a request. Raises: _Wrong."""
    if type(content.get("hil")) is not int or content["hil"] != VERSION:
        raise _Wrong("version", f'this run speaks version {VERSION}; expected `"hil": {VERSION}`')
    unknown = sorted(content.keys() - {"hil", "id", "command", "arguments"})
    if unknown:
        raise _Wrong("malformed", f"unknown key {shown(unknown[0])}")
    name = content.get("command")
    if not isinstance(name, str):
        raise _Wrong("malformed", "`command` must be text")
    if name not in COMMANDS:
        raise _Wrong("unknown", unknown_command(name))
    arguments = content.get("arguments", {})
    if not isinstance(arguments, dict):
        raise _Wrong("malformed", "`arguments` must be an object")
    try:
        return COMMANDS[name].parse(arguments)
    except WrongArgument as why:
        raise _Wrong("arguments", str(why)) from why
