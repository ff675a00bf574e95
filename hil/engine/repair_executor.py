"""Repairs: carrying out on a node what recovery ordered.

Uses the rig; decides nothing. A node that no other can give a state goes back to a checkpoint, by
`hil.redundancy.rollback`, which also takes all nodes back when the vote has no majority. A repair
that a board refuses or does not survive is a result, not an exception.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hil.errors import NodeError
from hil.kernel import Golden
from hil.redundancy.recovery import BOARD_IS_BACK, Action, NodeState
from hil.redundancy.rollback import BOARD_FAILURES, Rollback
from hil.redundancy.voting import Verdict
from hil.rig.node import Node
from hil.rig.resync import (
    Damage,
    Resync,
    delta_resync,
    read_state,
    write_output,
    write_state,
)
from hil.rig.rig import Rig


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


class RepairExecutor:
    """Repairs nodes of one rig. No repair ever takes state from the golden run, but `refresh`,
    which is the harness's."""

    def __init__(self, rig: Rig, golden: Golden, rollback: Rollback) -> None:
        self._rig = rig
        self._golden = golden
        self._rollback = rollback

    def _timed(self, work: Callable[[], Resync | str]) -> Repaired:
        began = self._rig.clock.now_us()
        try:
            done = work()
        except BOARD_FAILURES as error:
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
        self,
        action: Action,
        node: Node,
        verdict: Verdict,
        sources: Sequence[Node],
        *,
        believed: bool = True,
    ) -> Repaired:
        """One rung of the ladder for `node`, after the frame of `verdict`; its state then comes
        from `sources` (who agreed), or without any from a checkpoint. If they are not `believed`,
        only their checkpoint is, and `node` computes its state from there itself."""
        if action.rung is NodeState.POWER_CYCLE and node.board.can_return:
            self._rig.absent.exclude(node, cycle=node.powered)
            switched = "its power is cycled; " if node.board.can_cycle else ""
            return Repaired(False, f"{switched}looked for beside the run", away=True)

        def work() -> Resync | str:
            self._revive(action, node)
            if not believed:
                return self._rollback.catch_up(node, verdict.frame, sources)
            if sources and verdict.state:
                return delta_resync(
                    self._rig,
                    node,
                    sources,
                    verdict.frame,
                    verdict.state,
                    self._golden.workload.state_len,
                )
            return self._rollback.catch_up(node, verdict.frame)

        return self._timed(work)

    def _revive(self, action: Action, node: Node) -> None:
        if action.rung is NodeState.RESYNC:
            self._rig.setup.configure(node)
        elif action.rung is NodeState.RESTART:
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

    def freshen(self, node: Node) -> None:
        """A node that was out and is repaired keeps no output of the time before, which was never
        voted on."""
        with contextlib.suppress(*BOARD_FAILURES):  # the next step will tell
            write_output(self._rig, node, bytes(self._golden.workload.output_len))

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
