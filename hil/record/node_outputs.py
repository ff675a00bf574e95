"""The outputs of one node, frame by frame, from what a record keeps of them.

A record has the outputs of the frames that are more than plain agreement; in all others a node that
took part computed what the fault-free run has."""

from __future__ import annotations

from typing import Final, NamedTuple

from hil.record.queries import Rows
from hil.record.row_values import values_of
from hil.redundancy.voting import NodeStatus

__all__ = ["NodeOutput", "node_outputs", "output_at"]

_DONE: Final = NodeStatus.DONE.word


class NodeOutput(NamedTuple):
    """The last answer of a node in a frame that has rows of its own; empty if it has none."""

    frame: int
    output: bytes


class _Answer(NamedTuple):
    frame: int
    status: str
    output: bytes


def node_outputs(record: Rows, node: int, first: int, last: int) -> list[NodeOutput]:
    """Return the outputs of a node, by its index, in the frames of a span that are more than plain
    agreement, in order. If a frame was computed again, the last execution counts."""
    rows = record.rows(
        "SELECT frame, status, output FROM replies AS r WHERE node = ? AND frame BETWEEN ? AND ? "
        "AND execution = (SELECT max(execution) FROM replies WHERE frame = r.frame AND "
        "node = r.node) ORDER BY frame",
        node,
        first,
        last,
    )
    answers = values_of(_Answer, rows)
    return [NodeOutput(a.frame, a.output if a.status == _DONE else b"") for a in answers]


def output_at(record: Rows, node: int, frame: int) -> bytes | None:
    """Return the output of a node, by its index, in a frame; empty if it has none, None if the
    frame is plain agreement."""
    outputs = node_outputs(record, node, frame, frame)
    return outputs[0].output if outputs else None
