"""The answers of a run: whether a command was carried out, and the data that it asked for. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from hil.json_values import JsonObject, JsonValue

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["VERSION", "Answer", "AnswerData", "NodeInRun", "RunStatus", "UpsetOrdered", "answer_of"]

VERSION: Final = 1
"""The version of the lines on the socket."""


class AnswerData(Protocol):
    """The data in the answer to one kind of command."""

    @classmethod
    def of(cls, document: JsonObject) -> Self:
        """Return the data in a received JSON object; keys that are not known here are left out.

        Raises: ValueError if it is not such data."""

    def as_json(self) -> JsonObject:
        """Return the data as the JSON object that is sent."""


@dataclass(frozen=True, slots=True)
class UpsetOrdered:
    """The upset that a command ordered. `upset` is its number in the record."""

    upset: int

    @classmethod
    def of(cls, document: JsonObject) -> UpsetOrdered:
        """Return the data in a received JSON object. Raises: ValueError if it is not such data."""
        return cls(_whole(document, "upset"))

    def as_json(self) -> JsonObject:
        """Return the data as the JSON object that is sent."""
        return {"upset": self.upset}


@dataclass(frozen=True, slots=True)
class NodeInRun:
    """A node of a running run: its state by recovery, whether an operator isolated it (`held`), the
    plant shed it (`shed`), and whether its board has power."""

    name: str
    state: str
    held: bool
    shed: bool
    powered: bool


@dataclass(frozen=True, slots=True)
class RunStatus:
    """The state of a running run before frame `frame` of `planned_frames`. `pace_factor` is
    simulated time per real time, None for a free-running run."""

    paused: bool
    frame: int
    planned_frames: int
    pace_factor: float | None
    nodes: tuple[NodeInRun, ...]

    @classmethod
    def of(cls, document: JsonObject) -> RunStatus:
        """Return the data in a received JSON object. Raises: ValueError if it is not such data."""
        pace_factor = document.get("pace")
        if isinstance(pace_factor, bool) or not isinstance(pace_factor, (int, float, type(None))):
            raise ValueError("`pace` must be a number, or null")
        return cls(
            _flag(document, "paused"),
            _whole(document, "frame"),
            _whole(document, "frames"),
            pace_factor,
            tuple(
                NodeInRun(
                    name,
                    _text(_object(node), "state"),
                    _flag(_object(node), "held"),
                    _flag(_object(node), "shed"),
                    _flag(_object(node), "powered"),
                )
                for name, node in _object(document.get("nodes")).items()
            ),
        )

    def as_json(self) -> JsonObject:
        """Return the data as the JSON object that is sent."""
        return {
            "paused": self.paused,
            "frame": self.frame,
            "frames": self.planned_frames,
            "pace": self.pace_factor,
            "nodes": {
                node.name: {
                    "state": node.state,
                    "held": node.held,
                    "shed": node.shed,
                    "powered": node.powered,
                }
                for node in self.nodes
            },
        }


@dataclass(frozen=True, slots=True)
class Answer:
    """The run's answer to a request.

    `error` is empty if `ok`, else: malformed (not a request), version, unknown (command),
    arguments, refused (not possible in this run now), busy (too many clients), denied (another
    user), ended (the run is over). `number` is the command's row in the record, None without one;
    `frame` is the frame before which it was carried out; `data` is what the command asked for."""

    ok: bool
    text: str
    error: str = ""
    id: int | str | None = None
    number: int | None = None
    frame: int | None = None
    data: AnswerData | None = None

    def as_json(self) -> JsonObject:
        """Return the answer as the JSON object that is sent."""
        return {
            "hil": VERSION,
            "id": self.id,
            "ok": self.ok,
            "text": self.text,
            "error": self.error,
            "number": self.number,
            "frame": self.frame,
            "data": {} if self.data is None else self.data.as_json(),
        }

    def line(self) -> bytes:
        """Return the line that is sent, with its line feed."""
        return json.dumps(self.as_json(), allow_nan=False).encode() + b"\n"


def answer_of(line: bytes, data: type[AnswerData] | None) -> Answer | None:
    """Return the answer in a line; None if the line is not a valid answer. `data`: the kind of
    data in the answer to this command, None if it has none."""
    try:
        content = json.loads(line)
        document = dict(content["data"])
        return Answer(
            bool(content["ok"]),
            str(content["text"]),
            str(content["error"]),
            content["id"],
            content["number"],
            content["frame"],
            data.of(document) if data is not None and document else None,
        )
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def _object(value: JsonValue) -> JsonObject:
    if not isinstance(value, dict):
        raise ValueError("expected a JSON object")
    return value


def _whole(document: JsonObject, key: str) -> int:
    value = document.get(key)
    if type(value) is not int:
        raise ValueError(f"`{key}` must be a whole number")
    return value


def _flag(document: JsonObject, key: str) -> bool:
    value = document.get(key)
    if not isinstance(value, bool):
        raise ValueError(f"`{key}` must be true or false")
    return value


def _text(document: JsonObject, key: str) -> str:
    value = document.get(key)
    if not isinstance(value, str):
        raise ValueError(f"`{key}` must be text")
    return value
