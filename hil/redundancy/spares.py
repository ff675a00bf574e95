"""Spares: nodes beyond those that decide. Pure.

    hot spare    computes along and is compared, but does not vote; when a node leaves the vote, it
                 votes in its place in the same frame
    cold spare   has no power; when a node is isolated, it is switched on, boots, is given the state
                 of the others, and votes after its re-integration (`hil.engine.stand_by`)

Of the nodes that vote, the first in the list decide, as many as the scheme has members."""

from __future__ import annotations

from typing import Final

__all__ = ["NEEDED", "STANDS_BY", "first_of", "is_stand_by"]

STANDS_BY: Final = "stand-by: off until it is needed"
"""The cause in the record for which a node is out of service on stand-by."""
NEEDED: Final = "stand-by ends: "
"""How the cause begins for which it returns; the reason follows."""


def is_stand_by(cause: str) -> bool:
    """Return whether a node that is out of service for `cause` is on stand-by, and not faulty."""
    return cause == STANDS_BY


def first_of(mask: int, count: int) -> int:
    """Return the mask of the first `count` nodes of `mask`."""
    out = 0
    for _ in range(count):
        lowest = mask & -mask
        out, mask = out | lowest, mask ^ lowest
    return out
