"""The exchange stage: one frame on all nodes, from its upsets to what the boards say of them.

Boards whose power is back -> prepare upsets -> golden step -> step all nodes -> explain who was
silent -> collect reports. What follows from it, `hil.engine.verdict` decides."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from typing import Final

from hil.engine.frame_work import FrameWork
from hil.engine.lateness import Lateness
from hil.engine.parts import Parts
from hil.engine.recorder import RunRecorder
from hil.engine.repair_scheduler import RepairScheduler
from hil.redundancy.recovery import NodeState
from hil.rig.calls import Timing
from hil.rig.node import DONE, SILENT, Node, NodeResult
from hil.rig.program import PREFIX
from hil.upsets.upset import Upset

__all__ = ["ExchangeStage"]

_LEAST_WAIT_US: Final = 1_000


class ExchangeStage:
    """The first stage of each frame of the run of `parts`: the exchange with the nodes. `stop` ends
    the wait for a frame's time."""

    def __init__(
        self,
        parts: Parts,
        recorder: RunRecorder,
        scheduler: RepairScheduler,
        stop: Callable[[], bool],
    ) -> None:
        self._parts = parts
        self._recorder = recorder
        self._scheduler = scheduler
        self._stop = stop
        self._unheard_us: dict[str, int] = {}  # how long a silent node was waited for, in all
        self._lateness = Lateness(parts.rig.clock)
        self.late: frozenset[str] = frozenset()
        """Who was not heard in the last frame, but might have been later."""

    def calibrated(self, round_trip_us_worst: int) -> None:
        """The slowest round trip of fault-free steps [us]."""
        self._lateness.calibrated(round_trip_us_worst)

    def exchange(self, frame: FrameWork) -> None:
        """Run a frame on all nodes, at its time; take what each returns and reports of upsets."""
        parts, number = self._parts, frame.number
        late_us = parts.pacer.wait(self._stop)
        if late_us:
            self._recorder.slip(number, None, late_us, "the frame began late")
        self._scheduler.bring_back(number)
        frame.upsets = self._prepare(number)
        parts.golden.step()
        asked = [parts.by_name[name] for name in parts.recovery.in_service]
        self._forget_silence_of_others(asked, self._scheduler.take_answered())
        timing = self._timing()
        if parts.deadlines:
            self._lateness.begin(asked)
        asked_us = parts.rig.clock.now_us()
        results = frame.results = parts.rig.step(asked, number, parts.golden.input, timing)
        elapsed_us = parts.rig.clock.now_us() - asked_us
        self._check_counts(results)
        missing = any(r.status == SILENT or r.out_of_step for r in results.values())
        kept_us = parts.rig.kept_from_looking_us
        own_times = dict.fromkeys(results, elapsed_us)
        if missing and parts.deadlines:
            own_times = self._lateness.own_times(asked, elapsed_us, kept_us)
        if any(r.status == SILENT for r in results.values()):
            self._explain_silence(results, max(0, elapsed_us - kept_us))
        else:
            self._hear_again()  # silence counts from when it begins, not from the last one
        if parts.deadlines:
            self._lateness.judge(results, own_times)
        self.late = frozenset(n for n, r in results.items() if r.status == SILENT and r.late)
        for upset in parts.injector.collect_late_reports(frame.results):
            parts.classifier.on_late_report(upset)
        for upset in parts.injector.collect(frame.upsets, frame.results):
            parts.classifier.add(upset)
            parts.hidden_state.hit(upset)
        self._recorder.delivery_notes(number)

    def _check_counts(self, results: dict[str, NodeResult]) -> None:
        """A worker that computes right, but with another number of progress ticks, is damaged: it
        would never come to the tick of a later upset. Programs count as they like."""
        workload = self._parts.golden.workload
        if workload.name.startswith(PREFIX):
            return
        for name, result in results.items():
            if result.status == DONE and result.ticks != workload.ticks:
                results[name] = result._replace(
                    miscounted=True,
                    reason=f"the worker lost count of its progress: {result.ticks} ticks, "
                    f"where a step has {workload.ticks}",
                )

    def forget_silence(self) -> None:
        """From now on all nodes count as heard."""
        self._hear_again()
        self._lateness.forget()

    def _forget_silence_of_others(self, asked: Sequence[Node], answered: AbstractSet[str]) -> None:
        """Only of who is asked again, and has `answered` nothing since, silence goes on."""
        names = {node.name for node in asked} - answered
        for name in [n for n in self._unheard_us if n not in names]:
            self._parts.by_name[name].link.unanswered_since_us = 0
            del self._unheard_us[name]
        self._lateness.forget_all_but(names)

    def _hear_again(self) -> None:
        for name in self._unheard_us:
            self._parts.by_name[name].link.unanswered_since_us = 0
        self._unheard_us.clear()

    def _prepare(self, number: int) -> list[Upset]:
        parts = self._parts
        upsets: list[Upset] = []
        for nominal in parts.planner.due(parts.nominal(number), parts.settled):
            plan = nominal._replace(frame=number)
            in_service = parts.recovery.state(plan.node) is not NodeState.ISOLATED
            upsets.append(parts.injector.prepare(plan, in_service=in_service))
        return upsets

    def _timing(self) -> Timing | None:
        """In a paced run the frame's end is the deadline (with a moment for what is on its way),
        but for boards whose time is virtual."""
        parts = self._parts
        if not parts.deadlines:
            return None
        left_us = max(_LEAST_WAIT_US, parts.pacer.left_us())
        patience_us = min(left_us, parts.rig.requests.timing.lost_after_us)
        timing = parts.rig.requests.timing
        return Timing(timing.retry_us, patience_us, noise_patience=1, busy_us=timing.lost_after_us)

    def _explain_silence(self, results: dict[str, NodeResult], answered_us: int) -> None:
        """Say what the board's process came to, where the link alone cannot know; and in a paced
        run, what is only late. Only time in which a node was waited for is silence of its own:
        while the host repaired or hit another one nobody asked it, and `answered_us`
        is what the host really listened for."""
        parts = self._parts
        for name, result in results.items():
            if result.status != SILENT:
                self._unheard_us.pop(name, None)
                continue
            lost = result.disconnected
            told = parts.by_name[name].board.condition(disconnected=lost)
            silent_us = self._unheard_us.get(name, 0) + answered_us
            self._unheard_us[name] = silent_us
            late = (
                parts.deadlines and not lost and silent_us < parts.rig.requests.timing.lost_after_us
            )
            results[name] = result._replace(
                reason=told or result.reason, ended=lost and told is not None, late=late
            )
