"""Conditions: what a test waits for, or forbids. Pure, and loads nothing.

    verdict("majority", node="b")        the voter's decision on a frame, from which b deviates
    state("isolated", node="b")          a node changes to this state of its recovery
    repair("resync", node="b", ok=True)  an attempt to repair a node
    upset("state", outcome="corrected")  an upset, injected or with its outcome
    anomaly(node="b"), slip()            a deviation that no upset explains; a late frame

Each argument that is left out may have any value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from hil.testing.occurrences import FieldValue, Occurrence, OccurrenceKind

__all__ = [
    "Condition",
    "anomaly",
    "checked",
    "checked_fields",
    "repair",
    "slip",
    "state",
    "upset",
    "verdict",
]

VERDICTS: Final = ("unanimous", "majority", "simplex", "no_majority", "no_quorum")
STATES: Final = (
    "voting",
    "suspect",
    "resync",
    "restart",
    "reset",
    "power_cycle",
    "isolated",
    "reintegrating",
)
"""The words of `hil.api.VerdictKind` and `NodeState`, which a test compares with these."""

TARGETS: Final = (
    "state",
    "input",
    "output",
    "link",
    "checkpoint",
    "cpu",
    "stack",
    "heap",
    "text",
    "gpr",
    "vector",
    "agent",
    "check-bits",
    "board",
    "board-ram",
    "timing",
)
EFFECTS: Final = ("masked", "latent", "sdc", "crash", "hang", "reboot", "detected", "late")
OUTCOMES: Final = (
    "no_effect",
    "corrected",
    "recovered",
    "degraded",
    "detected_unresolved",
    "sdc_escaped",
    "unavailable",
)
REPAIRS: Final = (
    "resync",
    "restart",
    "reset",
    "power_cycle",
    "rollback",
    "reseed",
    "refresh",
    "cold_start",
)
_UPSET_FIELDS: Final = (
    "number",
    "state",
    "kind",
    "verified",
    "bit",
    "effect",
    "outcome",
    "activation",
)
_REPAIR_FIELDS: Final = ("ok", "cause", "chunks", "bytes_moved")
"""The words and fields of upsets and repairs. A misspelt one would be awaited in vain, and a
misspelt one that is forbidden would never be met."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition on one occurrence. None: any word, any node."""

    kind: OccurrenceKind
    word: str | None = None
    node: str | None = None
    fields: tuple[tuple[str, FieldValue], ...] = ()

    def holds(self, seen: Occurrence) -> bool:
        """Return whether an occurrence meets it."""
        return (
            seen.kind is self.kind
            and self.word in {None, seen.word}
            and (self.node is None or self.node in seen.nodes)
            and all(seen.fields.get(name) == value for name, value in self.fields)
        )

    def __str__(self) -> str:
        if self.kind is OccurrenceKind.STATE:
            return f"node {self.node or '(any)'} {self.word or 'in another state'}"
        words = [self.kind.value, *([self.word] if self.word else [])]
        if self.node:
            how = "against" if self.kind is OccurrenceKind.VERDICT else "of node"
            words.append(f"{how} {self.node}")
        words += [f"{name}={value!r}" for name, value in self.fields]
        return " ".join(words)


def checked(word: str | None, words: tuple[str, ...], what: str) -> str | None:
    """Return `word` if it is one of `words`, or None. Raises: ValueError naming all that are."""
    __tracebackhide__ = True
    if word is not None and word not in words:
        raise ValueError(f"{word!r} is not a valid {what}; expected one of {', '.join(words)}")
    return word


def checked_fields(
    fields: Mapping[str, FieldValue], names: tuple[str, ...], what: str
) -> tuple[tuple[str, FieldValue], ...]:
    """Return the fields of a condition. Raises: ValueError for one that is not among `names`, or a
    word that an effect or an outcome cannot be."""
    __tracebackhide__ = True
    for name, value in fields.items():
        checked(name, names, f"field of {what}")
        if name in {"effect", "outcome"} and value:
            checked(str(value), EFFECTS if name == "effect" else OUTCOMES, f"{name} of {what}")
    return tuple(fields.items())


def verdict(word: str | None = None, *, node: str | None = None) -> Condition:
    """Return the condition that the voter decides a frame so, and that `node` deviates from what
    was agreed: in its output, or in its state alone. Raises: ValueError for an unknown word."""
    __tracebackhide__ = True
    return Condition(OccurrenceKind.VERDICT, checked(word, VERDICTS, "verdict"), node)


def state(word: str | None = None, *, node: str | None = None) -> Condition:
    """Return the condition that a node changes to this state. Raises: ValueError for an unknown
    word."""
    __tracebackhide__ = True
    return Condition(OccurrenceKind.STATE, checked(word, STATES, "state of a node"), node)


def upset(target: str | None = None, *, node: str | None = None, **fields: FieldValue) -> Condition:
    """Return the condition that an upset of this target is reported: once when it was injected, and
    again when its assessment changes. `fields`: number, state, kind, verified, bit, effect,
    outcome, activation. Raises: ValueError for an unknown target, field, effect or outcome."""
    __tracebackhide__ = True
    chosen = checked_fields(fields, _UPSET_FIELDS, "upsets")
    return Condition(OccurrenceKind.UPSET, checked(target, TARGETS, "target"), node, chosen)


def repair(
    action: str | None = None, *, node: str | None = None, **fields: FieldValue
) -> Condition:
    """Return the condition that a repair is attempted. `fields`: ok, cause, chunks, bytes_moved.
    Raises: ValueError for an unknown action or field."""
    __tracebackhide__ = True
    chosen = checked_fields(fields, _REPAIR_FIELDS, "repairs")
    return Condition(OccurrenceKind.REPAIR, checked(action, REPAIRS, "repair"), node, chosen)


def anomaly(effect: str | None = None, *, node: str | None = None) -> Condition:
    """Return the condition that a node deviates and no upset can have caused it. Raises: ValueError
    for an unknown effect."""
    __tracebackhide__ = True
    return Condition(OccurrenceKind.ANOMALY, checked(effect, EFFECTS, "effect"), node)


def slip(*, node: str | None = None) -> Condition:
    """Return the condition that a frame, or a node, is late by real time."""
    return Condition(OccurrenceKind.SLIP, None, node)
