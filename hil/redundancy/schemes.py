"""Schemes: the policy object of the redundancy that a rig states."""

from __future__ import annotations

from hil.redundancy.electorate import Scheme
from hil.redundancy.pairs import pairs_of
from hil.scenario.rig import RigConfig

__all__ = ["scheme_of"]


def scheme_of(rig: RigConfig) -> Scheme:
    """Return the scheme of a rig, as its runs and the verification of their records use it."""
    name = rig.scheme
    return Scheme(
        rig.size,
        rig.unvoted,
        rig.unvoted_frames,
        executions=name.executions,
        pairs=pairs_of(name.pairs),
        by_priority=name.by_priority,
    )
