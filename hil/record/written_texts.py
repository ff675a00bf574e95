"""The texts that the nodes of a run write, a character in each frame, beside the right one.

The record has digests of all outputs, and the outputs themselves where nodes did not plainly agree.
An output with the digest of the fault-free one is that one, which is computed here again, from the
beginning of its passage: outputs of a text depend on nothing before it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from hil.kernel import Golden
from hil.record.packed_frames import PackedFrames
from hil.record.queries import Rows
from hil.redundancy.voting import NodeStatus, Verdict
from hil.scenario.output_meaning import NO_CHARACTER, character, curves, passage_frames

__all__ = ["NOTHING", "TextColumn", "TextSpan", "WrittenTexts", "writes_text"]

NOTHING: Final = "\0"
"""Stands for a frame in which a node had no output."""

_PASSAGES_MAX: Final = 4
"""The passages whose right text is kept: the newest one, and those that someone looks back at."""


class TextColumn(NamedTuple):
    """One frame: the right character and its surprisal [bit], the delivered one, and for each node
    its character, and the surprisal that it reported if its output differed."""

    right: str
    right_bits: float
    delivered: str
    nodes: tuple[str, ...]
    bits: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class TextSpan:
    """The texts of the frames from `first` on: of equal lengths, a character for each frame."""

    first: int
    right: str
    delivered: str
    nodes: tuple[str, ...]

    def parted(self, node: int) -> int | None:
        """Return the first frame of the span in which the text of a node is not the right one; None
        if it is the same throughout. A frame without an output is no difference."""
        pairs = zip(self.right, self.nodes[node], strict=True)
        at = (i for i, (right, own) in enumerate(pairs) if own not in (right, NOTHING))
        first = next(at, None)
        return None if first is None else self.first + first


def writes_text(workload: str) -> bool:
    """Return whether the outputs of a workload are characters of a text."""
    return passage_frames(workload) is not None


class _RightPassage:
    """The fault-free outputs of one passage, computed as far as they are asked for."""

    def __init__(self, workload: str, seed: int, first: int) -> None:
        self._golden = Golden(workload, seed)
        self._golden.resume(first, self._golden.state)
        self._first = first
        self._outputs: list[tuple[int, bytes]] = []

    def output(self, frame: int) -> tuple[int, bytes]:
        """Return the digest of the right output of a frame of the passage, and the output."""
        while len(self._outputs) <= frame - self._first:
            self._golden.step()
            self._outputs.append((self._golden.output_digest, self._golden.output))
        return self._outputs[frame - self._first]


class WrittenTexts:
    """Reads the texts of a run with this number of `nodes` from its `record`. Not thread-safe."""

    def __init__(self, record: Rows, nodes: int, workload: str, seed: int) -> None:
        self._record = record
        self._nodes = nodes
        self._workload = workload
        self._seed = seed
        self._packed = PackedFrames(record, nodes)
        self._passages: dict[int, _RightPassage] = {}

    @property
    def passage_frames(self) -> int:
        """Return the number of frames of a passage."""
        return passage_frames(self._workload) or 1

    def passage_of(self, frame: int) -> int:
        """Return the first frame of the passage of a frame."""
        return frame - frame % self.passage_frames

    def columns(self, first: int, last: int) -> Iterator[TextColumn]:
        """Yield the texts of the frames from `first` to `last`, up to the first one that is not in
        the record."""
        replies = self._replies(first, last)
        for frame in range(first, last + 1):
            verdict = self._packed.verdict(frame)
            if verdict is None:
                return
            yield self._column(verdict, replies)

    def span(self, first: int, last: int) -> TextSpan:
        """Return the texts of the frames from `first` to `last`, as far as they are recorded."""
        columns = list(self.columns(first, last))
        return TextSpan(
            first,
            "".join(column.right for column in columns),
            "".join(column.delivered for column in columns),
            tuple("".join(c.nodes[node] for c in columns) for node in range(self._nodes)),
        )

    def _right(self, frame: int) -> tuple[int, bytes]:
        first = self.passage_of(frame)
        if first not in self._passages:
            while len(self._passages) >= _PASSAGES_MAX:
                del self._passages[next(iter(self._passages))]
            self._passages[first] = _RightPassage(self._workload, self._seed, first)
        return self._passages[first].output(frame)

    def _replies(self, first: int, last: int) -> dict[tuple[int, int], bytes]:
        """Return the recorded outputs by frame and node: those of the last execution."""
        rows = self._record.rows(
            "SELECT frame, node, output FROM replies WHERE frame BETWEEN ? AND ? "
            "ORDER BY execution",
            first,
            last,
        )
        return {(row[0], row[1]): bytes(row[2]) for row in rows}

    def _column(self, verdict: Verdict, replies: dict[tuple[int, int], bytes]) -> TextColumn:
        digest, right_output = self._right(verdict.frame)
        right = character(self._workload, right_output) or NO_CHARACTER
        delivered = right if verdict.delivered and verdict.output == digest else NOTHING
        nodes: list[str] = []
        bits: list[float | None] = []
        for node, ballot in enumerate(verdict.ballots):
            own, own_bits = NOTHING, None
            if ballot.status == NodeStatus.DONE:
                own = right
                if ballot.output_digest != digest:
                    output = replies.get((verdict.frame, node), b"")
                    own = character(self._workload, output) or NO_CHARACTER
                    own_bits = self._bits(output)
                if verdict.delivered and verdict.output == ballot.output_digest:
                    delivered = own
            nodes.append(own)
            bits.append(own_bits)
        right_bits = self._bits(right_output) or 0.0
        return TextColumn(right, right_bits, delivered, tuple(nodes), tuple(bits))

    def _bits(self, output: bytes) -> float | None:
        return next((number.value for number in curves(self._workload, output)), None)
