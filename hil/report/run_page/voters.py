"""The voters of a run with one per node, in the frames in which their views of the replies were
different: what the page of a run votes on for each of them."""

from __future__ import annotations

import base64
import zlib
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from hil.json_values import JsonObject
from hil.record.reader import Reader
from hil.record.row_values import RecordedReplica
from hil.record.seal import SEAL
from hil.record.span_rows import count_replicas, replicas_between

__all__ = ["EVIDENCE_MAX", "ROWS_MAX", "Voters", "are_too_many", "seal_of_record", "voters_of"]

ROWS_MAX: Final = 1 << 19
"""A page takes the verdicts of so many voters; each takes some 100 bytes in a reader's browser."""
EVIDENCE_MAX: Final = 1 << 21
"""[byte] A page takes so much of the outputs that single voters received."""
_NODES_MAX: Final = 8

Bytes: TypeAlias = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Voters:
    """The frames with different views: their numbers, the masks of the nodes with a voter, and the
    packed verdicts of these voters, ordered by frame and node; `evidence` has what stands behind
    these verdicts, with a voter by value: the outputs that only this voter received."""

    frames: npt.NDArray[np.int64]
    receivers: Bytes
    records: Bytes
    evidence: bytes = b""

    def wide(self, frames: Bytes) -> Bytes:
        """Return for each frame its packed verdict among `frames`, and those of its voters, by the
        index of their node; zero where there is none."""
        out = np.zeros((len(self.frames), 1 + _NODES_MAX, frames.shape[1]), np.uint8)
        out[:, 0] = frames[self.frames]
        out[:, 1:][self._places()] = self.records
        return out

    def replaced(self, wide: Bytes) -> Voters:
        """Return the same voters with the verdicts that stand in `wide`."""
        return replace(self, records=wide[:, 1:][self._places()])

    def data(self, frames: Bytes) -> JsonObject:
        """Return what the page gets: the verdicts as differences (exclusive or) to those of their
        frames among `frames`, zero where a voter agrees, in planes."""
        own = np.repeat(self.frames, self._places().sum(axis=1))
        heads = np.empty((len(self.frames), 5), np.uint8)
        heads[:, :4] = self.frames.astype("<u4").view(np.uint8).reshape(-1, 4)
        heads[:, 4] = self.receivers
        return {
            "frames": len(self.frames),
            "rows": len(self.records),
            "heads": _packed(heads),
            "records": _packed(self.records ^ frames[own]),
            "evidence_len": len(self.evidence),
            "evidence": base64.b64encode(zlib.compress(self.evidence, 9)).decode("ascii"),
        }

    def _places(self) -> npt.NDArray[np.bool_]:
        nodes = np.arange(_NODES_MAX, dtype=np.uint8)
        return (self.receivers[:, None] >> nodes & 1).astype(bool)


def are_too_many(reader: Reader) -> bool:
    """Return whether a page cannot take all verdicts of the voters. Raises: RecordError."""
    return count_replicas(reader) > ROWS_MAX


def voters_of(reader: Reader, count: int, length: int, *, by_value: bool = False) -> Voters | None:
    """Return the voters of a run with `count` frames, whose packed verdicts have `length` bytes,
    and outputs behind them if they vote `by_value`; None if its record makes no sense. Raises:
    RecordError if the record cannot be read."""
    rows = replicas_between(reader, 0, 2**62)
    if not all(_is_sound(row, count, length) for row in rows):
        return None
    if not by_value and any(len(row.verdict) != length for row in rows):
        return None
    frames, first = np.unique([row.frame for row in rows], return_index=True)
    masks = np.array([1 << row.node for row in rows], np.int64)
    receivers = np.add.reduceat(masks, first).astype(np.uint8)
    records = np.frombuffer(b"".join(row.verdict[:length] for row in rows), np.uint8)
    evidence = b"".join(row.verdict[length:] for row in rows)
    return Voters(frames.astype(np.int64), receivers, records.reshape(-1, length), evidence)


def _is_sound(row: RecordedReplica, count: int, length: int) -> bool:
    return (
        all(isinstance(number, int) for number in (row.frame, row.node))
        and isinstance(row.verdict, bytes)
        and 0 <= row.frame < count
        and 0 <= row.node < _NODES_MAX
        and len(row.verdict) >= length
    )


def seal_of_record(reader: Reader) -> JsonObject | None:
    """Return what the record digest of a finished run is the digest of, from its own seal; None if
    it has none. Raises: RecordError if it cannot be read."""
    seal = reader.meta_object(SEAL)
    if seal is None or not isinstance(seal.get("tables"), dict):
        return None
    return seal


def _packed(rows: Bytes) -> str:
    planes = np.ascontiguousarray(rows.T).tobytes()
    return base64.b64encode(zlib.compress(planes, 9)).decode("ascii")
