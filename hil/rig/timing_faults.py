"""Timing faults of whole nodes: which frame's input a node takes, and when its answer comes.

    skewed  its clock differs by an offset, which may drift. It takes the input of the frame that it
            takes to be the present one: a clock that is ahead reads its sensors before the others,
            one that is behind works on an earlier message; either way the input is that of some
            frame before, and the answer one for that frame. The number of frames is the offset
            divided by the length of a frame, rounded; within half a frame nothing differs
    slow    a step takes `slow_by` times its usual share `load` of a frame, and steps wait for each
            other: from one frame on each answer comes later than the one before. When the fault
            ends the node works off what has piled up, at its usual speed; a new worker has nothing
            to work off
    late    each answer comes a fixed time after the end of its frame

A skewed node really computes with the other input, on a board of any kind. A slow node really is
slow: its agent leaves its worker the share 1 / `slow_by` of its speed (`hil.rig.rig.Rig.limit`),
unless a plant sets the speed of boards. A workload's step may be far shorter than a frame, so
whether an answer comes in time is a model in simulated time, the same on all boards: the board
computes and answers, and its answer is set aside if its time is after the end of the frame, as that
of a node that really is late would be. The state of the node is right then, and its answer of the
next frame is for the next frame."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from hil.scenario.timing import TimingConfig
from hil.scenario.words import TimingFault

__all__ = ["NodeTiming", "TimingFaults"]


@dataclass(slots=True)
class NodeTiming:
    """The fault `config` of the timing of `node`, from frame `first` on, for `frames` frames (0:
    permanently). `backlog_us`: by how much the work of a slow node reaches into the next frame;
    `worker`: the number of its worker, of which a new one has no work left of before."""

    id: int
    node: str
    config: TimingConfig
    first: int
    frames: int
    backlog_us: int = 0
    worker: int = 0

    def acts(self, frame: int) -> bool:
        """Return whether the fault acts in `frame`."""
        return not self.frames or frame < self.first + self.frames

    def is_over(self, frame: int) -> bool:
        """Return whether nothing of it is left in `frame`."""
        return not self.acts(frame) and not self.backlog_us

    def offset_us(self, frame: int, frame_us: int) -> int:
        """Return by how much the clock of the node is wrong at the beginning of `frame` [us]."""
        drifted = self.config.drift_ppm * (frame - self.first) * frame_us / 1e6
        return self.config.skew_us + round(drifted)

    def frames_before(self, frame: int, frame_us: int) -> int:
        """Return how many frames before `frame` the input is that the node takes."""
        if self.config.kind is not TimingFault.SKEWED or not self.acts(frame):
            return 0
        return min(frame, (2 * self.offset_us(frame, frame_us) + frame_us) // (2 * frame_us))

    def answered_us(self, frame: int, frame_us: int) -> int:
        """Return when the node answers, after the beginning of `frame` [us]; 0: in time. To be
        called once for each frame, in order."""
        if self.config.kind is TimingFault.LATE:
            return frame_us + self.config.late_us if self.acts(frame) else 0
        if self.config.kind is not TimingFault.SLOW:
            return 0
        factor = (self.config.slow_by or 1.0) if self.acts(frame) else 1.0
        done_us = self.backlog_us + round(factor * self.config.load * frame_us)
        self.backlog_us = max(0, done_us - frame_us)
        return done_us if done_us > frame_us else 0


class TimingFaults:
    """The timing faults of the nodes of a rig with frames of `frame_us` [us]. Of several faults of
    one node all act. Not thread-safe."""

    def __init__(self, frame_us: int) -> None:
        self.frame_us = frame_us
        self._faults: list[NodeTiming] = []

    def add(self, fault: NodeTiming) -> None:
        """Let a fault act from its first frame on."""
        self._faults.append(fault)

    def drop(self, id_: int) -> None:
        """End the fault of an upset."""
        self._faults = [f for f in self._faults if f.id != id_]

    def begin(self, frame: int) -> bool:
        """Begin a frame: faults of which nothing is left end. Return whether one is left."""
        self._faults = [f for f in self._faults if not f.is_over(frame)]
        return bool(self._faults)

    def hits(self, node: str, frame: int) -> bool:
        """Return whether a fault of the node acts also after `frame`."""
        return any(f.node == node and not f.is_over(frame + 1) for f in self._faults)

    def frames_before(self, node: str, frame: int) -> int:
        """Return how many frames before `frame` the input is that the node takes."""
        own = (f.frames_before(frame, self.frame_us) for f in self._faults if f.node == node)
        return min(frame, sum(own))

    def slow_by(self, node: str, frame: int) -> float:
        """Return how many times as long a step of the node takes in `frame`; 1: as usual."""
        own = (f.config.slow_by or 1.0 for f in self._faults if f.node == node and f.acts(frame))
        return math.prod(own)

    def late(self, frame: int, workers: Mapping[str, int]) -> dict[str, int]:
        """Return the nodes that answer after the end of `frame`, and how long after it [us].
        `workers`: the number of the worker of each node that is asked. To be called once for each
        frame, in order."""
        times: dict[str, int] = {}
        for fault in self._faults:
            worker = workers.get(fault.node, fault.worker)
            if worker != fault.worker:
                fault.worker, fault.backlog_us = worker, 0
            answered_us = fault.answered_us(frame, self.frame_us)
            if answered_us:
                after_us = answered_us - self.frame_us
                times[fault.node] = max(after_us, times.get(fault.node, 0))
        return times
