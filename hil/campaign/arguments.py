"""The arguments of a campaign that Python orders, checked."""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from typing import SupportsIndex

from hil.campaign.regions import EXACT_TARGETS
from hil.errors import UsageError
from hil.scenario import UpsetTarget

__all__ = ["exact_targets", "whole"]


def exact_targets(names: Sequence[str]) -> tuple[UpsetTarget, ...]:
    """Return the targets of an exact campaign by their names. Raises: UsageError."""
    known = {target.value: target for target in EXACT_TARGETS}
    remedy = f"a list of these, each at most once: {', '.join(known)}"
    if isinstance(names, str):
        raise UsageError(f"targets={names!r} is one text, not a list of names", remedy=remedy)
    if unknown := [name for name in names if name not in known]:
        raise UsageError(f"exact campaigns have no target {unknown[0]!r}", remedy=remedy)
    if not names or len(set(names)) < len(names):
        what = "names one twice" if names else "names none"
        raise UsageError(f"targets={names!r} {what}", remedy=remedy)
    return tuple(known[name] for name in names)


def whole(name: str, value: SupportsIndex, *, least: int) -> int:
    """Return an argument, which NumPy may have made. Raises: UsageError if it is not a whole number
    of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, SupportsIndex) or index(value) < least:
        raise UsageError(f"{name}={value!r} is not a whole number from {least} on")
    return index(value)
