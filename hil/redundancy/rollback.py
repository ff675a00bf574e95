"""Rollback: nodes return to an agreed state, and compute forward again.

A node's own checkpoints are tried first, newest first; then the checkpoint of another node, whose
state is transferred; then the host's copy; then the initial state. The inputs of past frames come
from the golden run, as a flight computer has them in its sensor log; states never do."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Final

from hil.errors import HilError, LinkError, NodeError, SetupError
from hil.kernel import Golden
from hil.redundancy.checkpoints import Checkpoints
from hil.rig.node import DONE, Node, NodeResult
from hil.rig.resync import delta_resync, write_changes
from hil.rig.rig import Rig
from hil.wire.messages import NO_FRAME, Sync

__all__ = ["BOARD_FAILURES", "RE_EXECUTION_MAX", "Rollback", "RollbackResult", "RollbackSpacing"]

BOARD_FAILURES: Final = (LinkError, NodeError, SetupError)

RE_EXECUTION_MAX: Final = 100_000
"""[frame] The most frames that a rollback computes again."""

_DOUBLINGS_MAX: Final = 20
"""Of the wait between rollbacks that do not help; it is limited by RE_EXECUTION_MAX long before."""

_FRESH: Final = NodeResult(DONE)


@dataclass(slots=True)
class RollbackResult:
    """The result of a rollback. `results`: of the present frame, of the nodes that could go back;
    `first_frame`: the first frame that was computed again; `restarted`: nodes whose worker was
    started again; `failure`: why the rollback failed, empty if it succeeded."""

    results: dict[str, NodeResult] = field(default_factory=dict)
    first_frame: int = 0
    restarted: list[str] = field(default_factory=list)
    failure: str = ""

    @property
    def detail(self) -> str:
        """Return the result in words, for the record."""
        return self.failure or f"computed again from frame {self.first_frame}"


class RollbackSpacing:
    """Spaces out rollbacks that do not help: the next one waits for 1 frame, then for 2, 4, and so
    on, but at most for an eighth of the frames that were computed again. A fault that ends by
    itself is soon over, and a permanent one does not make every frame longer than the one before. A
    node that has no part in the failed one ends the wait: there is a new result to compare.

    `failures`: consecutive frames whose rollback failed; `seen`: the last frame that was more than
    plain agreement."""

    def __init__(self) -> None:
        self.not_before = 0
        self.tried: frozenset[str] = frozenset()
        self.failures = 0
        self.seen = -1
        self._failed_in = -1

    def begin(self, frame: int) -> None:
        """Begin a frame that is more than plain agreement. Frames of plain agreement before it end
        the wait: the fault that caused it is over."""
        if frame > self.seen + 1:
            self.reset()
        self.seen = frame

    def must_wait(self, frame: int, able: AbstractSet[str]) -> bool:
        """Return whether another rollback in `frame`, of the nodes with the names `able`, comes too
        early."""
        return frame < self.not_before and able <= self.tried

    def failed(self, frame: int, first_frame: int, able: AbstractSet[str]) -> None:
        """Note that a rollback in `frame`, of the nodes `able` from `first_frame` on, did not
        help."""
        if frame != self._failed_in:  # a frame may have several attempts
            self._failed_in, self.failures = frame, self.failures + 1
        longest = max(1, (frame - first_frame) // 8)
        self.not_before = frame + min(2 ** min(self.failures - 1, _DOUBLINGS_MAX), longest)
        self.tried = frozenset(able)

    def reset(self) -> None:
        """End the wait because the nodes agree: the next disagreement is another fault."""
        self.not_before = self.failures = 0


class Rollback:
    """Rolls back nodes of `rig` to their `checkpoints` and computes again with the inputs of
    `golden`. `shares_states`: a node without a checkpoint is given that of another. Not
    thread-safe."""

    def __init__(
        self, rig: Rig, golden: Golden, checkpoints: Checkpoints, *, shares_states: bool = True
    ) -> None:
        self._rig = rig
        self._shares_states = shares_states
        self._golden = golden
        self._checkpoints = checkpoints

    def roll_back(
        self,
        nodes: Sequence[Node],
        results: Mapping[str, NodeResult],
        frame: int,
        *,
        restart: bool,
        before_last: Callable[[], None] | None = None,
    ) -> RollbackResult:
        """Roll `nodes` back and compute again up to and including `frame`.

        Workers that died are started again, with `restart` all of them; `results` are the results
        of `frame` before the rollback. `before_last` is called before `frame` itself is computed.
        Raises nothing: a board that fails meanwhile is left out,
        and the result says why if the rollback failed."""
        back = RollbackResult()
        able: list[Node] = []
        for node in nodes:
            with contextlib.suppress(*BOARD_FAILURES):
                if self._restart_worker(node, results[node.name], restart=restart):
                    back.restarted.append(node.name)
                able.append(node)
        if self._too_far_back(able, frame):  # checked before any of them loses its state
            back.failure = f"more than {RE_EXECUTION_MAX} frames would have to be computed again"
            return back
        start = self._go_back(able)
        if not start:
            back.failure = "no node could go back"
            return back
        back.first_frame = min(start.values())
        try:
            back.results = self._replay(
                [n for n in able if n.name in start], start, frame, before_last
            )
        except HilError as error:
            back.failure = error.message
        return back

    def catch_up(self, node: Node, frame: int, beside: Sequence[Node] = ()) -> str:
        """Bring one node, whose worker runs, from its checkpoint to the end of `frame`; return how,
        in words. The nodes `beside` it go back as well: a node without a checkpoint begins from
        theirs. Raises: NodeError if it cannot be given a state, fails again meanwhile, or more than
        RE_EXECUTION_MAX frames would have to be computed again."""
        start = self._go_back([node, *beside])
        able = [n for n in (node, *beside) if n.name in start]
        last = self._replay(able, start, frame) if able else {}  # `beside` must not stay behind
        if node.name not in start:
            raise NodeError(f"node {node.name} cannot be given a state to begin from")
        if node.name in last and last[node.name].status != DONE:
            raise NodeError(f"node {node.name} failed again while it caught up")
        return f"computed again from frame {start[node.name]}"

    def _restart_worker(self, node: Node, result: NodeResult, *, restart: bool) -> bool:
        """Start the worker again if it died or `restart` is set; return whether it was."""
        if result.rebooted:
            self._rig.reload(node)
        elif restart or (result.status != DONE and not result.out_of_step):
            self._rig.restart(node)
        else:
            return False
        return True

    # --- going back ---------------------------------------------------------------------------

    def _too_far_back(self, nodes: Sequence[Node], frame: int) -> bool:
        """Return whether even the newest state from which any of `nodes` could begin is more than
        RE_EXECUTION_MAX frames old."""
        copy = self._checkpoints.copy
        held = [checkpoint for node in nodes for checkpoint in self._checkpoints.held_by(node)]
        starts = [next_after(checkpoint.frame) for checkpoint in held]
        latest = max(starts, default=0 if copy is None else next_after(copy.frame))
        return frame - latest > RE_EXECUTION_MAX

    def _go_back(self, nodes: Sequence[Node]) -> dict[str, int]:
        """Bring each node to a past state: the newest checkpoint of its own that is intact, else
        one of another node of `nodes`, else the host's copy, else the initial state. Return, by
        node, the frame to compute next; nodes whose board failed are left out."""
        start: dict[str, int] = {}
        restored: dict[str, Sync] = {}
        for node in nodes:
            with contextlib.suppress(*BOARD_FAILURES):
                checkpoint = self._restore(node)
                if checkpoint is not None:
                    restored[node.name] = checkpoint
                    start[node.name] = next_after(checkpoint.frame)
        sources = [node for node in nodes if node.name in restored and self._shares_states]
        for node in nodes:
            if node.name in restored:
                continue
            with contextlib.suppress(*BOARD_FAILURES):
                start[node.name] = self._give_state(node, sources, restored)
        return start

    def _restore(self, node: Node) -> Sync | None:
        """Restore the newest intact checkpoint and return it; None if the board has none. Those
        that the board refuses are forgotten. Raises: LinkError, SetupError."""
        for checkpoint in self._checkpoints.held_by(node):
            try:
                self._rig.restore(node, checkpoint)
            except NodeError:
                self._checkpoints.forget(node, checkpoint)
            else:
                return checkpoint
        return None

    def _give_state(self, node: Node, sources: Sequence[Node], restored: Mapping[str, Sync]) -> int:
        """Give a state to a node without a checkpoint: that of the first of `sources` that can be
        transferred, else the host's copy, else the initial state. Return its next frame. Raises:
        BOARD_FAILURES."""
        for source in sources:
            checkpoint = restored[source.name]
            with contextlib.suppress(*BOARD_FAILURES):
                delta_resync(
                    self._rig,
                    node,
                    [source],
                    checkpoint.frame,
                    checkpoint.state_digest,
                    self._golden.workload.state_len,
                )
                return next_after(checkpoint.frame)
        copy = self._checkpoints.copy
        if copy is not None:
            write_changes(self._rig, node, copy.state)
            self._rig.sync(node, copy.frame, copy.state_digest)
            return next_after(copy.frame)
        self._rig.load(node)
        return 0

    # --- computing forward --------------------------------------------------------------------

    def _replay(
        self,
        nodes: Sequence[Node],
        start: Mapping[str, int],
        frame: int,
        before_last: Callable[[], None] | None = None,
    ) -> dict[str, NodeResult]:
        """Compute each node from its start frame up to and including `frame`; return the last
        result of each. A node that fails meanwhile computes no further frames. Raises: NodeError if
        more than RE_EXECUTION_MAX frames would have to be computed."""
        first = min(start.values())
        if frame - first > RE_EXECUTION_MAX:
            raise NodeError(f"{frame - first} frames would have to be computed again")
        last: dict[str, NodeResult] = {}
        for k in range(first, frame + 1):
            due = [
                n for n in nodes if start[n.name] <= k and last.get(n.name, _FRESH).status == DONE
            ]
            if k == frame and before_last is not None:
                before_last()
            last.update(self._rig.step(due, k, self._golden.input_of(k)))
        return last


def next_after(frame: int) -> int:
    """Return the frame after `frame`; after NO_FRAME, the initial state, it is 0."""
    return 0 if frame == NO_FRAME else frame + 1
