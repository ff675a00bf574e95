"""Words of the findings that several of them need."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["listed"]


def listed(names: Sequence[str]) -> str:
    """Return `left`, `left and right`, `left, middle and right`."""
    return ", ".join(names[:-1]) + " and " + names[-1] if len(names) > 1 else names[0]
