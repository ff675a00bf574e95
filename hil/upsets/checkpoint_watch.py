"""Checkpoint watch: whether a board's SECDED code detects upsets of its checkpoints.

An upset of a checkpoint has no effect on a frame. The board's scrubber finds it some frames later
and counts it, or the next checkpoint overwrites it."""

from __future__ import annotations

from dataclasses import dataclass

from hil.rig.node import Node
from hil.rig.rig import Rig
from hil.upsets.upset import Upset
from hil.upsets.words import NodeEffect

__all__ = ["CheckpointWatch"]

_UNSEEN = frozenset({NodeEffect.UNKNOWN, NodeEffect.MASKED})


@dataclass(slots=True)
class _Watched:
    """A checkpoint upset that the scrubber has not found yet, and the next checkpoint has not
    overwritten. `corrected` and `uncorrected` are the board's counters at the injection."""

    upset: Upset
    corrected: int
    uncorrected: int
    frames_left: int


class CheckpointWatch:
    """The checkpoint upsets of one run that have not been detected yet. `state_len` [byte] is the
    size of a checkpoint, `every` the frames between two of them (0: there are none)."""

    def __init__(self, rig: Rig, state_len: int, every: int) -> None:
        self._rig = rig
        self._words = -(-state_len // 8)
        self._every = every
        self._watched: dict[int, _Watched] = {}

    @property
    def active(self) -> bool:
        """Return whether any checkpoint upset may still be detected."""
        return bool(self._watched)

    def is_watched(self, node: str) -> bool:
        """Return whether an upset of this node's checkpoints may still be detected."""
        return any(watched.upset.plan.node == node for watched in self._watched.values())

    def add(self, node: Node, upset: Upset) -> None:
        """Watch for the detection of an upset, if the node's board scrubs its memory."""
        before = self._rig.health([node]).get(node.name)
        per_frame = self._rig.setup.scrub_words
        if before is None or not per_frame:
            return
        frames = -(-self._words // per_frame) + 1
        if self._every:  # the next checkpoint overwrites it
            frames = min(frames, self._every - upset.plan.frame % self._every)
        self._watched[upset.plan.id] = _Watched(upset, before.corrected, before.uncorrected, frames)

    def drop(self, upset: Upset) -> None:
        """Stop watching for an upset that was not injected."""
        self._watched.pop(upset.plan.id, None)

    def poll(self, frame: int) -> None:
        """Read the error counters of the watched boards after `frame`, and mark detected upsets."""
        if not self._watched:
            return
        nodes = self._rig.by_name
        names = {watched.upset.plan.node for watched in self._watched.values()}
        health_of = {name: self._rig.health([nodes[name]]).get(name) for name in names}
        for id_, watched in list(self._watched.items()):
            health = health_of[watched.upset.plan.node]
            watched.frames_left -= 1
            detected = health is not None and (
                health.corrected > watched.corrected or health.uncorrected > watched.uncorrected
            )
            if detected and watched.upset.assessment.effect in _UNSEEN:
                watched.upset.assessment.detect(frame)
            if detected or health is None or watched.frames_left <= 0:
                del self._watched[id_]
