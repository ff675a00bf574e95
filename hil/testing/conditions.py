"""Conditions: what a test waits for, or forbids. Pure, and loads nothing.

    verdict("majority", node="b")        the voter's decision on a frame, from which b deviates
    state("isolated", node="b")          a node changes to this state of its recovery
    repair("resync", node="b", ok=True)  an attempt to repair a node
    upset("state", outcome="corrected")  an upset, injected or with its outcome
    anomaly(node="b"), slip()            a deviation that no upset explains; a late frame

Each argument that is left out may have any value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from hil.testing.occurrences import FieldValue, Occurrence, OccurrenceKind

__all__ = ["Condition", "anomaly", "checked", "repair", "slip", "state", "upset", "verdict"]

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
    if word is not None and word not in words:
        raise ValueError(f"{word!r} is not a valid {what}; expected one of {', '.join(words)}")
    return word


def verdict(word: str | None = None, *, node: str | None = None) -> Condition:
    """Return the condition that the voter decides a frame so, and that `node` deviates from what
    was agreed: in its output, or in its state alone. Raises: ValueError for an unknown word."""
    return Condition(OccurrenceKind.VERDICT, checked(word, VERDICTS, "verdict"), node)


def state(word: str | None = None, *, node: str | None = None) -> Condition:
    """Return the condition that a node changes to this state. Raises: ValueError for an unknown
    word."""
    return Condition(OccurrenceKind.STATE, checked(word, STATES, "state of a node"), node)


def upset(target: str | None = None, *, node: str | None = None, **fields: FieldValue) -> Condition:
    """Return the condition that an upset of this target is reported: once when it was injected, and
    again when its assessment changes. `fields`: number, state, effect, outcome, bit, activation."""
    return Condition(OccurrenceKind.UPSET, target, node, tuple(fields.items()))


def repair(
    action: str | None = None, *, node: str | None = None, **fields: FieldValue
) -> Condition:
    """Return the condition that a repair is attempted. `fields`: ok, cause, chunks, bytes_moved."""
    return Condition(OccurrenceKind.REPAIR, action, node, tuple(fields.items()))


def anomaly(effect: str | None = None, *, node: str | None = None) -> Condition:
    """Return the condition that a node deviates and no upset can have caused it."""
    return Condition(OccurrenceKind.ANOMALY, effect, node)


def slip(*, node: str | None = None) -> Condition:
    """Return the condition that a frame, or a node, is late by real time."""
    return Condition(OccurrenceKind.SLIP, None, node)
