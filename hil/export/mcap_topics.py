"""Names the topics of an MCAP file of a run, with their JSON Schemas, and makes its messages.

Foxglove knows `foxglove.Log` and `foxglove.LocationFix` by their names; all other schemas have one
number, text or truth value for each column of the record. What is missing in a row is left out of
its message."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, get_args, get_type_hints

from numpy.typing import NDArray

from hil.export.event_lines import ListedEvent
from hil.export.row_columns import row_columns
from hil.json_values import JsonObject, JsonValue
from hil.record.measured_rows import RecordedLinkCounts, RecordedPower
from hil.record.row_values import (
    RecordedAnomaly,
    RecordedCommand,
    RecordedHealth,
    RecordedLimit,
    RecordedLinkEvent,
    RecordedNote,
    RecordedOrbit,
    RecordedPlant,
    RecordedPlantNode,
    RecordedRepair,
    RecordedSlip,
    RecordedTransition,
    RecordedUpset,
)
from hil.record.run_follower import FollowedRow
from hil.redundancy.voting import CORRECT, DELIVERED, HELD, NodeStatus, VerdictKind

__all__ = [
    "BALLOT",
    "DIGESTS",
    "EVENTS",
    "FRAMES",
    "LOCATION",
    "SCHEMAS",
    "TOPICS",
    "described",
    "frame_messages",
    "location_message",
    "log_message",
    "row_message",
    "typed",
]

FRAMES: Final = "/frames"
EVENTS: Final = "/events"
LOCATION: Final = "/location"

TOPICS: Final[Mapping[type[FollowedRow], str]] = {
    RecordedUpset: "/upsets",
    RecordedTransition: "/transitions",
    RecordedRepair: "/repairs",
    RecordedAnomaly: "/anomalies",
    RecordedSlip: "/slips",
    RecordedLinkEvent: "/link_events",
    RecordedLinkCounts: "/link_counts",
    RecordedHealth: "/health",
    RecordedPower: "/power",
    RecordedPlant: "/plant",
    RecordedPlantNode: "/plant_nodes",
    RecordedOrbit: "/orbit",
    RecordedLimit: "/limits",
    RecordedCommand: "/commands",
    RecordedNote: "/notes",
}
"""The topic of each kind of row."""

_BY_NAME: Final = {"temperatures_c": "celsius", "upsets_per_day": "per_day"}
"""Columns that are JSON objects of numbers by name, and what the numbers are: in a message they are
an array of objects, of which Foxglove plots the one with a name: `temperatures_c[:]{name=="x"}`."""
_INDEXED: Final = (RecordedHealth, RecordedLinkCounts)
"""Rows that have the index of their node, and get its name, too."""
_PARTS: Final = [
    "frame",
    "verdict",
    "voters",
    "flags",
    "agree",
    "dissent",
    "latent",
    "output",
    "state",
]
_TYPES: Final = {int: "integer", float: "number", str: "string", bytes: "string"}


def typed(name: str) -> JsonObject:
    """Return the JSON Schema of a value of one JSON type."""
    return {"type": name}


def described(properties: JsonObject, title: str) -> JsonObject:
    """Return the JSON Schema of an object with these properties."""
    return {"type": "object", "title": title, "properties": properties}


def _row_schema(kind: type[Any], title: str) -> JsonObject:
    properties: dict[str, JsonValue] = {"t_us": typed("integer")}
    for name, hint in get_type_hints(kind).items():
        base = next(t for t in (*get_args(hint), hint) if t in _TYPES)
        properties[name] = typed(_TYPES[base])
        if name in _BY_NAME:
            value = {"name": typed("string"), _BY_NAME[name]: typed("number")}
            properties[name] = {"type": "array", "items": described(value, name)}
    if kind in _INDEXED:
        properties |= {"node": typed("string"), "index": typed("integer")}
    return described(properties, title)


_TIME: Final = described({"sec": typed("integer"), "nsec": typed("integer")}, "time")
DIGESTS: Final = {"output_digest": typed("string"), "state_digest": typed("string")}
BALLOT: Final = {"node": typed("string"), "status": typed("string"), "signal": typed("integer")}
_FRAME: Final = described(
    {
        **dict.fromkeys(("frame", "t_us"), typed("integer")),
        "verdict": typed("string"),
        "verdict_code": typed("integer"),
        **dict.fromkeys(("voters", "agree", "dissent", "latent"), typed("integer")),
        **dict.fromkeys(("delivered", "correct", "held"), typed("boolean")),
        **DIGESTS,
        "nodes": {
            "type": "array",
            "items": described({**BALLOT, "status_code": typed("integer"), **DIGESTS}, "ballot"),
        },
    },
    "hil.frames",
)
_LOG: Final = described(
    {
        "timestamp": _TIME,
        "level": typed("integer"),
        **dict.fromkeys(("message", "name", "file"), typed("string")),
        "line": typed("integer"),
    },
    "foxglove.Log",
)
_FIX: Final = described(
    {
        "timestamp": _TIME,
        "frame_id": typed("string"),
        **dict.fromkeys(("latitude", "longitude", "altitude"), typed("number")),
        "position_covariance": {
            "type": "array",
            "items": typed("number"),
            "minItems": 9,
            "maxItems": 9,
        },
        "position_covariance_type": typed("integer"),
    },
    "foxglove.LocationFix",
)

SCHEMAS: Final[Mapping[str, tuple[str, JsonObject]]] = {
    FRAMES: ("hil.frames", _FRAME),
    EVENTS: ("foxglove.Log", _LOG),
    LOCATION: ("foxglove.LocationFix", _FIX),
    **{
        topic: (title := f"hil.{topic[1:]}", _row_schema(kind, title))
        for kind, topic in TOPICS.items()
    },
}
"""Name and JSON Schema of each topic's messages."""


def frame_messages(
    frames: NDArray[Any], times_us: NDArray[Any], names: tuple[str, ...]
) -> Iterator[tuple[int, JsonObject]]:
    """Yield simulated time [us] and message of each frame."""
    kinds = {int(kind): kind.word for kind in VerdictKind}
    statuses = {int(status): status.word for status in NodeStatus}
    parts = [frames[name].tolist() for name in _PARTS]
    for *row, ballots, t_us in zip(*parts, frames["node"].tolist(), times_us.tolist(), strict=True):
        frame, verdict, voters, flags, agree, dissent, latent, output, state = row
        yield (
            t_us,
            {
                "frame": frame,
                "t_us": t_us,
                "verdict": kinds.get(verdict, str(verdict)),
                "verdict_code": verdict,
                "voters": voters,
                "agree": agree,
                "dissent": dissent,
                "latent": latent,
                "delivered": bool(flags & DELIVERED),
                "correct": bool(flags & CORRECT),
                "held": bool(flags & HELD),
                "output_digest": f"{output:016x}",
                "state_digest": f"{state:016x}",
                "nodes": [
                    {
                        "node": name,
                        "status": statuses.get(ballot[0], str(ballot[0])),
                        "status_code": ballot[0],
                        "signal": ballot[1],
                        "output_digest": f"{ballot[2]:016x}",
                        "state_digest": f"{ballot[3]:016x}",
                    }
                    for name, ballot in zip(names, ballots, strict=True)
                ],
            },
        )


def row_message(row: FollowedRow, t_us: int, names: tuple[str, ...]) -> JsonObject:
    """Return the message of a row at the simulated time `t_us`."""
    message: dict[str, JsonValue] = {"t_us": t_us}
    for name, value in row_columns(row).items():
        if value is None:
            continue
        if name in _BY_NAME:
            message[name] = _by_name(str(value), _BY_NAME[name])
        else:
            message[name] = value.hex() if isinstance(value, bytes) else value
    if isinstance(row, _INDEXED):
        message |= {"index": row.node, "node": names[row.node] if row.node < len(names) else ""}
    return message


def _by_name(text: str, unit: str) -> JsonValue:
    try:
        content = json.loads(text)
    except ValueError:
        return []
    if not isinstance(content, Mapping):
        return []
    return [{"name": name, unit: value} for name, value in content.items()]


def log_message(line: ListedEvent, ns: int) -> JsonObject:
    """Return an event as a `foxglove.Log`, at a time in nanoseconds since 1970."""
    node = f"{line.node}: " if line.node else ""
    return {
        "timestamp": _time(ns),
        "level": int(line.severity),
        "message": f"frame {line.frame}: {node}{line.text}",
        "name": line.table,
        "file": "",
        "line": 0,
    }


def location_message(row: RecordedOrbit, ns: int) -> JsonObject | None:
    """Return a position as a `foxglove.LocationFix`; None where it is not known."""
    if row.latitude_deg is None or row.longitude_deg is None:
        return None
    return {
        "timestamp": _time(ns),
        "frame_id": "earth",
        "latitude": row.latitude_deg,
        "longitude": row.longitude_deg,
        "altitude": 1000.0 * (row.altitude_km or 0.0),
        "position_covariance": [0.0] * 9,
        "position_covariance_type": 0,
    }


def _time(ns: int) -> JsonObject:
    return {"sec": ns // 1_000_000_000, "nsec": ns % 1_000_000_000}
