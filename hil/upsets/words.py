"""The words of upsets: state, node effect, system outcome and kind, as enumerations.

The record stores the values; each compares, hashes and prints as its plain text."""

from __future__ import annotations

from typing import Final, TypeAlias

from hil.scenario import BoardAction, LinkNoiseKind, PatternKind, Sefi, UpsetTarget
from hil.scenario.words import TimingFault
from hil.wire.messages import Activation, UpsetState
from hil.word_enum import Word

__all__ = [
    "ACTIVATIONS",
    "COUNTED_EFFECTS",
    "EFFECTS",
    "OUTCOMES",
    "UNKNOWN_WORD",
    "Activation",
    "NodeEffect",
    "SystemOutcome",
    "UpsetKind",
    "UpsetState",
    "UpsetTarget",
    "kind_of",
]

UpsetKind: TypeAlias = PatternKind | Sefi | LinkNoiseKind | BoardAction | TimingFault
"""What an upset does to its target: a bit pattern, a SEFI, link noise, an action of the board's
power, or a fault of the node's timing."""


class NodeEffect(Word):
    """The effect of an upset on its node, by the golden run (see `hil.upsets.outcome`)."""

    UNKNOWN = ""  # no frame has shown an effect yet
    MASKED = "masked"
    LATENT = "latent"
    SDC = "sdc"
    CRASH = "crash"
    HANG = "hang"
    REBOOT = "reboot"
    DETECTED = "detected"
    LATE = "late"


class SystemOutcome(Word):
    """The outcome of an upset for the system (see `hil.upsets.outcome`)."""

    UNKNOWN = ""  # not settled yet
    NO_EFFECT = "no_effect"
    CORRECTED = "corrected"
    RECOVERED = "recovered"
    DEGRADED = "degraded"
    DETECTED_UNRESOLVED = "detected_unresolved"
    SDC_ESCAPED = "sdc_escaped"
    UNAVAILABLE = "unavailable"


ACTIVATIONS: Final = tuple(a for a in Activation if a is not Activation.UNKNOWN)
EFFECTS: Final = tuple(effect for effect in NodeEffect if effect is not NodeEffect.UNKNOWN)
OUTCOMES: Final = tuple(o for o in SystemOutcome if o is not SystemOutcome.UNKNOWN)

UNKNOWN_WORD: Final = "unknown"
"""The name of `UNKNOWN` in counts."""
COUNTED_EFFECTS: Final = (*(effect.value for effect in EFFECTS), UNKNOWN_WORD)
"""The effects by which upsets are counted; unknown is that of one whose node showed nothing after
it, as its board did not answer any more."""


def kind_of(target: UpsetTarget, text: str) -> UpsetKind:
    """Return the kind that is stored as `text` for upsets of `target`. Raises: ValueError if there
    is none."""
    if target is UpsetTarget.LINK:
        return LinkNoiseKind(text)
    if target is UpsetTarget.CPU:
        return Sefi(text)
    if target is UpsetTarget.BOARD:
        return BoardAction(text)
    if target is UpsetTarget.TIMING:
        return TimingFault(text)
    return PatternKind(text)
