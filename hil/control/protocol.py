"""The control protocol: commands, and the lines in which they are sent. Pure; trusts no byte.

A request is one line of JSON, and so is its answer; on one connection they alternate:

    {"hil": 1, "command": "isolate", "arguments": {"node": "b"}, "id": 7}
    {"hil": 1, "id": 7, "ok": true, "text": "node b is isolated", "error": "", "number": 3,
     "frame": 1200, "data": {}}

`hil` is the version of this format. `id` is chosen by the sender and returned unchanged; it may be
left out. `error` is the kind of failure (see `Answer`).

Invariants: a parsed request has a known command, every argument that the command requires, no
unknown one, each of the right kind; every text in it is printable, short, and encodes to UTF-8;
nothing is nested deeper than one mapping of scalars in an argument."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Final

__all__ = [
    "COMMANDS",
    "LINE_MAX",
    "SOCKET_NAME",
    "VERSION",
    "Answer",
    "Argument",
    "Command",
    "Request",
    "answer_of",
    "check_arguments",
    "parse_request",
    "request_line",
]

VERSION: Final = 1
LINE_MAX: Final = 8192
"""The longest request with its line feed [byte]."""
SOCKET_NAME: Final = "control.sock"

_TEXT_MAX: Final = 500
_KEYS_MAX: Final = 32
_ID_MAX: Final = 64
_FRAMES_MAX: Final = 10**12


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a command: `kind` is text or count (a whole number, at least 1)."""

    name: str
    help: str
    kind: str = "text"
    required: bool = True


@dataclass(frozen=True, slots=True)
class Command:
    """One command. `examples` are what follows `hil control RUN`.

    `destructive`: clients ask for confirmation; `recorded`: it is written to the record; `steers`:
    the run no longer follows from its seed; `open`: it takes more keys than `arguments`, which the
    run checks (those of a scenario event)."""

    name: str
    help: str
    arguments: tuple[Argument, ...] = ()
    examples: tuple[str, ...] = ()
    destructive: bool = False
    recorded: bool = True
    steers: bool = True
    open: bool = False


_NODE: Final = Argument("node", "name of the node")

COMMANDS: Final[Mapping[str, Command]] = {
    c.name: c
    for c in (
        Command(
            "inject",
            "inject an upset into a node in the next frame; keys as in a scenario's event",
            (_NODE, Argument("target", "what is hit")),
            (
                "inject node=b target=state bit=7",
                "inject node=b target=output pattern=adjacent tick=3",
                "inject node=a target=cpu sefi=hang",
            ),
            destructive=True,
            open=True,
        ),
        Command(
            "cut_power",
            "switch a board's power off, until `returns_after_frames` or `power_on`",
            (_NODE, Argument("returns_after_frames", "frames", "count", required=False)),
            ("cut_power b", "cut_power node=b returns_after_frames=200"),
            destructive=True,
        ),
        Command("power_on", "switch a board's power on again", (_NODE,), ("power_on b",)),
        Command(
            "reset",
            "reset a board's agent, then reintegrate the node",
            (_NODE,),
            ("reset b",),
            destructive=True,
        ),
        Command(
            "restart",
            "restart a node's worker, then reintegrate the node",
            (_NODE,),
            ("restart b",),
            destructive=True,
        ),
        Command(
            "isolate",
            "exclude a node from the vote until `reintegrate`",
            (_NODE,),
            ("isolate b",),
            destructive=True,
        ),
        Command(
            "reintegrate", "repair an isolated node, then let it vote", (_NODE,), ("reintegrate b",)
        ),
        Command("pause", "run no more frames until `resume`", (), ("pause",)),
        Command("resume", "continue after `pause`", (), ("resume",)),
        Command(
            "pace",
            "set the pace of the frames",
            (Argument("pace", "realtime, free, or a factor such as 60x"),),
            ("pace 10x", "pace free"),
        ),
        Command("end", "end the run now, as Ctrl-C does", (), ("end",), destructive=True),
        Command(
            "acknowledge",
            "acknowledge an alarm; this is only recorded",
            (Argument("alarm", "name of the alarm"),),
            ("acknowledge battery.low",),
            steers=False,
        ),
        Command(
            "note",
            "write a remark to the record",
            (Argument("text", "the remark"),),
            ('note "fan replaced"',),
            steers=False,
        ),
        Command(
            "status",
            "report the state of the run; not recorded",
            (),
            ("status",),
            recorded=False,
            steers=False,
        ),
    )
}


@dataclass(frozen=True, slots=True)
class Request:
    """One command as it was sent, checked as far as possible without the run."""

    command: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    id: int | str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """The run's answer to a request.

    `error` is empty if `ok`, else: malformed (not a request), version, unknown (command),
    arguments, refused (not possible in this run now), busy (too many clients), denied (another
    user), ended (the run is over). `number` is the command's row in the record, None without one;
    `frame` is the frame before which it was carried out."""

    ok: bool
    text: str
    error: str = ""
    id: int | str | None = None
    number: int | None = None
    frame: int | None = None
    data: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return the answer as the JSON object that is sent."""
        return {
            "hil": VERSION,
            "id": self.id,
            "ok": self.ok,
            "text": self.text,
            "error": self.error,
            "number": self.number,
            "frame": self.frame,
            "data": dict(self.data),
        }

    def line(self) -> bytes:
        """Return the line that is sent, with its line feed."""
        return json.dumps(self.as_json(), allow_nan=False).encode() + b"\n"


def request_line(request: Request) -> bytes:
    """Return the line that is sent, with its line feed. Raises: ValueError if an argument cannot be
    written as JSON."""
    content = {
        "hil": VERSION,
        "command": request.command,
        "arguments": dict(request.arguments),
        "id": request.id,
    }
    return json.dumps(content, allow_nan=False).encode() + b"\n"


def answer_of(line: bytes) -> Answer | None:
    """Return the answer in a line; None if the line is not a valid answer."""
    try:
        content = json.loads(line)
        return Answer(
            bool(content["ok"]),
            str(content["text"]),
            str(content["error"]),
            content["id"],
            content["number"],
            content["frame"],
            dict(content["data"]),
        )
    except (ValueError, TypeError, KeyError, RecursionError):
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
            False, f"`id` must be a whole number or text of up to {_ID_MAX} characters", "malformed"
        )
    error, text = _wrong_with(content)
    if error:
        return Answer(False, text, error, id_)
    return Request(content["command"], content.get("arguments", {}), id_)


def _is_id(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= _ID_MAX and value.isprintable()
    return value is None or (type(value) is int and abs(value) < 2**63)


def _wrong_with(content: Mapping[str, Any]) -> tuple[str, str]:
    """Return the kind of error and its text; both are empty for a valid request."""
    if type(content.get("hil")) is not int or content["hil"] != VERSION:
        return "version", f'this run speaks version {VERSION}; expected `"hil": {VERSION}`'
    unknown = sorted(content.keys() - {"hil", "id", "command", "arguments"})
    if unknown:
        return "malformed", f"unknown key {_shown(unknown[0])}"
    name = content.get("command")
    if not isinstance(name, str):
        return "malformed", "`command` must be text"
    if name not in COMMANDS:
        return "unknown", unknown_command(name)
    arguments = content.get("arguments", {})
    if not isinstance(arguments, dict):
        return "malformed", "`arguments` must be an object"
    why = check_arguments(COMMANDS[name], arguments)
    return ("arguments", why) if why else ("", "")


def unknown_command(name: str) -> str:
    """Return the message for an unknown command."""
    near = get_close_matches(name[:80].lower().replace("-", "_"), COMMANDS, n=1)
    hint = f"did you mean `{near[0]}`?" if near else f"expected one of {', '.join(COMMANDS)}"
    return f"there is no command {_shown(name)}; {hint}"


def check_arguments(command: Command, arguments: Mapping[str, Any]) -> str:
    """Return what is wrong with the arguments of a command; empty if they are valid."""
    known = {a.name: a for a in command.arguments}
    if len(arguments) > _KEYS_MAX:
        return f"{len(arguments)} arguments; at most {_KEYS_MAX} are allowed"
    for name, value in arguments.items():
        if name in known:
            why = _wrong_value(known[name], value)
        elif command.open:
            why = _wrong_free(name, value)
        else:
            expected = ", ".join(known) or "none"
            why = f"`{command.name}` has no argument {_shown(name)}; expected {expected}"
        if why:
            return why
    for argument in command.arguments:
        if argument.required and argument.name not in arguments:
            return f"`{command.name}` needs `{argument.name}` ({argument.help})"
    return ""


def _wrong_value(argument: Argument, value: Any) -> str:
    if argument.kind == "count":
        if type(value) is int and 1 <= value <= _FRAMES_MAX:
            return ""
        return f"`{argument.name}` must be a whole number, at least 1"
    if not isinstance(value, str) or not value.strip():
        return f"`{argument.name}` must be text, and not empty"
    return _wrong_text(argument.name, value)


def _wrong_text(name: str, value: str) -> str:
    if len(value) > _TEXT_MAX:
        return f"`{name}` has {len(value)} characters; at most {_TEXT_MAX} are allowed"
    if not value.isprintable():  # no control codes into records and terminals
        return f"`{name}` has characters that cannot be printed"
    return ""


def _wrong_free(name: str, value: Any) -> str:
    """Check a key that only the run knows: any scalar, or one mapping of scalars."""
    if not name.isprintable() or len(name) > _ID_MAX:
        return f"the key {_shown(name)} is not valid"
    parts = value.items() if isinstance(value, dict) else [(name, value)]
    if len(parts) > _KEYS_MAX:
        return f"`{name}` has too many keys"
    for key, part in parts:
        if not key.isprintable() or len(key) > _ID_MAX:
            return f"the key {_shown(key)} is not valid"
        if isinstance(part, str):
            why = _wrong_text(name, part)
            if why:
                return why
        elif part is not None and not isinstance(part, (bool, int, float)):
            return f"`{name}` is nested too deeply"
    return ""


def _shown(text: str) -> str:
    """Return a received name in a form that is safe in a message."""
    plain = "".join(c if c.isprintable() else "?" for c in text[:40])
    return f"`{plain}`" if len(text) <= 40 else f"`{plain}...`"
