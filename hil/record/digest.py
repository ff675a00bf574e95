"""The run digest: equal for two runs exactly when the same happened in them.

SHA-256 over two parts: the packed frames in order (every node's status and digests, every
verdict), and a canonical line for each upset and each transition. Real times, process ids and link
counters are no part of it. What a portable upset read before and after is; for registers and
machine code it is not, because a dead register may hold anything. Nodes are told by position, so
that boards of a bench may have other names."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any, Final

_PORTABLE: Final = frozenset({"state", "input", "output", "checkpoint"})

_UPSET_COLUMNS: Final = (
    "id",
    "frame",
    "idx",
    "target",
    "kind",
    "state",
    "verified",
    "tick",
    "bit",
    "space",
    "before",
    "after",
    "effect",
    "signal",
    "outcome",
    "detected_frame",
    "resolved_frame",
)
_POSITION: Final = frozenset({"bit", "space", "before", "after"})


def upset_line(row: dict[str, Any]) -> str:
    """The canonical line of one upset; `idx` is its node's position."""
    portable = row["target"] in _PORTABLE
    parts: list[str] = []
    for name in _UPSET_COLUMNS:
        value = row[name]
        if name in _POSITION and not portable:
            continue
        parts.append(value.hex() if isinstance(value, bytes) else str(value))
    return "upset " + " ".join(parts)


def transition_line(row: dict[str, Any]) -> str:
    """The canonical line of one recovery transition."""
    return " ".join(["transition", *(str(row[c]) for c in ("frame", "idx", "before", "after"))])


def combine(frames: Any, lines: Iterable[str]) -> str:
    """The run digest from the hash object of all blocks and the canonical lines in order."""
    events = hashlib.sha256("\n".join(lines).encode())
    return hashlib.sha256(frames.digest() + events.digest()).hexdigest()


def hex64(value: int) -> str:
    """A digest as text."""
    return f"{value:016x}"


def canonical_lines(db: sqlite3.Connection) -> Iterator[str]:
    """Canonical lines of a record's upsets and transitions, in order."""
    for table, line in (("upsets", upset_line), ("transitions", transition_line)):
        cursor = db.execute(
            f"SELECT t.*, nodes.idx FROM {table} t JOIN nodes ON nodes.name = t.node ORDER BY t.id"
        )
        names = [column[0] for column in cursor.description]
        for row in cursor:
            yield line(dict(zip(names, row, strict=True)))
