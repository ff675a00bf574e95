"""A row of `limits`: an order of the plant to a board, and its result."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields

from hil.json_values import JsonValue
from hil.wire.messages import Limited, Limits

__all__ = ["AppliedLimits", "OrderedLimits"]


@dataclass(frozen=True, slots=True)
class OrderedLimits:
    """An order of the plant to a board: the limits to keep, or None to switch its power off."""

    limits: Limits | None

    def text(self) -> str:
        """Return the order as the record stores it."""
        return json.dumps({"power": "off"} if self.limits is None else asdict(self.limits))

    @classmethod
    def of(cls, text: str) -> OrderedLimits:
        """Return the order that the record stores as `text`. Raises: ValueError if it is none."""
        stored = json.loads(text or "{}")
        if stored.get("power") == "off":
            return cls(None)
        names = [field.name for field in fields(Limits) if field.name in stored]
        return cls(Limits(**{name: stored[name] for name in names}))


@dataclass(frozen=True, slots=True)
class AppliedLimits:
    """The result of an order.

    `power`: that the board's power is on or off now, or why it could not be switched; None if that
    was not tried. `limits`: what the board reports as in force; None if it was not asked, or did
    not answer, which `error` explains. `instead_of`: what the board refused before, in the place of
    which these limits are in force."""

    power: str | None = None
    limits: Limited | None = None
    error: str | None = None
    instead_of: tuple[str, ...] = ()

    @property
    def refused(self) -> tuple[str, ...]:
        """Return the limits that the board refused, keys of `hil.wire.messages.LIMITS`, sorted."""
        return () if self.limits is None else tuple(sorted(self.limits.refused))

    def text(self) -> str:
        """Return what came of the order as the record stores it."""
        stored: dict[str, JsonValue] = {}
        if self.power is not None:
            stored["power"] = self.power
        if self.error is not None:
            stored["error"] = self.error
        if self.limits is not None:
            for name, value in asdict(self.limits).items():
                stored[name] = sorted(value) if isinstance(value, frozenset) else value
        if self.instead_of:
            stored["instead of"] = self.instead_of
        return json.dumps(stored)

    @classmethod
    def of(cls, text: str) -> AppliedLimits:
        """Return what the record stores as `text`. Raises: ValueError if it is not one of these."""
        stored = json.loads(text or "{}")
        limits = None
        if "duty_permille" in stored:
            limits = Limited(
                duty_permille=stored["duty_permille"],
                cores=stored.get("cores"),
                suspend=stored.get("suspend", False),
                clock_khz=stored.get("clock_khz"),
                mode=stored.get("mode", ""),
                refused=frozenset(stored.get("refused", ())),
                means=frozenset(stored.get("means", ())),
                errno=stored.get("errno", 0),
            )
        before = tuple(stored.get("instead of", ()))
        return cls(stored.get("power"), limits, stored.get("error"), before)
