"""Hidden state: what boards hold besides the state and the output that are voted on.

Checkpoints, stuck cells, changed machine code and other damage in a worker may affect later frames.
A run can be resumed exactly only from a frame at which all of that is known and can be reproduced.

Hidden state is followed on the host. A board is read only for the agreed state where a wrong one
has won the vote, because the golden run does not have it. The injector arms damage again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from hil.errors import LinkError, NodeError
from hil.kernel import Golden, digest64
from hil.redundancy.checkpoints import GENERATIONS, Checkpoints
from hil.rig.node import Node
from hil.rig.resync import read_state
from hil.rig.rig import Rig
from hil.scenario.words import CHECKPOINT_TARGETS, PROCESS_TARGETS, PatternKind, UpsetTarget
from hil.upsets.injection import Injector, arm_of
from hil.upsets.upset import Upset
from hil.wire.messages import OF_CHECKPOINT, Arm, Sync

__all__ = ["HiddenState"]

_PORTABLE: Final = CHECKPOINT_TARGETS | {
    UpsetTarget.STATE,
    UpsetTarget.INPUT,
    UpsetTarget.OUTPUT,
}
_IN_WORKER: Final = PROCESS_TARGETS - {UpsetTarget.TEXT}
_SAME_PLACE: Final = _PORTABLE | {UpsetTarget.HEAP, UpsetTarget.TEXT}
"""Targets in which bit N always is the same memory cell; a stack grows and shrinks."""
_STATES_MAX: Final = 8
_READ_MAX: Final = 1 << 16
"""[byte] Larger states are not read from a board for a snapshot."""
_ARMED_MAX: Final = 16
"""The most cells that can be armed again on one board, which holds no more stuck ones."""


@dataclass(frozen=True, slots=True)
class _Lasting:
    """Damage that outlasts its frame. `last` is the last frame of a stuck cell, None if it is
    permanent; `loads` and `workers` count how often the node had been loaded, and its worker
    started, when the damage was done (or done again, to a new worker)."""

    arm: Arm
    last: int | None
    loads: int
    workers: int

    def holds(self, node: Node, frame: int) -> bool:
        """Return whether the damage exists before `frame`. A load ends a stuck cell, the end of the
        worker ends changed machine code."""
        if self.arm.kind != PatternKind.STUCK:
            return self.workers == node.workers
        if self.is_released(frame):
            return self.arm.target == UpsetTarget.TEXT and self.workers == node.workers
        return self.loads == node.loads

    def is_of_worker(self, frame: int) -> bool:
        """Return whether it lasts in `frame` until the worker ends, and no board limits how much of
        it there is."""
        return self.arm.kind != PatternKind.STUCK or self.is_released(frame)

    def is_released(self, frame: int) -> bool:
        """Return whether it is a stuck cell that takes other values again in `frame`."""
        return self.last is not None and frame > self.last


@dataclass(slots=True)
class _Doubt:
    """Follows whether the checkpoints of a node may be damaged: from an upset on, until all of them
    have been replaced or the node has been loaded. `remaining`: checkpoints that are not
    replaced."""

    remaining: int = 0
    loads: int = 0
    last_frame: int = -1

    def hit(self, loads: int) -> None:
        self.remaining, self.loads = GENERATIONS, loads

    def taken(self, frames: Sequence[int], *, stuck: bool) -> None:
        new = [frame for frame in frames if frame != self.last_frame]
        self.last_frame = frames[-1]
        if not stuck:
            self.remaining = max(0, self.remaining - len(new))

    def lasts(self, loads: int) -> bool:
        return self.remaining > 0 and self.loads == loads


class HiddenState:
    """Follows the hidden state of the boards of one run. Not thread-safe."""

    def __init__(self, rig: Rig, golden: Golden, checkpoints: Checkpoints) -> None:
        nodes = rig.nodes
        self._rig = rig
        self._by_name = rig.by_name
        self._golden = golden
        self._checkpoints = checkpoints
        self._states: dict[int, bytes] = {}
        self._doubtful: dict[str, _Doubt] = {node.name: _Doubt() for node in nodes}
        self._lasting: dict[str, list[_Lasting]] = {node.name: [] for node in nodes}
        self._hit_worker: dict[str, int] = {}
        self._hit_agent: dict[str, int | None] = {}
        checkpoints.on_taken = self._taken

    # --- what happens -------------------------------------------------------------------------

    def _taken(self, node: Node, taken: Sequence[Sync]) -> None:
        """Note the checkpoints that a board has taken, oldest first."""
        last = taken[-1]
        stuck = any(x.arm.target in OF_CHECKPOINT for x in self.lasting(node.name, last.frame + 1))
        self._doubtful[node.name].taken([c.frame for c in taken], stuck=stuck)
        if last.frame not in self._states and last.frame == self._golden.next_frame - 1:
            state = self._state_of(node, last)
            if state is not None:
                self._states[last.frame] = state
        if len(self._states) > _STATES_MAX:
            held = {c.frame for n in self._by_name.values() for c in self._checkpoints.held_by(n)}
            self._states = {k: state for k, state in self._states.items() if k in held}

    def _state_of(self, node: Node, agreed: Sync) -> bytes | None:
        """Return the agreed state: the golden one, or that of the node if a wrong one has won the
        vote; None if it cannot be read."""
        if agreed.state_digest == self._golden.state_digest:
            return self._golden.state
        size = self._golden.workload.state_len
        if size > _READ_MAX or node.board.can_return:
            return None
        try:
            return read_state(self._rig, node, size)
        except (LinkError, NodeError):
            return None

    def hit(self, upset: Upset) -> None:
        """Note the damage of an upset, after its board has reported it."""
        plan = upset.plan
        if plan.target in OF_CHECKPOINT:
            self._doubtful[plan.node].hit(self._by_name[plan.node].loads)
        if upset.injected and plan.target is UpsetTarget.AGENT:
            self._hit_agent[plan.node] = self._by_name[plan.node].link.boot_id
        if not upset.injected or plan.target not in _SAME_PLACE | _IN_WORKER:
            return
        node = self._by_name[plan.node]
        if plan.target in _IN_WORKER:
            self._hit_worker[node.name] = node.workers
        if plan.kind is PatternKind.STUCK or plan.target is UpsetTarget.TEXT:
            self._lasts(node, arm_of(plan))

    def _lasts(self, node: Node, arm: Arm) -> None:
        lasting = [x for x in self._lasting[node.name] if x.holds(node, arm.frame)]
        last = arm.frame + arm.hold_frames - 1 if arm.hold_frames else None
        # More than can be armed again need not be known: all of that ends with the worker.
        if sum(x.is_of_worker(arm.frame) for x in lasting) <= _ARMED_MAX:
            lasting.append(_Lasting(arm, last, node.loads, node.workers))
        self._lasting[node.name] = lasting

    def rearm_permanent(self, injector: Injector, nodes: list[Node], frame: int) -> None:
        """Arm stuck cells again on boards that have started again, from `frame` on."""
        for node in nodes:  # a worker that has started again has its held cells again
            self._lasting[node.name] = [
                x if x.is_released(frame) else replace(x, workers=node.workers)
                for x in self._lasting[node.name]
                if x.holds(node, frame)
            ]
        for node, arm in injector.rearm_permanent(nodes, frame):
            self._lasts(node, arm)

    # --- snapshots ----------------------------------------------------------------------------

    def checkpoints(self, name: str) -> list[tuple[Sync, bytes]] | None:
        """Return the checkpoints that a node holds, oldest first, with their states; None if those
        are not known."""
        node = self._by_name[name]
        held = self._checkpoints.held_by(node)
        if not held:
            return None if self._checkpoints.lacks_one([node]) else []
        known = [(c, self._states[c.frame]) for c in reversed(held) if c.frame in self._states]
        if len(known) < len(held) or self.checkpoints_doubtful(name):
            return None
        return known if all(digest64(s) == c.state_digest for c, s in known) else None

    def checkpoints_doubtful(self, name: str) -> bool:
        """Return whether the checkpoints of a node may still be damaged."""
        return self._doubtful[name].lasts(self._by_name[name].loads)

    def lasting(self, name: str, frame: int) -> list[_Lasting]:
        """Return the damage that a node has before `frame`."""
        node = self._by_name[name]
        return [x for x in self._lasting[name] if x.holds(node, frame)]

    def can_be_made_again(self, name: str, frame: int) -> bool:
        """Return whether all hidden state of the node before `frame` can be reproduced on a node
        that has just been loaded."""
        node = self._by_name[name]
        if self._hit_worker.get(name) == node.workers or self.checkpoints(name) is None:
            return False
        if name in self._hit_agent and self._hit_agent[name] == node.link.boot_id:
            return False  # it is not known which of the damage remains
        lasting = self.lasting(name, frame)
        if any(x.is_released(frame) for x in lasting):
            return False  # ARM cannot give machine code a value that nothing holds
        return len(lasting) <= _ARMED_MAX and all(x.arm.target in _SAME_PLACE for x in lasting)

    def arms(self, name: str, frame: int) -> tuple[Arm, ...]:
        """Return ARM requests that reproduce the damage of a node in `frame`."""
        return tuple(_moved(x, frame) for x in self.lasting(name, frame))

    def restore(
        self, name: str, arms: Sequence[Arm], checkpoints: Sequence[tuple[Sync, bytes]]
    ) -> None:
        """Note the damage and the checkpoints that were reproduced on a node."""
        for arm in arms:
            self._lasts(self._by_name[name], arm)
        self._states.update({c.frame: state for c, state in checkpoints})


def _moved(x: _Lasting, frame: int) -> Arm:
    """Return the ARM request of damage, moved to the beginning of `frame`."""
    hold = 0 if x.last is None else x.last - frame + 1
    return replace(x.arm, frame=frame, tick=0, steps=0, us=None, hold_frames=hold)
