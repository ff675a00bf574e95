"""Stand-by: boards that are kept off until they are needed, and switched on then.

Between two frames, the number of nodes in service is compared with the number that is wanted:

    too few     the first node on stand-by in the list gets power, boots, is given the state of the
                others, and returns to the vote through recovery, like any node after a power cycle
    too many    the last node of the list that votes, or the one whose turn it is to rest, is taken
                out of service and switched off, when nothing is under way

Cold spares are on stand-by from the beginning; with a scheme that follows the orbit
(`hil.redundancy.orbit_scheme`), so are the nodes that the scheme in force does not need. What is
wanted changes only with a step of the plant, before the first frame that follows it. With rotation
(`hil.redundancy.rotation`) the nodes are on stand-by in turn.

A node on stand-by is excluded by `PowerCut.STAND_BY`, which nothing else ends. A board whose power
cannot be switched stays on; it is excluded all the same, and the record says so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from hil.engine.frame_work import FrameWork
from hil.engine.run_controls import RunControls
from hil.errors import SetupError
from hil.redundancy.recovery import NodeState
from hil.redundancy.spares import NEEDED, STANDS_BY
from hil.rig.node import Node, PowerCut

__all__ = ["NEVER", "FixedNeed", "NodeNeed", "StandBy"]

NEVER: Final = 2**62
"""The number of a frame that never comes."""


class NodeNeed(Protocol):
    """The number of nodes that a run needs. `reason`: why as many, in words."""

    @property
    def reason(self) -> str:
        """Return why nodes are woken now."""
        ...

    @property
    def is_due(self) -> bool:
        """Return whether the number may have changed since the last call of `wanted`."""
        ...

    def wanted(self) -> int:
        """Return how many nodes are to be in service from now on."""
        ...

    def next_change(self, nominal: int) -> int:
        """Return the first frame after `nominal` in which the number may change by plan."""
        ...

    def first_to_stay(self, serving: Sequence[str]) -> Sequence[str]:
        """Return the nodes in service, those that are switched off first at the end."""
        ...


class FixedNeed:
    """Always the same number of nodes."""

    reason = "a node is needed"
    is_due = False

    def __init__(self, count: int) -> None:
        self._count = count

    def wanted(self) -> int:
        """Return the number."""
        return self._count

    def next_change(self, nominal: int) -> int:  # noqa: ARG002
        """Return that it never changes."""
        return NEVER

    def first_to_stay(self, serving: Sequence[str]) -> Sequence[str]:
        """Return the nodes in their order."""
        return serving


class StandBy:
    """Keeps as many nodes of a run in service as `need` wants, and all others on stand-by. Not
    thread-safe."""

    def __init__(self, controls: RunControls, need: NodeNeed) -> None:
        self._controls = controls
        self._need = need

    def next_frame(self, nominal: int) -> int:
        """Return the first frame from `nominal` on before which a node may be switched."""
        return nominal if self._need.is_due else self._need.next_change(nominal)

    def update(self, frame: FrameWork) -> None:
        """Switch nodes on or off before `frame`."""
        serving, wanted = len(self._controls.recovery.in_service), self._need.wanted()
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
            frame - 1, node.name, NodeState.POWER_CYCLE, f"{NEEDED}{self._need.reason}"
        )
        self._controls.carry_out(frame, actions)

    def _stand_down(self, frame: int, count: int) -> None:
        """Switch `count` nodes in service off, the last ones by the need."""
        serving = self._controls.recovery.in_service
        for name in self._need.first_to_stay(serving)[-count:]:
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
