"""The changes of a scheme that follows the orbit, as a record has them: which node was woken, why,
and how long it took until it voted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hil.record.queries import Rows
from hil.redundancy.recovery import NodeState
from hil.redundancy.spares import NEEDED, STANDS_BY

__all__ = ["SchemeChange", "changes_in", "scheme_changes"]


@dataclass(frozen=True, slots=True)
class SchemeChange:
    """A node that was woken from stand-by: the frame, the reason, and the frames until it voted;
    None if it never did."""

    frame: int
    node: str
    reason: str
    frames: int | None


def scheme_changes(record: Rows) -> tuple[list[SchemeChange], int]:
    """Return the nodes that were woken, in order, and how often one was put on stand-by after the
    beginning."""
    rows = record.rows("SELECT frame, node, after, cause FROM transitions ORDER BY id")
    return changes_in(tuple(row) for row in rows)


def changes_in(rows: Iterable[tuple[int, str, str, str]]) -> tuple[list[SchemeChange], int]:
    """Return what `scheme_changes` does, of transitions: frame, node, state after it, and cause."""
    changes: list[SchemeChange] = []
    waking: dict[str, tuple[int, str]] = {}
    put_off = 0
    for frame, node, after, cause in rows:
        if cause.startswith(NEEDED):
            waking[node] = (frame + 1, cause.removeprefix(NEEDED))
        elif after == NodeState.VOTING and node in waking:
            began, reason = waking.pop(node)
            changes.append(SchemeChange(began, node, reason, frame + 1 - began))
        elif cause == STANDS_BY:
            put_off += frame > 0
            if node in waking:
                changes.append(SchemeChange(*_never(node, *waking.pop(node))))
    changes += [SchemeChange(*_never(node, *began)) for node, began in waking.items()]
    return sorted(changes, key=lambda change: (change.frame, change.node)), put_off


def _never(node: str, frame: int, reason: str) -> tuple[int, str, str, None]:
    return frame, node, reason, None
