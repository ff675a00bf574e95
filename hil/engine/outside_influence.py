"""Outside influence: what acted on a run from outside its scenario, so that another may differ.

A board that is not a part of this process can be killed, stopped, unplugged or starved of CPU time.
The signs of that are kept here, even where they are attributed to an upset of the same node."""

from __future__ import annotations

import signal
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass

from hil.rig.backends.capabilities import UnexpectedExits
from hil.rig.node import CRASHED, SILENT, Node, NodeResult
from hil.upsets.outcome import Anomaly

__all__ = ["OutsideInfluence", "OutsideSnapshot"]


@dataclass(frozen=True, slots=True)
class OutsideSnapshot:
    """The signs of outside influence up to a frame. `first`: frame and words of the first one;
    `count`: how many there are, of a node in a frame one; `latest`, by node: the frame of its last
    one; `ends`, by node: how the first of its agents ended that did so without an order; `fixed`,
    by node: whether the addresses of its agent are the same in every run, None: unknown."""

    first: tuple[int, str] | None
    count: int
    latest: Mapping[str, int]
    ends: Mapping[str, str]
    fixed: Mapping[str, bool | None]


class OutsideInfluence:
    """Collects the signs of outside influence in the run of `nodes`. Not thread-safe.

    `virtual`: all boards are parts of this process, so that nothing outside can act on them.
    `programs`: the workload is a user program, which the agent kills if it breaks the protocol."""

    def __init__(self, nodes: Iterable[Node], *, virtual: bool, programs: bool = False) -> None:
        self._nodes = {node.name: node for node in nodes}
        self._virtual = virtual
        self._programs = programs
        self._first: tuple[int, str] | None = None
        self._count = 0
        self._latest: dict[str, int] = {}
        self._fixed: dict[str, bool | None] = {}

    def note_results(
        self, frame: int, results: Mapping[str, NodeResult], explained: Container[str] = ()
    ) -> None:
        """Note the signs in the results of a frame. Nodes in `explained` are silent by the
        scenario: an upset hit their agent, or a timing fault makes their answers late."""
        for name, result in results.items():
            killed = result.status == CRASHED and result.signal == signal.SIGKILL
            killed = killed and not self._programs
            silent = result.status == SILENT and self._nodes[name].powered
            silent = silent and name not in explained
            if killed or silent or result.host or result.behind:
                self._note(frame, name, result.reason or "no answer")

    def addresses(self, hit: Iterable[str]) -> str:
        """Return why upsets of registers, stack or machine code of the nodes in `hit` may have
        other effects in another run; empty if they have the same."""
        self._update_addresses()
        for name in sorted(hit):
            fixed = self._fixed[name]
            if not fixed and not self._virtual:
                are = "random" if fixed is False else "not known to be the same each time"
                return (
                    f"registers, stack or machine code of node {name} were hit, and the addresses "
                    f"of its agent are {are} (`hil doctor`: *addresses*)"
                )
        return ""

    def _update_addresses(self) -> None:
        for name, node in self._nodes.items():
            now, before = node.capabilities.fixed_addresses, self._fixed.get(name, True)
            self._fixed[name] = False if False in (now, before) else now and before

    def anomaly(self, anomaly: Anomaly) -> None:
        """Note an anomaly as a sign."""
        self._note(anomaly.frame, anomaly.node, anomaly.reason or anomaly.effect)

    def _note(self, frame: int, node: str, what: str) -> None:
        if self._virtual:
            return
        if frame > self._latest.get(node, -1):  # else the node had its sign in this frame already
            self._latest[node] = frame
            self._count += 1
        if self._first is None:
            self._first = (frame, f"node {node} in frame {frame}: {what}")

    @property
    def why(self) -> str:
        """Return what acted, as a sentence; empty if nothing did."""
        exits = self._exits()
        if self._first is not None:
            first = self._first[1]
        elif exits:
            first = f"node {exits[0][0]}: {exits[0][1].first}"
        else:
            return ""
        more = max(self._count, sum(ends.count for _, ends in exits)) - 1
        return f"something outside of the scenario acted on the boards ({first}{_and(more)})"

    def snapshot(self) -> OutsideSnapshot:
        """Return the signs so far, for a run that is resumed."""
        self._update_addresses()
        return OutsideSnapshot(
            self._first,
            self._count,
            dict(self._latest),
            {name: exits.first for name, exits in self._exits()},
            dict(self._fixed),
        )

    def _exits(self) -> list[tuple[str, UnexpectedExits]]:
        """Return the names of the nodes whose agents ended without an order, and their ends."""
        exits = [(n.name, n.capabilities.unexpected_exits) for n in self._nodes.values()]
        return [(name, ends) for name, ends in exits if ends.count]

    def restore(self, snapshot: OutsideSnapshot) -> None:
        """Continue from `snapshot`; agents that ended before it count as signs in frame 0."""
        self._first, self._count = snapshot.first, snapshot.count
        self._latest = dict(snapshot.latest)
        self._fixed = dict(snapshot.fixed)
        for name, end in snapshot.ends.items():
            self._note(0, name, end)


def _and(more: int) -> str:
    return f", and {more} more" if more > 0 else ""
