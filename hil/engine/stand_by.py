"""Stand-by: boards that are kept off until they are needed, and switched on then.

Between two frames, the number of nodes in service is compared with the number that is wanted:

    too few     the first node on stand-by in the list gets power, boots, is given the state of the
                others, and returns to the vote through recovery, like any node after a power cycle
    too many    the last node of the list that votes is taken out of service and switched off, when
                nothing is under way

Cold spares are on stand-by from the beginning; with `rig.calm_scheme`, so are the nodes that the
smaller scheme does not need, while the flux of protons along the orbit is low.

A node on stand-by is excluded by `PowerCut.STAND_BY`, which nothing else ends. A board whose power
cannot be switched stays on; it is excluded all the same, and the record says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from hil.engine.frame_work import FrameWork
from hil.engine.run_controls import RunControls
from hil.errors import SetupError
from hil.redundancy.recovery import NodeState
from hil.redundancy.spares import STANDS_BY
from hil.rig.node import Node, PowerCut

__all__ = ["NEEDED", "StandBy"]

NEEDED: Final = "stand-by ends: a node is needed"


class StandBy:
    """Keeps as many nodes of a run in service as `wanted` returns, and all others on stand-by. Not
    thread-safe."""

    def __init__(self, controls: RunControls, wanted: Callable[[], int]) -> None:
        self._controls = controls
        self._wanted = wanted

    def update(self, frame: FrameWork) -> None:
        """Switch nodes on or off before `frame`."""
        serving, wanted = len(self._controls.recovery.in_service), self._wanted()
        if serving < wanted:
            self._activate(frame.number)
        elif serving > wanted and (self._controls.settled or not frame.number):
            self._stand_down(frame.number, serving - wanted)

    def _standing(self) -> list[Node]:
        nodes = self._controls.rig.nodes
        return [node for node in nodes if PowerCut.STAND_BY in node.power_cuts]

    def _activate(self, frame: int) -> None:
        """Switch the first node on stand-by on, and have it repaired; none before a verdict."""
        standing = self._standing()
        if not standing or not self._controls.can_repair:
            return
        node = standing[0]
        node.power_cuts.discard(PowerCut.STAND_BY)
        actions = self._controls.recovery.readmit(
            frame - 1, node.name, NodeState.POWER_CYCLE, NEEDED
        )
        self._controls.carry_out(frame, actions)

    def _stand_down(self, frame: int, count: int) -> None:
        """Switch the last `count` nodes in service off."""
        for name in self._controls.recovery.in_service[-count:]:
            node = self._controls.rig.by_name[name]
            try:
                node.board.power_off()
            except SetupError as error:
                self._controls.record.note(frame, f"node {name} stays on: {error.message}")
            else:
                node.link.detach("no power")
            node.power_cuts.add(PowerCut.STAND_BY)
            self._controls.recovery.exclude(frame, name, STANDS_BY)
        self._controls.carry_out(frame, ())
