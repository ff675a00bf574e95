"""Puts into the page of a run what it needs to vote by value: the rules of its voter, and the
outputs of the frames whose verdict does not follow from digests.

These are the frames in which not all outputs are identical, or voters of single nodes did not get
the same ones. In any other frame the identical output
is delivered, whatever it is. A voter that remembers values needs the output of the frame before,
too: of a row of identical ones the last."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from hil.errors import HilError
from hil.json_values import JsonObject
from hil.record.output_rows import frames_of_different_outputs, outputs_of_frames
from hil.record.reader import Reader
from hil.record.recorded_scenario import RecordedScenario
from hil.record.row_counts import longest_output
from hil.redundancy.value_vote import ValueVoter, voter_of_record
from hil.redundancy.voting import DELIVERED
from hil.scenario.voter import StateVote

__all__ = ["RULES_MAX", "Values", "values_of"]

RULES_MAX: Final = 1024
"""So many rules fit into the voter of pages (csrc/port/wasm/value_voter.c)."""

_PACKED_MAX: Final = 1 << 20
"""[byte] Of compressed outputs a page takes no more."""
_RAW_MAX: Final = 24 << 20
"""[byte] Of outputs as a browser unpacks them."""
_NODES_MAX: Final = 8
_STATUS_AT, _NODE_LEN, _VOTERS_AT, _FLAGS_AT = 32, 18, 10, 11

Bytes: TypeAlias = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Values:
    """The rules of a voter by value, and outputs: of each frame in `frames` those of the nodes in
    its mask, then the released one if there is one. The page can vote on the first `until` frames;
    the outputs of later ones would make it too large."""

    voter: ValueVoter
    frames: npt.NDArray[np.int64]
    heads: Bytes
    rows: Bytes
    until: int

    def data(self) -> JsonObject:
        """Return what the page gets: outputs as differences (exclusive or) to the first one of
        their frame, zero where they are the same, in planes."""
        return {
            "rules": base64.b64encode(self.voter.packed_rules).decode("ascii"),
            "output_len": self.voter.output_len,
            "ignore_states": self.voter.state is StateVote.IGNORE,
            "frames": len(self.frames),
            "rows": len(self.rows),
            "until": self.until,
            "heads": _text(_planes(self.heads)),
            "outputs": _text(_planes(self.rows)),
        }


def values_of(
    reader: Reader, scenario: RecordedScenario, frames: Bytes, with_views: Sequence[int]
) -> Values | str:
    """Return what the page needs to vote by value on a run with these packed `frames`, or why it
    cannot. In the frames `with_views` voters of single nodes had different views. Raises:
    RecordError if the record cannot be read."""
    try:
        voter = voter_of_record(scenario.validated(), longest_output(reader))
    except (HilError, ValueError):
        voter = None
    if voter is None:
        return "This hil cannot read the rules by which the voter of this run compares values."
    if len(voter.rules) > RULES_MAX:
        return f"The voter of this run has more than {RULES_MAX:,} rules; a page takes no more."
    different = frames_of_different_outputs(reader, len(frames))
    if any(not isinstance(frame, int) for frame in different):
        return "What the nodes answered is damaged in this record."
    different = sorted({*different, *with_views})
    if voter.remembers_values:
        different = _with_those_before(different, frames)
    return _fitting(voter, _rows(reader, voter, frames, different))


def _with_those_before(different: Sequence[int], frames: Bytes) -> list[int]:
    """Return the frames in `different` and before each the last one in which voters answered."""
    done = np.zeros(len(frames), np.uint8)
    for node in range((frames.shape[1] - _STATUS_AT) // _NODE_LEN):
        done |= (frames[:, _STATUS_AT + _NODE_LEN * node] == 0).astype(np.uint8) << node
    answered = np.flatnonzero(done & frames[:, _VOTERS_AT])
    before = np.searchsorted(answered, np.array(different, np.int64)) - 1
    return sorted({*different, *(int(answered[at]) for at in before if at >= 0)})


def _rows(reader: Reader, voter: ValueVoter, frames: Bytes, wanted: list[int]) -> Values:
    length, size = voter.output_len, 0
    numbers: list[int] = []
    heads = bytearray()
    rows: list[bytes] = []
    until = len(frames)
    for frame, outputs, released in outputs_of_frames(reader, wanted):
        whole = {n: o for n, o in outputs.items() if n in range(_NODES_MAX) and len(o) == length}
        if not whole:
            continue
        own = [whole[node] for node in sorted(whole)]
        has_released = len(released) == length and bool(frames[frame, _FLAGS_AT] & DELIVERED)
        if has_released:
            own.append(released)
        size += length * len(own)
        if size > _RAW_MAX:
            until = frame
            break
        numbers.append(frame)
        mask = sum(1 << node for node in whole)
        heads += frame.to_bytes(4, "little") + bytes((mask, has_released))
        rows += own
    table = np.frombuffer(b"".join(rows), np.uint8).reshape(-1, length)
    parts = np.frombuffer(bytes(heads), np.uint8).reshape(-1, 6)
    return Values(voter, np.array(numbers, np.int64), parts, _to_first(table, parts), until)


def _to_first(rows: Bytes, heads: Bytes) -> Bytes:
    """Return outputs as differences to the first one of their frame."""
    counts = _counts(heads)
    firsts = np.repeat(np.cumsum(counts) - counts, counts)
    out: Bytes = rows ^ rows[firsts]
    out[np.cumsum(counts) - counts] = rows[np.cumsum(counts) - counts]
    return out


def _counts(heads: Bytes) -> npt.NDArray[np.int64]:
    """Return how many outputs each frame has."""
    nodes = np.unpackbits(heads[:, 4:5], axis=1)
    out: npt.NDArray[np.int64] = nodes.sum(axis=1, dtype=np.int64) + heads[:, 5]
    return out


def _fitting(voter: ValueVoter, values: Values) -> Values:
    """Return of values those of the first frames that fit into a page."""
    while (size := len(_planes(values.rows))) > _PACKED_MAX:
        kept = int(len(values.frames) * 0.95 * _PACKED_MAX / size)
        heads = values.heads[:kept]
        rows = values.rows[: int(_counts(heads).sum())]
        until = int(values.frames[kept])
        values = Values(voter, values.frames[:kept], heads, rows, until)
    return values


def _planes(rows: Bytes) -> bytes:
    return zlib.compress(np.ascontiguousarray(rows.T).tobytes(), 9)


def _text(packed: bytes) -> str:
    return base64.b64encode(packed).decode("ascii")
