"""Words that are stored, compared and printed as plain text: the members of an enumeration.

A word that decides something is compared as a member of its enumeration, never as a literal;
`tests/test_layers.py` checks it."""

from __future__ import annotations

import enum

__all__ = ["Word"]


class Word(str, enum.Enum):
    """One of the words of an enumeration: equal to, hashed and printed as the plain text."""

    __str__ = str.__str__

    def __format__(self, format_spec: str) -> str:
        return str.__format__(self, format_spec)
