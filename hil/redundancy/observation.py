"""Observations: what one frame shows of one node, as an input of recovery. Pure functions."""

from __future__ import annotations

from typing import Final

from hil.redundancy.recovery import Observation
from hil.redundancy.voting import Verdict
from hil.rig.node import CRASHED, DONE, HUNG, SILENT, NodeResult

_FAILED: Final = {CRASHED: Observation.CRASHED, HUNG: Observation.HUNG, SILENT: Observation.SILENT}


def observation(
    result: NodeResult, verdict: Verdict, node: int, *, confirmed: bool = True
) -> Observation | None:
    """Return what `verdict` and the `result` of the node with the index `node` show of the node;
    None if it cannot be judged, because it is late, or was, or the vote had no majority.
    `confirmed`: with time redundancy, whether its own executions agree."""
    if result.status != DONE:
        return _of_failure(result)
    if not confirmed:
        return Observation.DISSENT
    if not verdict.decided or verdict.contested:
        return None
    if verdict.dissents(node, result.output_digest):
        return Observation.DISSENT
    if result.miscounted:
        return Observation.MISCOUNTED
    other_state = verdict.state and result.state_digest != verdict.state
    return Observation.LATENT if other_state else Observation.AGREED


def _of_failure(result: NodeResult) -> Observation | None:
    if result.late or result.host or result.behind:
        return None
    if result.rebooted:
        return Observation.REBOOTED
    if result.suspended:
        return Observation.SUSPENDED
    if result.out_of_step:  # alive, with the state of another frame
        return Observation.LATENT
    return _FAILED.get(result.status, Observation.ABSENT)
