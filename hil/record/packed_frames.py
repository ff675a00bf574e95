"""The packed frames of a record, one at a time, from the block that holds them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from hil.errors import KernelError
from hil.record.queries import Rows
from hil.redundancy.voting import NodeStatus, Verdict, VerdictKind, record_length, unpack

__all__ = ["ALONE_MAX", "PackedFrames", "frames_in_agreement"]

ALONE_MAX: Final = 10_000
_ANSWERED: Final = (0, 1, 2, 3)  # hil_node_status_t: done, crashed, hung, absent
_VERDICT_AT: Final = 8  # bytes of a packed frame (hil.record.schema)
_VOTERS_AT: Final = 10
_AGREE_AT: Final = 12
_STATUS_AT: Final = 32
_NODE_LEN: Final = 18


class PackedFrames:
    """Reads the blocks of a `record` of a run with this number of `nodes`, and keeps the last one
    that was read."""

    def __init__(self, record: Rows, nodes: int) -> None:
        self._record = record
        self._nodes = nodes
        self._size = record_length(nodes)
        self._block: tuple[int, int, bytes] = (0, 0, b"")

    def _block_of(self, frame: int) -> tuple[int, int, bytes]:
        first, count, _ = self._block
        if not first <= frame < first + count:
            rows = self._record.rows(
                "SELECT first_frame, count, data FROM blocks WHERE first_frame <= ? "
                "ORDER BY first_frame DESC LIMIT 1",
                frame,
            )
            self._block = (rows[0][0], rows[0][1], rows[0][2]) if rows else (0, 0, b"")
        return self._block

    def verdict(self, frame: int) -> Verdict | None:
        """Return the recorded verdict of a frame; None if there is none that can be read."""
        if frame < 0 or not self._nodes:
            return None
        first, count, data = self._block_of(frame)
        if not first <= frame < first + count:
            return None
        try:
            return unpack(data[(frame - first) * self._size : (frame - first + 1) * self._size])
        except KernelError:
            return None

    def last_answer(self, frame: int, node: int) -> int | None:
        """Return the last frame up to `frame`, of those in its block, in which a node answered."""
        first, count, data = self._block_of(frame)
        if not first <= frame < first + count:
            return None
        statuses = data[_STATUS_AT + _NODE_LEN * node :: self._size]
        at = max(statuses.rfind(bytes([status]), 0, frame - first + 1) for status in _ANSWERED)
        return first + at if at >= 0 else None

    def frames_alone(self, frame: int) -> int:
        """Return how many consecutive frames, the last of them `frame`, one node answered alone; no
        more than ALONE_MAX are counted."""
        alone, at = bytes([VerdictKind.SIMPLEX.value]), frame
        while frame - at < ALONE_MAX:
            first, count, data = self._block_of(at)
            if not first <= at < first + count:
                return frame - at
            kinds = data[_VERDICT_AT : (at - first + 1) * self._size : self._size]
            rest = len(kinds.rstrip(alone))
            if rest:
                return min(ALONE_MAX, frame - (first + rest - 1))
            at = first - 1
        return ALONE_MAX


def frames_in_agreement(blocks: Iterable[tuple[int, int, bytes]], nodes: int) -> list[bytearray]:
    """Return, for each of the `nodes`, a byte per frame of the record: 1 where the node answered
    with the output that was agreed on and voted, 0 in all others. Of a node that never votes, such
    as a monitor, agreement is enough. `blocks`: those of the record, in order."""
    size = record_length(nodes)
    agreed = [bytearray() for _ in range(nodes)]
    voted = [bytearray() for _ in range(nodes)]
    done = bytes(status == NodeStatus.DONE for status in range(256))
    for _, _, data in blocks:
        for node in range(nodes):
            has_node = bytes(mask >> node & 1 for mask in range(256))
            answered = data[_STATUS_AT + _NODE_LEN * node :: size].translate(done)
            agreed[node] += _both(answered, data[_AGREE_AT::size].translate(has_node))
            voted[node] += data[_VOTERS_AT::size].translate(has_node)
    return [_both(a, v) if any(v) else a for a, v in zip(agreed, voted, strict=True)]


def _both(first: bytes | bytearray, second: bytes | bytearray) -> bytearray:
    """Return 1 where both are 1, byte by byte."""
    joined = int.from_bytes(first, "little") & int.from_bytes(second, "little")
    return bytearray(joined.to_bytes(len(first), "little"))
