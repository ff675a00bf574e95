"""Rounds: one frame on all nodes, from its upsets to what the boards say of them.

Boards whose power is back -> prepare upsets -> golden step -> step all nodes -> explain who was
silent -> collect reports. What follows from it, `judgement` says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from hil.engine.chronicle import Chronicle
from hil.engine.healing import Healer
from hil.engine.judgement import FrameWork
from hil.engine.parts import Parts
from hil.outcome import Upset
from hil.recovery import NodeState
from hil.rig.calls import Timing
from hil.rig.node import SILENT, NodeResult

__all__ = ["Rounds"]

_LEAST_WAIT_US: Final = 1_000


class Rounds:
    """Of the run of `parts`. `stop` ends the wait for a frame's time."""

    def __init__(
        self, parts: Parts, chronicle: Chronicle, healer: Healer, stop: Callable[[], bool]
    ) -> None:
        self._parts = parts
        self._chronicle = chronicle
        self._healer = healer
        self._stop = stop
        self._unheard_us: dict[str, int] = {}  # how long a silent node was waited for, in all

    def run(self, number: int) -> FrameWork:
        """Run frame `number`, at its time; what came of it."""
        parts = self._parts
        late_us = parts.pacer.wait(self._stop)
        if late_us:
            self._chronicle.slip(number, None, late_us, "the frame began late")
        self._healer.bring_back(number)
        frame = FrameWork(number, self._prepare(number))
        parts.golden.step()
        asked = [parts.by_name[name] for name in parts.recovery.in_service]
        asked_us = parts.rig.clock.now_us()
        frame.results = parts.rig.step(asked, number, parts.golden.input, self._timing())
        if any(r.status == SILENT for r in frame.results.values()):
            self._explain_silence(frame.results, parts.rig.clock.now_us() - asked_us)
        else:
            self.forget_silence()  # it counts from when it begins, not from the last one
        for upset in parts.delivery.collect(frame.upsets, frame.results):
            parts.classifier.injected(upset)
            parts.holdings.hit(upset)
        return frame

    def forget_silence(self) -> None:
        """From now on all nodes count as heard."""
        for name in self._unheard_us:
            self._parts.by_name[name].link.unheard_from_us = 0
        self._unheard_us.clear()

    def _prepare(self, number: int) -> list[Upset]:
        parts = self._parts
        upsets: list[Upset] = []
        for nominal in parts.injector.due(parts.nominal(number), parts.settled):
            plan = nominal._replace(frame=number)
            in_service = parts.recovery.state(plan.node) is not NodeState.ISOLATED
            upsets.append(parts.delivery.prepare(plan, in_service=in_service))
        return upsets

    def _timing(self) -> Timing | None:
        """In a paced run the frame's end is the deadline (with a moment for what is on its way),
        but for boards whose time is virtual."""
        parts = self._parts
        if not parts.deadlines:
            return None
        left_us = max(_LEAST_WAIT_US, parts.pacer.left_us())
        patience_us = min(left_us, parts.rig.timing.lost_after_us)
        return Timing(parts.rig.timing.retry_us, patience_us, noise_patience=1)

    def _explain_silence(self, results: dict[str, NodeResult], waited_us: int) -> None:
        """Say what the board's process came to, where the link alone cannot know; and in a paced
        run, what is only late. Only time in which a node was waited for is silence of its own:
        while the host repaired or hit another one nobody asked it."""
        parts = self._parts
        for name, result in results.items():
            if result.status != SILENT:
                self._unheard_us.pop(name, None)
                continue
            lost = result.disconnected
            told = parts.by_name[name].board.condition(disconnected=lost)
            silent_us = self._unheard_us[name] = self._unheard_us.get(name, 0) + waited_us
            late = parts.deadlines and not lost and silent_us < parts.rig.timing.lost_after_us
            results[name] = result._replace(
                reason=told or result.reason, ended=lost and told is not None, late=late
            )
