"""Repairs: carrying out what recovery ordered, and going back when nobody can be believed.

Uses the rig; decides nothing. A repair that a board refuses or does not survive is a result, not an
exception.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hil.errors import HilError, LinkError, NodeError, SetupError
from hil.kernel import Golden
from hil.recovery import BOARD_IS_BACK, Action, NodeState
from hil.rig.messages import NO_FRAME
from hil.rig.node import DONE, Node, NodeResult, may_return
from hil.rig.resync import Damage, Resync, delta_resync, read_state, write_state
from hil.rig.rig import Rig
from hil.voter import Verdict

RE_EXECUTION_MAX = 100_000
"""More frames than this are not computed again after a loss of all state."""

_BOARD_FAILURES = (LinkError, NodeError, SetupError)


@dataclass(frozen=True, slots=True)
class Repaired:
    """How a repair went, and what it moved. `away`: it goes on beside the run, until the board is
    back; `lost`: the board could not be reached."""

    ok: bool
    detail: str
    chunks: int = 0
    bytes_moved: int = 0
    duration_wall_us: int = 0
    damage: tuple[Damage, ...] = ()
    away: bool = False
    lost: bool = False


class Mechanic:
    """Repairs nodes of one rig. `golden` gives the inputs of past frames (as a flight computer's
    log of its sensors would) and nothing else: no repair ever takes state from the golden run."""

    def __init__(self, rig: Rig, golden: Golden) -> None:
        self._rig = rig
        self._golden = golden

    def _timed(self, work: Callable[[], Resync | str]) -> Repaired:
        began = self._rig.clock.now_us()
        try:
            done = work()
        except _BOARD_FAILURES as error:
            lost = not isinstance(error, NodeError)
            return Repaired(
                False, error.message, duration_wall_us=self._rig.clock.now_us() - began, lost=lost
            )
        spent = self._rig.clock.now_us() - began
        if isinstance(done, str):
            return Repaired(True, done, duration_wall_us=spent)
        how = "full copy" if done.full else "delta"
        return Repaired(True, how, done.chunks, done.bytes_moved, spent, done.damage)

    def repair(
        self, action: Action, node: Node, verdict: Verdict, sources: Sequence[Node]
    ) -> Repaired:
        """One rung of the ladder for `node`, after the frame of `verdict`; its state then comes
        from `sources` (who agreed), or without any from its own checkpoint."""
        if action.rung is NodeState.POWER_CYCLE and may_return(node.board):
            self._rig.send_away(node, cycle=node.powered)
            switched = "its power is cycled; " if node.board.can_cycle else ""
            return Repaired(False, f"{switched}looked for beside the run", away=True)

        def work() -> Resync | str:
            self._revive(action, node)
            if sources and verdict.state:
                return delta_resync(
                    self._rig, node, sources, verdict.frame, verdict.state,
                    self._golden.workload.state_len,
                )  # fmt: skip
            return self._catch_up(node, verdict.frame)

        return self._timed(work)

    def _revive(self, action: Action, node: Node) -> None:
        if action.rung is NodeState.RESTART:
            self._rig.restart(node)
        elif action.rung is NodeState.RESET:
            if action.cause == BOARD_IS_BACK:
                self._rig.rejoin(node)
            elif action.cause == "rebooted":
                self._rig.reload(node)
            else:
                self._rig.reset(node)
        elif action.rung is NodeState.POWER_CYCLE:
            if not node.powered:
                raise NodeError(f"node {node.name} has no power")
            self._rig.power_cycle(node)

    def _catch_up(self, node: Node, frame: int) -> str:
        """From its own checkpoint (or from the beginning) compute up to and including `frame`."""
        start = self._go_back(node)
        self._replay([node], {node.name: start}, frame)
        return f"computed again from frame {start}"

    def _go_back(self, node: Node) -> int:
        """Restore the checkpoint, else the initial state; returns the next frame of the node."""
        try:
            return self._next_after(self._rig.restore(node).frame)
        except NodeError:
            self._rig.load(node)
            return 0

    @staticmethod
    def _next_after(frame: int) -> int:
        return 0 if frame == NO_FRAME else frame + 1

    def _replay(
        self, nodes: Sequence[Node], start: dict[str, int], frame: int
    ) -> dict[str, NodeResult]:
        """Compute each node from its start frame up to and including `frame`; what came of the
        last."""
        first = min(start.values())
        if frame - first > RE_EXECUTION_MAX:
            raise NodeError(f"{frame - first} frames would have to be computed again")
        last: dict[str, NodeResult] = {}
        for k in range(first, frame + 1):
            due = [
                n for n in nodes if start[n.name] <= k and last.get(n.name, _FRESH).status == DONE
            ]
            last.update(self._rig.step(due, k, self._golden.input_of(k)))
        if len(nodes) == 1 and last[nodes[0].name].status != DONE:
            raise NodeError(f"node {nodes[0].name} failed again while it caught up")
        return last

    def roll_back(
        self, nodes: Sequence[Node], results: dict[str, NodeResult], frame: int, *, restart: bool
    ) -> tuple[dict[str, NodeResult], Repaired, list[str]]:
        """Take `nodes` back to their checkpoints and compute up to `frame` again.

        Workers that died are started again, with `restart` all are. Returns the new results of
        `frame` (of the nodes that could go back), how it went, and whose worker was restarted."""
        began = self._rig.clock.now_us()
        start: dict[str, int] = {}
        restarted: list[str] = []
        bare: list[Node] = []  # alive, but without a checkpoint
        for node in nodes:
            with contextlib.suppress(*_BOARD_FAILURES):
                if results[node.name].rebooted:
                    self._rig.reload(node)
                    restarted.append(node.name)
                elif restart or results[node.name].status != DONE:
                    self._rig.restart(node)
                    restarted.append(node.name)
                try:
                    start[node.name] = self._next_after(self._rig.restore(node).frame)
                except NodeError:
                    bare.append(node)
        if not start:  # nobody has one: all from the beginning
            for node in bare:
                with contextlib.suppress(*_BOARD_FAILURES):
                    self._rig.load(node)
                    start[node.name] = 0
        able = [n for n in nodes if n.name in start]
        if not able:
            return {}, Repaired(False, "no node could go back"), restarted
        try:
            again = self._replay(able, start, frame)
        except HilError as error:
            return (
                {},
                Repaired(False, error.message, duration_wall_us=self._rig.clock.now_us() - began),
                restarted,
            )
        detail = f"computed again from frame {min(start.values())}"
        return (
            again,
            Repaired(True, detail, duration_wall_us=self._rig.clock.now_us() - began),
            restarted,
        )

    def refresh(self, node: Node, frame: int) -> Repaired:
        """The harness, not the system: give a node without redundancy the golden state and a new
        worker, so that the next upset is an experiment of its own."""

        def work() -> str:
            golden = self._golden
            self._rig.restart(node)
            current = read_state(self._rig, node, golden.workload.state_len)
            moved = write_state(self._rig, node, current, golden.state)
            self._rig.sync(node, frame, golden.state_digest)
            return f"{moved} bytes from the golden run"

        return self._timed(work)


_FRESH = NodeResult(DONE)
