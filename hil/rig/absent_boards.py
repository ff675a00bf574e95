"""Absent boards: nodes that were excluded, cut off by their supply or abandoned, and their
return."""

from __future__ import annotations

from typing import Final

from hil.rig.agent_setup import AgentSetup
from hil.rig.node import AgentStart, Node
from hil.rig.reconnect import Reconnector

_REST_MAX_S: Final = 300.0


class AbsentBoards:
    """Lets the reconnector search for boards in parallel to the run, and takes over their links.
    Not thread-safe: only the thread that runs the frames uses it."""

    def __init__(self, reconnector: Reconnector, setup: AgentSetup) -> None:
        self._reconnector = reconnector
        self._setup = setup
        self._cuts: dict[str, int] = {}
        self._cycled: dict[str, AgentStart] = {}

    def exclude(self, node: Node, *, cycle: bool) -> bool:
        """Search for the board in parallel to the run from now on; with `cycle` its power is cycled
        first, if that is possible. Returns whether it is."""
        wanted = cycle and node.board.can_cycle
        if wanted:
            self._cycled[node.name] = node.agent_start
            self._setup.forget_limits(node)
        self._reconnector.search_for(node, node.board.power_cycle if wanted else None)
        return wanted

    def search_first(self, node: Node, *, may_cycle: bool) -> None:
        """Search for a board that was lost while it was repaired, and may be booting: its power is
        cycled, if it `may` be and can be, only if it has not returned in the time of a boot."""
        cycle = node.board.power_cycle if may_cycle and node.board.can_cycle else None
        self._reconnector.search_for(node, cycle, at_once=False)

    def cut_off(self, node: Node, reason: str) -> None:
        """Detach a board whose supply has switched it off.

        The next step finds the board silent, and recovery cycles its power. A board that is
        switched off again while it starts stays off first, with exponential back-off: there may be
        a short circuit."""
        node.link.detach(reason)
        if node.name in self._reconnector.searched_for:
            rest_s = min(2.0 ** self._cuts.get(node.name, 0), _REST_MAX_S)
            self._cuts[node.name] = self._cuts.get(node.name, 0) + 1
            self._reconnector.search_for(node, node.board.power_cycle, rest_s)

    def take_reconnected(self) -> list[Node]:
        """Return the nodes whose boards have returned since the last call; their links are
        open."""
        arrivals = self._reconnector.take_reconnected()
        for back in arrivals:
            self._cuts.pop(back.node.name, None)
            back.node.link.attach(back.transport, back.decoder)
            back.node.identify(back.hello)
            back.node.console.forget_causes()
            before = self._cycled.pop(back.node.name, None)
            back.node.power_cycle_had_no_effect = before is not None and before.is_same_start(
                back.node.agent_start
            )
        return [back.node for back in arrivals]
