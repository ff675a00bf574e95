"""Preventive restarts: nodes that work are started again by plan, one after another.

Every node has its turn once in `every_frames`, the turns evenly apart. A turn waits until no repair
is under way. A turn is left out if a node of the group is missing from the vote, or if nobody else
could stand in: prevention must not take out the last healthy node. Only the node of a scheme that
has no other is started again all the same, from its own checkpoint."""

from __future__ import annotations

from typing import Final

from hil.engine.frame_work import FrameWork
from hil.engine.part_groups import FrameTimes
from hil.engine.run_controls import RunControls
from hil.record.queries import PREVENTIVE
from hil.redundancy.electorate import Scheme
from hil.redundancy.recovery import NodeState
from hil.rig.node import Node
from hil.scenario.recovery import PreventiveAction, PreventiveConfig

__all__ = ["PreventiveRestarts"]

_RUNGS: Final = {
    PreventiveAction.RESTART: NodeState.RESTART,
    PreventiveAction.RESET: NodeState.RESET,
    PreventiveAction.POWER_CYCLE: NodeState.POWER_CYCLE,
}


class PreventiveRestarts:
    """Carries out the preventive restarts of one run. Not thread-safe."""

    def __init__(
        self, controls: RunControls, times: FrameTimes, scheme: Scheme, config: PreventiveConfig
    ) -> None:
        self._controls = controls
        self._times = times
        self._scheme = scheme
        self._rung = _RUNGS[config.action]
        self._apart = max(1, config.every_frames // len(controls.rig.nodes))
        self._turns_over: int | None = None

    def next_frame(self, nominal: int) -> int:
        """Return the first frame from `nominal` on that begins with a turn."""
        return -(-nominal // self._apart) * self._apart

    def update(self, frame: FrameWork) -> None:
        """Start the node again whose turn it is before `frame`, if any."""
        nominal = self._times.nominal(frame.number)
        if self._turns_over is None:  # the beginning, or resumed: a snapshot leaves no turn open
            self._turns_over = max(0, nominal - 1) // self._apart
        turn = self._turns_over + 1
        controls = self._controls
        if nominal < turn * self._apart or not controls.recovery.settled:
            return
        self._turns_over = turn
        node = controls.rig.nodes[(turn - 1) % len(controls.rig.nodes)]
        if controls.can_repair and self._may_restart(node):
            actions = controls.recovery.order(frame.number - 1, node.name, self._rung, PREVENTIVE)
            controls.carry_out(frame.number, actions)

    def _may_restart(self, node: Node) -> bool:
        """Return whether the node votes, and the others can do without it."""
        serving = self._controls.recovery.in_service
        if node.name not in serving:
            return False
        mask = sum(1 << self._controls.rig.by_name[name].index for name in serving)
        return self._scheme.members == 1 or (
            len(serving) > 1 and not self._scheme.has_too_few(mask)
        )
