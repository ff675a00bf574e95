"""The rows of what went to the ground, as values: contacts, items, and what became of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Final, TypeAlias

from hil.errors import RecordError
from hil.record.queries import Rows
from hil.record.row_values import columns_of, values_of
from hil.wire.ground import Contact

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Kind: TypeAlias = "type | tuple[type, ...]"

__all__ = [
    "CONTACTS",
    "EVENTS",
    "ITEMS",
    "ItemSize",
    "OffloadRows",
    "RecordedItem",
    "RecordedItemEvent",
    "contact_at",
    "has_contacts",
    "item_events_between",
    "item_sizes_between",
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


@dataclass(frozen=True, slots=True)
class ItemSize:
    """An item of `offload` without its bytes."""

    id: int
    kind: str
    at_us: int
    size: int


def has_contacts(record: Rows) -> bool:
    """Return whether the run has a link to the ground."""
    return bool(record.rows("SELECT 1 FROM contacts LIMIT 1"))


def contact_at(record: Rows, t_us: int) -> Contact | None:
    """Return the contact at a time; None without one."""
    rows = record.rows(
        "SELECT start_us, end_us, station, down_bit_s, up_bit_s FROM contacts "
        "WHERE start_us <= ? ORDER BY start_us DESC LIMIT 1",
        t_us,
    )
    contacts = values_of(Contact, rows)
    return contacts[0] if contacts and t_us < contacts[0].end_us else None


def item_sizes_between(record: Rows, after: int, head: int) -> list[ItemSize]:
    """Return the items of the frames after `after` up to `head`."""
    sql = "SELECT id, kind, at_us, length(data) AS size FROM offload WHERE frame > ? AND frame <= ?"
    return values_of(ItemSize, record.rows(sql, after, head))


def item_events_between(record: Rows, after: int, head: int) -> list[RecordedItemEvent]:
    """Return what became of items in the frames after `after` up to `head`."""
    sql = "SELECT frame, item, at_us, fate, station FROM offload_events "
    return values_of(
        RecordedItemEvent,
        record.rows(f"{sql} WHERE frame > ? AND frame <= ? ORDER BY id", after, head),
    )


def offload_rows(record: Rows) -> OffloadRows:
    """Return all that a record has of the ground. Raises: RecordError if it cannot be read, or a
    value is of another kind than its column."""
    rows = OffloadRows(
        tuple(values_of(Contact, record.rows(CONTACTS))),
        tuple(values_of(RecordedItem, record.rows(ITEMS))),
        tuple(values_of(RecordedItemEvent, record.rows(EVENTS))),
    )
    _check("contacts", rows.contacts, _OF_CONTACT)
    _check("offload", rows.items, _OF_ITEM)
    _check("offload_events", rows.events, _OF_EVENT)
    return rows


_MAYBE: Final = (int, type(None))
_OF_CONTACT: Final = (int, int, str, int, int)
_OF_ITEM: Final = (int, int, str, int, int, _MAYBE, int, bytes, _MAYBE, int, bytes)
_OF_EVENT: Final = (int, int, int, str, str)


def _check(table: str, values: Iterable[DataclassInstance], kinds: Sequence[Kind]) -> None:
    """Check that values are of the kinds of their columns: a changed record holds any. Raises:
    RecordError."""
    for number, value in enumerate(values, 1):
        for field, column, kind in zip(fields(value), columns_of(value), kinds, strict=True):
            if not isinstance(column, kind):
                raise RecordError(
                    f"the record is damaged: row {number} of `{table}` has {column!r:.40} as its "
                    f"{field.name}"
                )
