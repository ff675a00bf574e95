"""What a frame says of one node, for recovery. Pure: result and verdict in, observation out."""

from __future__ import annotations

from typing import Final

from hil.redundancy.recovery import Observation
from hil.redundancy.voting import Verdict
from hil.rig.node import CRASHED, DONE, HUNG, SILENT, NodeResult

_FAILED: Final = {CRASHED: Observation.CRASHED, HUNG: Observation.HUNG, SILENT: Observation.SILENT}


def observation(result: NodeResult, verdict: Verdict) -> Observation | None:
    """None if nothing can be said: the node is only late, or nobody won the vote."""
    if result.status != DONE:
        return _of_failure(result)
    if not verdict.delivered:
        return None
    if result.output_digest != verdict.output:
        return Observation.DISSENT
    if result.miscounted:
        return Observation.MISCOUNTED
    other_state = verdict.state and result.state_digest != verdict.state
    return Observation.LATENT if other_state else Observation.AGREED


def _of_failure(result: NodeResult) -> Observation | None:
    if result.late or result.host:
        return None
    if result.rebooted:
        return Observation.REBOOTED
    if result.suspended:
        return Observation.SUSPENDED
    if result.out_of_step:  # alive, with the state of another frame
        return Observation.LATENT
    return _FAILED.get(result.status, Observation.ABSENT)
