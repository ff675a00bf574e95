"""The rows of what went to the ground, as values: contacts, items, and what became of them."""

from __future__ import annotations

from dataclasses import dataclass

from hil.record.queries import Rows
from hil.record.row_values import values_of
from hil.wire.ground import Contact

__all__ = [
    "OffloadRows",
    "RecordedItem",
    "RecordedItemEvent",
    "offload_rows",
]

CONTACTS = "SELECT start_us, end_us, station, down_bit_s, up_bit_s FROM contacts ORDER BY start_us"
ITEMS = "SELECT * FROM offload ORDER BY id"
EVENTS = "SELECT frame, item, at_us, fate, station FROM offload_events ORDER BY id"


@dataclass(frozen=True, slots=True)
class RecordedItem:
    """A row of `offload`: an item that waits for the ground since `at_us`. `answer` is what the
    ground makes of it, of `answer_size` bytes; None: nothing comes up for it."""

    id: int
    frame: int
    kind: str
    at_us: int
    priority: int
    expires_us: int | None
    correct: int
    data: bytes
    answer_size: int | None
    ground_us: int
    answer: bytes


@dataclass(frozen=True, slots=True)
class RecordedItemEvent:
    """A row of `offload_events`: what became of an item. `frame`: the one after which the loop
    noted it."""

    frame: int
    item: int
    at_us: int
    fate: str
    station: str


@dataclass(frozen=True, slots=True)
class OffloadRows:
    """All that a record has of the ground."""

    contacts: tuple[Contact, ...]
    items: tuple[RecordedItem, ...]
    events: tuple[RecordedItemEvent, ...]


def offload_rows(record: Rows) -> OffloadRows:
    """Return all that a record has of the ground. Raises: RecordError if it cannot be read."""
    return OffloadRows(
        tuple(values_of(Contact, record.rows(CONTACTS))),
        tuple(values_of(RecordedItem, record.rows(ITEMS))),
        tuple(values_of(RecordedItemEvent, record.rows(EVENTS))),
    )
