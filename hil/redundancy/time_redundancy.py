"""Time redundancy: one node computes the same step several times from the same state. Pure.

    dual_execution     two executions; a third one if they differ (temporal error masking)
    triple_execution   three executions

An output is *confirmed* when the majority of the executions that ended by themselves, and at least
two, agree on it and on the state after the step. Otherwise the node delivers nothing in this frame:
it is fail-silent. Before every execution but the first, the node restores the checkpoint of the
state before the step from its own memory, so that an upset which hits the state, the input or the
worker in one execution does not reach the next; one that hits the checkpoint does, unless the
memory's code corrects or detects it.

An upset that damages what the worker keeps between steps (where its progress is counted, or the
pointer to its state) makes all of its executions wrong in the same way. It loses count of its
progress ticks by that, and a worker whose execution had a wrong number of them is started again
before the next one.

A permanent fault of the node makes all executions wrong in the same way: they agree, and the wrong
output is confirmed. Only other nodes can detect that.

The executions of a frame that are counted are `COUNTED` at most. Those after them only bring the
agreed state back to a node whose last execution was the wrong one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hil.redundancy.voting import STATE_SPLIT, Ballot, Verdict, VerdictKind, vote

__all__ = ["COUNTED", "confirmed", "wants_another"]

COUNTED: Final = 3
"""The most executions of a step that are counted."""


def wants_another(executions: Sequence[Ballot], planned: int) -> bool:
    """Return whether the step is executed once more: fewer than `planned` executions were made, or
    those do not confirm an output and not all `COUNTED` were made."""
    if len(executions) < planned:
        return True
    return len(executions) < COUNTED and confirmed(executions) is None


def confirmed(executions: Sequence[Ballot]) -> Ballot | None:
    """Return the ballot on which the executions of a step agree; None if there is no such ballot.
    Only the first `COUNTED` executions count. Raises: KernelError if there is none."""
    counted = executions[:COUNTED]
    verdict = vote(0, counted, (1 << len(counted)) - 1)
    if not _is_compared(verdict):
        return None
    return next(
        ballot
        for ballot in counted
        if (ballot.output_digest, ballot.state_digest) == (verdict.output, verdict.state)
    )


def _is_compared(verdict: Verdict) -> bool:
    agreed = verdict.kind in (VerdictKind.UNANIMOUS, VerdictKind.MAJORITY)
    return agreed and not verdict.flags & STATE_SPLIT
