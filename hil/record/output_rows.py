"""The outputs of nodes in a record, as a vote by value takes them: those of the last execution of a
frame, by which it was decided."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from hil.record.queries import Rows

__all__ = ["frames_of_different_outputs", "outputs_of_frames"]

_LAST: Final = (
    "SELECT frame, node, output FROM (SELECT frame, node, status, output, max(execution) "
    "FROM replies WHERE frame BETWEEN ? AND ? GROUP BY frame, node) WHERE status = 'done'"
)
_WINDOW: Final = 4096


def frames_of_different_outputs(record: Rows, end: int) -> list[int]:
    """Return the frames before `end` in which not all nodes that answered have the same output in
    the record, in order; an output that is missing differs from others."""
    sql = (
        f"SELECT frame FROM ({_LAST}) GROUP BY frame "
        "HAVING count(DISTINCT output) > 1 ORDER BY frame"
    )
    return [row[0] for row in record.rows(sql, 0, end - 1)]


def outputs_of_frames(
    record: Rows, frames: Sequence[int]
) -> Iterator[tuple[int, dict[int, bytes], bytes]]:
    """Yield of each of these frames, which are in order, the outputs of the nodes that answered, by
    their index, and the output that left the system (empty: none is in the record)."""
    at = 0
    while at < len(frames):
        first, wanted = frames[at], set[int]()
        while at < len(frames) and frames[at] < first + _WINDOW:
            wanted.add(frames[at])
            at += 1
        outputs: dict[int, dict[int, bytes]] = {}
        for frame, node, output in record.rows(_LAST, first, max(wanted)):
            if frame in wanted and isinstance(output, bytes):
                outputs.setdefault(frame, {})[node] = output
        sql = "SELECT frame, value FROM frames WHERE frame BETWEEN ? AND ?"
        released = {row[0]: row[1] for row in record.rows(sql, first, max(wanted))}
        for frame in sorted(wanted):
            value = released.get(frame)
            yield frame, outputs.get(frame, {}), value if isinstance(value, bytes) else b""
