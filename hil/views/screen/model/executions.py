"""The executions of a step by a node that executes it several times (time redundancy)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from hil.record.digest import hex64
from hil.record.row_values import RecordedReply
from hil.redundancy.voting import NodeStatus, Verdict

__all__ = ["RepeatedStep", "repeated_steps"]


@dataclass(frozen=True, slots=True)
class RepeatedStep:
    """One execution of the step of a scheme with time redundancy: how it ended, the digests that
    the node reported, and whether it is what the node delivered."""

    number: int
    status: str
    output_digest: str
    state_digest: str
    agrees: bool


def repeated_steps(verdict: Verdict, replies: Iterable[RecordedReply]) -> Iterator[RepeatedStep]:
    """Yield the executions of the step in a frame of a scheme with time redundancy."""
    agreed = (hex64(verdict.output), hex64(verdict.state))
    for reply in replies:
        done = reply.status == NodeStatus.DONE.word
        same = (reply.output_digest, reply.state_digest) == agreed
        yield RepeatedStep(
            reply.execution + 1,
            reply.status,
            reply.output_digest if done else "",
            reply.state_digest if done else "",
            done and same and verdict.delivered,
        )
