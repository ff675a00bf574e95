"""Boards that are absent for a while: excluded, cut off by their supply, given up; and their
return."""

from __future__ import annotations

from typing import Final

from hil.rig.agent_setup import AgentSetup
from hil.rig.node import Life, Node
from hil.rig.reconnect import Reconnector

_REST_MAX_S: Final = 300.0


class AbsentBoards:
    """Has the reconnector look for boards beside the run, and takes over the links of those that it
    finds. One thread uses it: the one that runs the frames."""

    def __init__(self, reconnector: Reconnector, setup: AgentSetup) -> None:
        self._reconnector = reconnector
        self._setup = setup
        self._cuts: dict[str, int] = {}
        self._cycled: dict[str, Life] = {}

    def exclude(self, node: Node, *, cycle: bool) -> None:
        """Look for the board beside the run from now on; with `cycle` its power is cut and restored
        first."""
        wanted = cycle and node.board.can_cycle
        if wanted:
            self._cycled[node.name] = node.life
            self._setup.forget_limits(node)
        self._reconnector.look_for(node, node.board.power_cycle if wanted else None)

    def cut_off(self, node: Node, reason: str) -> None:
        """Its supply has cut the board off.

        The next step finds it silent, and recovery cycles its power. A board that is cut off again
        while it starts rests first, longer each time: there may be a short circuit."""
        node.link.detach(reason)
        if node.name in self._reconnector.looking_for:
            rest_s = min(2.0 ** self._cuts.get(node.name, 0), _REST_MAX_S)
            self._cuts[node.name] = self._cuts.get(node.name, 0) + 1
            self._reconnector.look_for(node, node.board.power_cycle, rest_s)

    def reconnected(self) -> list[Node]:
        """Return the nodes whose boards have come back since the last call: their links are
        open."""
        arrivals = self._reconnector.reconnected()
        for back in arrivals:
            self._cuts.pop(back.node.name, None)
            back.node.link.attach(back.transport, back.decoder)
            back.node.identify(back.hello)
            before = self._cycled.pop(back.node.name, None)
            back.node.cycled_in_vain = before is not None and before.went_on(back.node.life)
        return [back.node for back in arrivals]
