"""The link to the ground in an MCAP file: contacts, what waited for it, and what became of that.

The bytes of the items stay in the record: a message has their number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from hil.export.event_lines import EventLevel, ListedEvent
from hil.export.mcap_topics import described, typed
from hil.json_values import JsonObject, JsonValue
from hil.record.offload_rows import OffloadRows, RecordedItem, RecordedItemEvent
from hil.wire.ground import ItemFate

__all__ = ["CONTACTS", "GROUND_SCHEMAS", "ITEMS", "ITEM_EVENTS", "TopicMessage", "ground_messages"]

CONTACTS: Final = "/contacts"
ITEMS: Final = "/offload"
ITEM_EVENTS: Final = "/offload_events"

_DROPPED: Final = frozenset({ItemFate.TOO_OLD, ItemFate.NO_ROOM})
_ITEM: Final = {
    "kind": typed("string"),
    "bytes": typed("integer"),
    "answer_bytes": typed("integer"),
    "priority": typed("integer"),
    "correct": typed("boolean"),
}

GROUND_SCHEMAS: Final[Mapping[str, tuple[str, JsonObject]]] = {
    CONTACTS: (
        "hil.contacts",
        described(
            {
                **dict.fromkeys(("t_us", "start_us", "end_us"), typed("integer")),
                "station": typed("string"),
                "in_contact": typed("boolean"),
                **dict.fromkeys(("down_bit_s", "up_bit_s"), typed("integer")),
            },
            "hil.contacts",
        ),
    ),
    ITEMS: (
        "hil.offload",
        described(
            {
                **dict.fromkeys(("t_us", "id", "frame", "expires_us"), typed("integer")),
                **_ITEM,
            },
            "hil.offload",
        ),
    ),
    ITEM_EVENTS: (
        "hil.offload_events",
        described(
            {
                **dict.fromkeys(("t_us", "frame", "item"), typed("integer")),
                **dict.fromkeys(("fate", "station"), typed("string")),
                "dropped": typed("boolean"),
                "after_s": typed("number"),
                **_ITEM,
            },
            "hil.offload_events",
        ),
    ),
}
"""Name and JSON Schema of each topic's messages."""


class TopicMessage(NamedTuple):
    """A message at a simulated time [us], and its line for a list of events, if it has one."""

    topic: str
    t_us: int
    message: JsonObject
    line: ListedEvent | None = None


def ground_messages(rows: OffloadRows) -> Iterator[TopicMessage]:
    """Yield the messages of the ground. A contact has one at its beginning and one at its end: a
    plot of `in_contact` shows it, and its rates, as they were."""
    for contact in rows.contacts:
        common: JsonObject = {
            "start_us": contact.start_us,
            "end_us": contact.end_us,
            "station": contact.station,
        }
        for t_us, inside in ((contact.start_us, True), (contact.end_us, False)):
            rates = {"down_bit_s": contact.down_bit_s, "up_bit_s": contact.up_bit_s}
            now: JsonObject = {name: rate if inside else 0 for name, rate in rates.items()}
            message = {"t_us": t_us, **common, "in_contact": inside, **now}
            yield TopicMessage(CONTACTS, t_us, message)
    items = {item.id: item for item in rows.items}
    for item in rows.items:
        expires = {} if item.expires_us is None else {"expires_us": item.expires_us}
        message = {"t_us": item.at_us, "id": item.id, "frame": item.frame, **expires, **_of(item)}
        yield TopicMessage(ITEMS, item.at_us, message)
    for event in rows.events:
        yield _event(event, items.get(event.item))


def _event(event: RecordedItemEvent, item: RecordedItem | None) -> TopicMessage:
    dropped = event.fate in _DROPPED
    message: dict[str, JsonValue] = {
        "t_us": event.at_us,
        "frame": event.frame,
        "item": event.item,
        "fate": event.fate,
        "station": event.station,
        "dropped": dropped,
    }
    what = f"item {event.item} for the ground"
    if item is not None:
        message |= {"after_s": (event.at_us - item.at_us) / 1e6, **_of(item)}
        what = f"{item.kind} of frame {item.frame}, {len(item.data):,} bytes for the ground"
    how = f"dropped, {event.fate}" if dropped else event.fate
    over = f" over {event.station}" if event.station else ""
    level = EventLevel.WARNING if dropped else EventLevel.INFO
    line = ListedEvent(event.frame, "", "offload_events", level, f"{what}: {how}{over}")
    return TopicMessage(ITEM_EVENTS, event.at_us, message, line)


def _of(item: RecordedItem) -> JsonObject:
    answer = {} if item.answer_size is None else {"answer_bytes": item.answer_size}
    return {
        "kind": item.kind,
        "bytes": len(item.data),
        **answer,
        "priority": item.priority,
        "correct": bool(item.correct),
    }
