"""The values of the link to the ground that cross layers: contacts, kinds of items, their fates."""

from __future__ import annotations

from dataclasses import dataclass

from hil.word_enum import Word

__all__ = ["Contact", "ItemFate", "ItemKind"]


class ItemKind(Word):
    """The kind of an item for the ground."""

    RESULT = "result"
    TELEMETRY = "telemetry"
    CHECKPOINT = "checkpoint"
    WORK = "work"  # the inputs of a frame that the ground is to compute
    RESEED = "reseed"  # the nodes need a state


class ItemFate(Word):
    """The fate of an item on its way."""

    DELIVERED = "delivered"  # it has come down
    ANSWERED = "answered"  # what it asked for has come up
    TOO_OLD = "too old"  # it was dropped: nobody wants it any more
    NO_ROOM = "no room"  # it was dropped: the memory for it was full


@dataclass(frozen=True, slots=True)
class Contact:
    """A time in which a link has these rates. Contacts are in order and do not overlap."""

    start_us: int
    end_us: int
    station: str
    down_bit_s: int
    up_bit_s: int
