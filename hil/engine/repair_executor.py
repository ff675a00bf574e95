"""The repair executor: carries out on a node the repair that recovery has ordered.

It uses the rig and decides nothing. A node to which no other can give a state is rolled back to a
checkpoint (`hil.redundancy.rollback`). A repair that a board refuses or does not survive is a
result, not an exception.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hil.errors import NodeError
from hil.kernel import Golden
from hil.redundancy.recovery import BOARD_IS_BACK, Action, NodeState, Observation
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
    """The result of a repair, and the bytes that it wrote. `away`: the board is searched for beside
    the run, and repaired when it is back; `cycled`: after its power was cycled; `lost`: the board
    could not be reached."""

    ok: bool
    detail: str
    chunks: int = 0
    bytes_moved: int = 0
    duration_wall_us: int = 0
    damage: tuple[Damage, ...] = ()
    away: bool = False
    cycled: bool = False
    lost: bool = False


class RepairExecutor:
    """Repairs nodes of one rig. Only `refresh`, which is not a repair of the system under test,
    and `reseed`, for which the ground computes it, take state from the golden run. Not
    thread-safe."""

    def __init__(self, rig: Rig, golden: Golden, rollback: Rollback) -> None:
        self._rig = rig
        self._golden = golden
        self._rollback = rollback

    def _timed(self, work: Callable[[], Resync | str]) -> Repaired:
        """Carry out a repair and measure its duration; a failure of the board is a result."""
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
        state: int | None = None,
    ) -> Repaired:
        """Repair `node` by the rung of `action`, after the frame of `verdict`.

        It then gets the state of `sources`, the nodes that agreed; without any it is rolled back to
        a checkpoint. If the sources are not `believed`, only their checkpoint is taken, and `node`
        computes its state from there itself. `state`: the digest of the sources' state; default:
        the agreed one of the verdict."""
        digest = verdict.state if state is None else state
        if action.rung is NodeState.POWER_CYCLE:
            node.starts_after_power_cycle = False
        if action.rung is NodeState.POWER_CYCLE and node.board.can_return:
            cycled = self._rig.absent.exclude(node, cycle=node.powered)
            return Repaired(False, "searched for beside the run", away=True, cycled=cycled)

        def work() -> Resync | str:
            self._revive(action, node)
            if not believed:
                return self._rollback.catch_up(node, verdict.frame, sources)
            if sources and digest:
                length = self._golden.of(node.index).workload.state_len
                return delta_resync(self._rig, node, sources, verdict.frame, digest, length)
            return self._rollback.catch_up(node, verdict.frame)

        return self._timed(work)

    def _revive(self, action: Action, node: Node) -> None:
        """Restart, reset or power-cycle a node, as its rung says."""
        if node.starts_after_power_cycle and action.rung in (NodeState.RESTART, NodeState.RESET):
            raise NodeError(
                f"node {node.name} does not start: its storage or its processor does not answer "
                "until its power is cut"
            )
        if action.rung is NodeState.RESYNC:
            self._rig.setup.configure(node)
        elif action.rung is NodeState.RESTART:
            self._rig.restart(node)
        elif action.rung is NodeState.RESET:
            if action.cause == BOARD_IS_BACK:
                self._rig.rejoin(node)
            elif action.cause == Observation.REBOOTED:
                self._rig.reload(node)
            else:
                self._rig.reset(node)
        elif action.rung is NodeState.POWER_CYCLE:
            if not node.powered:
                raise NodeError(f"node {node.name} has no power")
            self._rig.power_cycle(node)

    def clear_output(self, node: Node) -> None:
        """Clear the output of a repaired node that was isolated: it was never voted on."""
        with contextlib.suppress(*BOARD_FAILURES):  # the next step shows a board that failed
            write_output(self._rig, node, bytes(self._golden.of(node.index).workload.output_len))

    def reseed(self, node: Node, frame: int) -> Repaired:
        """Give a node the state that has come up from the ground, and a new worker. The ground has
        computed it as the golden run does."""
        return self._given(node, frame, "from the ground")

    def refresh(self, node: Node, frame: int) -> Repaired:
        """Give a node without redundancy the golden state and a new worker, so that the next upset
        is an independent experiment. The test harness does that, not the system under test."""
        return self._given(node, frame, "from the golden run")

    def _given(self, node: Node, frame: int, origin: str) -> Repaired:
        def work() -> str:
            golden = self._golden
            self._rig.restart(node)
            current = read_state(self._rig, node, golden.workload.state_len)
            moved = write_state(self._rig, node, current, golden.state)
            self._rig.sync(node, frame, golden.state_digest)
            return f"{moved} bytes {origin}"

        return self._timed(work)
