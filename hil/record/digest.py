"""The run digest: equal for two runs exactly when the same happened in them.

SHA-256 over two parts: the packed frames in order (every node's status and digests, every verdict),
and a canonical line for each upset and each transition. Real times, process ids and link counters
are not part of it, nor is the activation of upsets, which not every board knows. What a portable
upset read before and after is; for registers and machine code
it is not, because a dead register may hold anything. Nodes are identified by position, so that
boards of a bench may have other names."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

_PORTABLE: Final = frozenset({"state", "input", "output", "checkpoint"})


class DigestedUpset(NamedTuple):
    """The values of an upset that the run digest covers; `idx` is the position of its node."""

    id: int
    frame: int
    idx: int
    target: str
    kind: str
    state: str
    verified: int
    tick: int
    bit: int
    space: int
    before: bytes
    after: bytes
    effect: str
    signal: int
    outcome: str
    detected_frame: int | None
    resolved_frame: int | None


class DigestedTransition(NamedTuple):
    """The values of a transition of recovery that the run digest covers; `idx` is the position of
    its node."""

    frame: int
    idx: int
    before: str
    after: str


def upset_line(u: DigestedUpset) -> str:
    """Return the canonical line of an upset."""
    values = [u.id, u.frame, u.idx, u.target, u.kind, u.state, u.verified, u.tick]
    if u.target in _PORTABLE:
        values += [u.bit, u.space, _text(u.before), _text(u.after)]
    values += [u.effect, u.signal, u.outcome, u.detected_frame, u.resolved_frame]
    return f"upset {' '.join(map(str, values))}"


def _text(value: bytes) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)  # a changed record holds any


def transition_line(t: DigestedTransition) -> str:
    """Return the canonical line of a transition of recovery."""
    return f"transition {t.frame} {t.idx} {t.before} {t.after}"


def combine(frames: Any, lines: Iterable[str]) -> str:
    """Return the run digest from the hash object of all blocks and the canonical lines in order."""
    events = hashlib.sha256("\n".join(lines).encode())
    return hashlib.sha256(frames.digest() + events.digest()).hexdigest()


def hex64(value: int) -> str:
    """Return a digest as text."""
    return f"{value:016x}"


def canonical_lines(db: sqlite3.Connection) -> Iterator[str]:
    """Yield the canonical lines of a record's upsets and transitions, in order."""
    for row in _in_order(db, "upsets", DigestedUpset._fields):
        yield upset_line(DigestedUpset(*row))
    for row in _in_order(db, "transitions", DigestedTransition._fields):
        yield transition_line(DigestedTransition(*row))


def _in_order(db: sqlite3.Connection, table: str, columns: tuple[str, ...]) -> sqlite3.Cursor:
    names = ", ".join("nodes.idx" if name == "idx" else f"t.{name}" for name in columns)
    return db.execute(
        f"SELECT {names} FROM {table} t JOIN nodes ON nodes.name = t.node ORDER BY t.id"
    )
