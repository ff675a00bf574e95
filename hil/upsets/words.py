"""The words of upsets: what is told of each one from its plan to its outcome.

The stored words are these values; each is equal to, hashed and printed as its plain text."""

from __future__ import annotations

from typing import Final, TypeAlias

from hil.scenario import BoardAction, LinkNoiseKind, PatternKind, Sefi, UpsetTarget
from hil.scenario.words import Word

__all__ = [
    "EFFECTS",
    "OUTCOMES",
    "NodeEffect",
    "SystemOutcome",
    "UpsetKind",
    "UpsetState",
    "UpsetTarget",
    "kind_of",
]

UpsetKind: TypeAlias = PatternKind | Sefi | LinkNoiseKind | BoardAction
"""What an upset does to its target: a bit pattern, a SEFI, link noise, or an action of the board's
power."""


class UpsetState(Word):
    """Whether an upset was made."""

    ARMED = "armed"  # it is not known yet
    INJECTED = "injected"
    MISSED = "missed"  # the position was not reached
    FAILED = "failed"  # the board could not make it
    REFUSED = "refused"  # it was not tried


class NodeEffect(Word):
    """What an upset did to its node, by the golden run (see `hil.upsets.outcome`)."""

    UNKNOWN = ""  # no frame has shown it yet
    MASKED = "masked"
    LATENT = "latent"
    SDC = "sdc"
    CRASH = "crash"
    HANG = "hang"
    REBOOT = "reboot"
    DETECTED = "detected"
    LATE = "late"


class SystemOutcome(Word):
    """What an upset did to the system (see `hil.upsets.outcome`)."""

    UNKNOWN = ""  # it is not settled yet
    NO_EFFECT = "no_effect"
    CORRECTED = "corrected"
    RECOVERED = "recovered"
    DEGRADED = "degraded"
    DETECTED_UNRESOLVED = "detected_unresolved"
    SDC_ESCAPED = "sdc_escaped"
    UNAVAILABLE = "unavailable"


EFFECTS: Final = tuple(effect for effect in NodeEffect if effect is not NodeEffect.UNKNOWN)
OUTCOMES: Final = tuple(o for o in SystemOutcome if o is not SystemOutcome.UNKNOWN)


def kind_of(target: UpsetTarget, text: str) -> UpsetKind:
    """Return the kind that is stored as `text` for upsets of `target`. Raises ValueError if there
    is none."""
    if target is UpsetTarget.LINK:
        return LinkNoiseKind(text)
    if target is UpsetTarget.CPU:
        return Sefi(text)
    if target is UpsetTarget.BOARD:
        return BoardAction(text)
    return PatternKind(text)
