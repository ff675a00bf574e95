"""Schemes: the policy object of the redundancy that a rig states."""

from __future__ import annotations

from hil.redundancy.electorate import Scheme
from hil.scenario.rig import RigConfig

__all__ = ["scheme_of"]


def scheme_of(rig: RigConfig) -> Scheme:
    """Return the scheme of a rig, as its runs and the verification of their records use it."""
    return Scheme(rig.size, rig.unvoted, rig.unvoted_frames, executions=rig.scheme.executions)
