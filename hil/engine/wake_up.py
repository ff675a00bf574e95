"""The wake-up of a rig after a dead bus: applies the rules of `hil.redundancy.cold_start` to the
boards of a run, and records what it cost."""

from __future__ import annotations

from hil.engine.frame_work import FrameWork
from hil.engine.repair_executor import Repaired
from hil.engine.run_recorder import RunRecorder
from hil.record.queries import COLD_START
from hil.redundancy.cold_start import ColdStart
from hil.rig.rig import Rig

__all__ = ["WakeUp"]

_DEAD_BUS = "dead bus"


class WakeUp:
    """Wakes the nodes of one run up in their turns. Not thread-safe."""

    def __init__(self, rig: Rig, cold: ColdStart, recorder: RunRecorder) -> None:
        self._rig = rig
        self._cold = cold
        self._recorder = recorder
        self._woken_at_us = 0

    def begin(self, frame: FrameWork) -> None:
        """Begin a cold start if no node has power, and give the next turn if it is due."""
        powered = any(node.powered for node in self._rig.nodes)
        if self._cold.begin_frame(frame.number, anybody_powered=powered):
            text = f"{_DEAD_BUS}: no node has power; a cold start follows"
            self._recorder.record.note(frame.number, text)

    def may_wake(self, frame: int, name: str) -> bool:
        """Return whether a node that could have power again may; it waits for its turn else."""
        first = not self._cold.woken
        may = self._cold.may_wake(frame, name)
        if first and self._cold.woken:
            self._woken_at_us = self._rig.clock.now_us()
        return may

    def end(self, frame: FrameWork) -> None:
        """Take the verdict; record the cold start if it has ended."""
        verdict, cold = frame.verdict, self._cold
        if not cold.end_frame(verdict):
            return
        order = ", ".join(cold.woken)
        detail = f"commands again after {verdict.frame - cold.since} frames; woken: {order}"
        spent_us = self._rig.clock.now_us() - self._woken_at_us
        how = Repaired(True, detail, duration_wall_us=spent_us)
        self._recorder.repair(verdict.frame, cold.woken[0], COLD_START, _DEAD_BUS, how, ok=True)
