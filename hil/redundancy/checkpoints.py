"""Checkpoints: copies of agreed states, on the boards and on the host.

A board stores a checkpoint only when the host sends the frame and the agreed digest, and refuses if
its own state has another digest: a rollback never goes to a state that was not voted on. Each board
keeps two generations, so that a damaged one leaves it another. Checkpoints are due every
`checkpoint_every` frames, and at once for a node that has none or was repaired.

The host keeps a copy of its own, in case that no board has a checkpoint left. It reads what has
changed since the copy before. What there is no time for between two frames is read at the next
checkpoints, so that a large state is complete after some of them, unless it changes faster."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from hil._kernel import lib
from hil.errors import LinkError, NodeError
from hil.kernel import CHUNK, digest64
from hil.redundancy.voting import Verdict, unpack
from hil.rig.backends.capabilities import rate_of
from hil.rig.calls import Timing
from hil.rig.node import Node
from hil.rig.resync import changed_chunks, read_changes
from hil.rig.rig import Rig
from hil.wire.messages import Sync

__all__ = ["GENERATIONS", "Checkpoints", "HostCopy"]

GENERATIONS: Final = 2
_COPY_EVERY: Final = 64
"""The greatest age of the host's copy, in checkpoint intervals."""
_UNKNOWN_RATE_BAUD: Final = 115_200
"""[bit/s] The rate of a real board's line that does not report its own: behind a port server."""
_BITS_OF_A_BYTE: Final = 10
"""On a serial line, with start and stop bits."""


@dataclass(frozen=True, slots=True)
class HostCopy:
    """The host's copy of an agreed state; `frame` is the frame after which it was agreed on."""

    frame: int
    state: bytes
    state_digest: int


class Checkpoints:
    """Takes checkpoints on the boards, and knows which node holds which. `every`: frames between
    two checkpoints, 0 for none; `initial`: the state before the first frame. Not thread-safe."""

    def __init__(self, rig: Rig, every: int, initial: bytes) -> None:
        self._rig = rig
        self.every = every
        self._draft = initial
        self._held: dict[str, tuple[Sync, ...]] = {node.name: () for node in rig.nodes}
        self._loads: dict[str, int] = {node.name: node.loads for node in rig.nodes}
        self._too_large: set[str] = set()
        self.copy: HostCopy | None = None
        self.on_taken: Callable[[Node, Sequence[Sync]], None] = lambda _node, _checkpoints: None

    def held_by(self, node: Node) -> tuple[Sync, ...]:
        """Return the checkpoints of a node, newest first; none if its agent has started again
        since."""
        return self._held[node.name] if self._loads[node.name] == node.loads else ()

    def lacks_one(self, nodes: Iterable[Node]) -> bool:
        """Return whether one of `nodes` has no checkpoint although it should have one."""
        if not self.every:
            return False
        held, loads = self._held, self._loads
        for node in nodes:  # in every frame: `held_by`, without its calls
            name = node.name
            if not (held[name] and loads[name] == node.loads) and name not in self._too_large:
                return True
        return False

    def forget(self, node: Node, checkpoint: Sync) -> None:
        """Remove a checkpoint that the board could not restore."""
        self._held[node.name] = tuple(c for c in self.held_by(node) if c != checkpoint)

    def replace_all(self, node: Node, agreed: Sync) -> None:
        """Discard a node's checkpoints after it was isolated, and take one of the agreed state."""
        self._held[node.name] = ()
        with contextlib.suppress(LinkError, NodeError):
            self.take_now(node, agreed)

    def is_due(self, frame: int) -> bool:
        """Return whether a checkpoint of the state after `frame` is due on every node."""
        return self.every > 0 and (frame + 1) % self.every == 0

    def take(
        self, verdict: Verdict, holders: Sequence[Node], healed: Iterable[str], timing: Timing
    ) -> None:
        """Take a checkpoint of the agreed state of `verdict` on `holders`, which have it: on all
        when it is due, else on those that have none or are among `healed`."""
        if not self.every:
            return
        due = self.is_due(verdict.frame)
        wanted = [
            node
            for node in holders
            if node.name not in self._too_large
            and (due or node.name in healed or not self.held_by(node))
        ]
        if not wanted:
            return
        checkpoint = Sync(verdict.frame, verdict.state)
        answered = self._rig.checkpoint(wanted, checkpoint, timing)
        if due:
            self._rig.setup.refresh_budgets([node for node, _ in answered], timing)
        for node, status in answered:
            if status == lib.HIL_OK:
                self.on_kept(node, [checkpoint])
            elif status == lib.HIL_ERR_EXHAUSTED:
                self._too_large.add(node.name)
        if self._copy_is_due(verdict.frame):
            self._copy(verdict, holders, timing)

    def take_own(
        self, frame: int, states: Sequence[tuple[Node, int]], healed: Iterable[str], timing: Timing
    ) -> None:
        """Take a checkpoint of each node's own state after `frame`, where states are not voted on:
        `states` has the nodes that agreed in the output, with the digest of their state. On all
        when it is due, else on those without one or among `healed`. The host takes no copy."""
        if not self.every:
            return
        due = self.is_due(frame)
        for node, digest in states:
            if due or node.name in healed or not self.held_by(node):
                for _, status in self._rig.checkpoint([node], Sync(frame, digest), timing):
                    if status == lib.HIL_OK:
                        self.on_kept(node, [Sync(frame, digest)])
                    elif status == lib.HIL_ERR_EXHAUSTED:
                        self._too_large.add(node.name)
        if due:
            self._rig.setup.refresh_budgets([node for node, _ in states], timing)

    def forget_all(self, node: Node) -> None:
        """Discard all checkpoints of a node: its next state is computed from the initial one."""
        self._held[node.name] = ()

    def take_now(self, node: Node, agreed: Sync) -> None:
        """Take a checkpoint of the state that the board has just been given."""
        if self.every:
            for _, status in self._rig.checkpoint([node], agreed):
                if status == lib.HIL_OK:
                    self.on_kept(node, [agreed])

    def on_batch(self, nodes: Sequence[Node], records: bytes, record_len: int) -> None:
        """Note the checkpoints that the boards of `nodes` took themselves during a batch of quiet
        packed frames. The host's copy is that of the last frame."""
        if not self.every:
            return
        count = len(records) // record_len
        first = unpack(records[:record_len]).frame
        due = range(first + -(first + 1) % self.every, first + count, self.every)
        taken = [
            Sync(k, unpack(records[(k - first) * record_len :][:record_len]).state)
            for k in due[-GENERATIONS:]
        ]
        if taken:
            self._rig.setup.refresh_budgets(nodes)
            for node in nodes:
                self.on_kept(node, taken)
        last = unpack(records[-record_len:])
        if self._copy_is_due(last.frame):
            self._copy(last, nodes, self._rig.requests.timing)

    def on_kept(self, node: Node, checkpoints: Sequence[Sync]) -> None:
        """Note that a node has taken these checkpoints, oldest first."""
        before = self.held_by(node)
        self._loads[node.name] = node.loads
        for checkpoint in checkpoints:
            older = tuple(c for c in before if c.frame != checkpoint.frame)
            before = (checkpoint, *older)[:GENERATIONS]
        self._held[node.name] = before
        self.on_taken(node, checkpoints)

    def _copy_is_due(self, frame: int) -> bool:
        return self.copy is None or frame - self.copy.frame >= _COPY_EVERY * self.every

    def _copy(self, verdict: Verdict, holders: Sequence[Node], timing: Timing) -> None:
        """Read the agreed state from the first board whose bytes have the agreed digest."""
        for node in holders:
            try:
                complete = self._update_draft(node, timing)
            except (LinkError, NodeError):
                continue
            if not complete:
                return
            if digest64(self._draft) == verdict.state:
                self.copy = HostCopy(verdict.frame, self._draft, verdict.state)
                return

    def _update_draft(self, node: Node, timing: Timing) -> bool:
        """Read what differs between the draft of the next copy and the state of a node, for half
        of the time at most for which a silent node is waited for. Return whether that was all."""
        chunks = changed_chunks(self._rig, node, self._draft, timing)
        count = len(chunks)
        if node.board.can_return:
            rate = rate_of(node.link.transport)
            baud = _UNKNOWN_RATE_BAUD if rate is None else rate.now
            count = timing.lost_after_us // 2 * baud // (1_000_000 * _BITS_OF_A_BYTE * CHUNK)
        self._draft = read_changes(self._rig, node, self._draft, chunks[:count], timing)
        return count >= len(chunks)
