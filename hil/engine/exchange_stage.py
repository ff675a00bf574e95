"""The exchange stage: one frame on all nodes, from arming its upsets to collecting their reports.

Take in boards that are back -> prepare upsets -> golden step -> step all nodes -> explain why nodes
are silent -> collect reports. The verdict stage (`hil.engine.verdict`) evaluates the results."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Final

from hil.engine.catch_up import CatchUp
from hil.engine.frame_work import FrameWork
from hil.engine.lateness import Lateness
from hil.engine.part_groups import FrameTimes, UpsetParts, is_settled
from hil.engine.repair_scheduler import RepairScheduler
from hil.engine.run_recorder import RunRecorder
from hil.errors import LinkTimeout, NodeError
from hil.kernel import Golden
from hil.redundancy.recovery import NodeState, RecoveryMachine
from hil.rig.calls import Timing
from hil.rig.node import CRASHED, DONE, HUNG, SILENT, Node, NodeResult
from hil.rig.program import PREFIX
from hil.rig.rig import Rig
from hil.upsets.upset import Upset
from hil.wire.messages import Limits

__all__ = ["ExchangeStage"]

_Step = Callable[[Sequence[Node], int, bytes, Timing | None], dict[str, NodeResult]]

_LEAST_WAIT_US: Final = 1_000
_INSTRUCTION_US: Final = 500
"""The longest that a board takes for one instruction when it stops its worker behind each [us]:
some 3 on an idle computer, 30 in a virtual machine, and ten times that where both wait for a
processor each time."""
_CAUSE_US: Final = 2_000_000
"""A line of its console explains why a node fell silent, or started again, if the node answered at
most for so long after it [us]."""


class ExchangeStage:
    """Exchanges requests and answers of each frame with the nodes of `rig`. When `stop` returns
    true, it does not wait for the time of a frame any longer. Not thread-safe."""

    def __init__(
        self,
        rig: Rig,
        golden: Golden,
        recovery: RecoveryMachine,
        upsets: UpsetParts,
        times: FrameTimes,
        *,
        recorder: RunRecorder,
        scheduler: RepairScheduler,
        stop: Callable[[], bool],
    ) -> None:
        self._rig = rig
        self._golden = golden
        self._recovery = recovery
        self._upsets = upsets
        self._times = times
        self._recorder = recorder
        self._scheduler = scheduler
        self._stop = stop
        self._unheard_us: dict[str, int] = {}  # how long a silent node was waited for, in all
        self._lateness = Lateness(rig.clock)
        self._catch_up = CatchUp(rig, golden)
        workload = golden.workload  # user programs count as they like
        self._ticks = None if workload.name.startswith(PREFIX) else workload.ticks
        self._own_ticks = _own_ticks(rig, golden)
        self._step: _Step = rig.step
        self._slowed: dict[str, tuple[int | None, float]] = {}  # boot and factor of its last limit
        self._late_us: Mapping[str, int] = {}  # by timing faults, how long after the frame's end
        self.late: frozenset[str] = frozenset()
        """The nodes that had not answered at the end of the last frame but could still answer."""

    def calibrated(self, round_trip_us_worst: int) -> None:
        """Set the slowest round trip of fault-free steps [us]."""
        self._lateness.calibrated(round_trip_us_worst)

    def begin(self, frame: FrameWork) -> None:
        """Wait until a frame is due."""
        late_us = self._times.pacer.wait(self._stop)
        if late_us:
            self._recorder.slip(frame.number, None, late_us, "the frame began late")

    def exchange(self, frame: FrameWork) -> None:
        """Run a frame on all nodes; store their results and the reports of upsets in `frame`."""
        rig, number, deadlines = self._rig, frame.number, self._times.deadlines
        frame.upsets = self._prepare(frame)
        self._golden.step()
        asked = [rig.by_name[name] for name in self._recovery.in_service]
        self._forget_silence_of_others(asked, self._scheduler.take_answered())
        timing = self._timing() if deadlines else self._patience(frame.upsets)
        if deadlines:
            self._lateness.begin(asked)
        asked_us = rig.clock.now_us()
        results = frame.results = self._step(asked, number, self._golden.input, timing)
        elapsed_us = rig.clock.now_us() - asked_us
        frame.late_by_fault = frozenset(self._late_us)
        if self._all_done(results):
            self.forget_silence()  # a later silence begins at zero
            self.late = frozenset()
        else:
            self._explain(number, results, asked, asked_us, elapsed_us)
        for node in rig.nodes:
            if node.has_news:
                node.note_signs()  # before what follows from them
        self.collect(number, frame.upsets, frame.results)

    def collect(self, number: int, upsets: list[Upset], results: dict[str, NodeResult]) -> None:
        """Collect the boards' reports of the `upsets` of an execution of frame `number`, and of
        earlier ones."""
        for upset in self._upsets.injector.collect_late_reports(results):
            self._upsets.classifier.on_late_report(upset)
        for upset in self._upsets.injector.collect(upsets, results):
            self._upsets.classifier.add(upset)
            self._upsets.hidden_state.hit(upset)
        self._recorder.delivery_notes(number)

    def explain_again(self, results: dict[str, NodeResult], asked_us: int) -> None:
        """Add to the results of a further execution, asked for at `asked_us`, what is known of
        nodes that have not done the step."""
        if self._all_done(results):
            return
        self._check_counts(results)
        if self._rig.setup.is_program:
            self._explain_programs(results)
        self._explain_reboots(results, asked_us)

    def _all_done(self, results: Mapping[str, NodeResult]) -> bool:
        """Return whether all nodes have done the step, as nearly always: there is nothing to
        explain."""
        ticks = self._ticks
        if self._own_ticks:
            own = self._own_ticks
            return all(r.status == DONE and r.ticks == own[n] for n, r in results.items())
        for result in results.values():
            if result.status != DONE or (result.ticks != ticks and ticks is not None):
                return False
        return True

    def _explain(
        self,
        number: int,
        results: dict[str, NodeResult],
        asked: Sequence[Node],
        asked_us: int,
        elapsed_us: int,
    ) -> None:
        """Add to the results of frame `number` what is known of nodes that have not done the step;
        those that are behind catch up. The nodes `asked` were asked at `asked_us`, and waited for
        `elapsed_us` in all [us]."""
        rig, deadlines = self._rig, self._times.deadlines
        self._check_counts(results)
        if self._rig.setup.is_program:
            self._explain_programs(results)
        missing = any(r.status == SILENT or r.out_of_step for r in results.values())
        kept_us = rig.kept_from_looking_us
        own_times = dict.fromkeys(results, elapsed_us)
        if missing and deadlines:
            own_times = self._lateness.own_times(asked, elapsed_us, kept_us)
        if any(r.status == SILENT for r in results.values()):
            self._explain_silence(results, max(0, elapsed_us - kept_us))
        else:
            self._reset_silence()
        self._explain_reboots(results, asked_us)
        if deadlines:
            dark = {node.name for node in asked if not node.powered}
            judged = {n: r for n, r in results.items() if n not in self._late_us}
            self._lateness.judge(judged, own_times, dark)
            results |= judged
            self._catch_up.note(number, results)
            self._catch_up.run(number, results, self._times.pacer.left_us())
        self.late = frozenset(n for n, r in results.items() if r.status == SILENT and r.late)

    def _check_counts(self, results: dict[str, NodeResult]) -> None:
        """Mark workers whose result has a wrong number of progress ticks: they are damaged, and
        would never reach the tick of a later upset. User programs count as they like."""
        for name, result in results.items():
            ticks = self._own_ticks.get(name, self._ticks)
            if result.status == DONE and result.ticks != ticks and ticks is not None:
                results[name] = result._replace(
                    miscounted=True,
                    reason=f"the worker lost count of its progress: {result.ticks} ticks, "
                    f"where a step has {ticks}",
                )

    def _explain_programs(self, results: dict[str, NodeResult]) -> None:
        """Add to the results how the programs that are the nodes' workers ended."""
        for name, result in results.items():
            if result.status in (CRASHED, HUNG):
                node = self._rig.by_name[name]
                why = self._rig.setup.why_failed(node, result.reason)
                results[name] = result._replace(reason=why)

    def forget_silence(self) -> None:
        """Count all nodes as having answered, from now on."""
        self._reset_silence()
        self._lateness.forget()
        self._catch_up.forget_all_but()

    def _forget_silence_of_others(self, asked: Sequence[Node], answered: AbstractSet[str]) -> None:
        """End the silence of all nodes but those that are asked again and have not `answered`
        anything else meanwhile."""
        if not self._unheard_us and not self._lateness.charges_any:
            return
        names = {node.name for node in asked} - answered
        for name in [n for n in self._unheard_us if n not in names]:
            self._rig.by_name[name].link.unanswered_since_us = 0
            del self._unheard_us[name]
        self._lateness.forget_all_but(names)
        self._catch_up.forget_all_but(names)

    def _reset_silence(self) -> None:
        for name in self._unheard_us:
            self._rig.by_name[name].link.unanswered_since_us = 0
        self._unheard_us.clear()

    def _prepare(self, frame: FrameWork) -> list[Upset]:
        """Arm or inject the upsets that are due in a frame; return them. Those of later executions
        of its step are only noted in `frame`."""
        upsets: list[Upset] = []
        number = frame.number
        settled = is_settled(self._recovery, self._upsets) and not self._upsets.classifier.waiting
        for nominal in self._upsets.planner.due(self._times.nominal(number), settled):
            plan = nominal._replace(frame=number)
            if plan.execution > 1:
                frame.later.append(plan)
                continue
            in_service = self._recovery.state(plan.node) is not NodeState.ISOLATED
            upsets.append(self._upsets.injector.prepare(plan, in_service=in_service))
            if plan.timing is not None:
                self._step = self._step_with_timing_faults
        return upsets

    def _step_with_timing_faults(
        self, nodes: Sequence[Node], frame: int, input_: bytes, timing: Timing | None = None
    ) -> dict[str, NodeResult]:
        """Run one frame as `Rig.step` does, with the timing faults of nodes: skewed ones get the
        input of another frame, and answers after the end of the frame are set aside."""
        faults, rig = self._upsets.injector.timing, self._rig
        self._late_us = {}
        acts = faults.begin(frame)
        self._slow_down(nodes, frame)
        if not acts:
            self._step = rig.step
            return rig.step(nodes, frame, input_, timing)
        groups: dict[int, list[Node]] = {}
        for node in nodes:
            groups.setdefault(faults.frames_before(node.name, frame), []).append(node)
        by_name: dict[str, NodeResult] = {}
        for before, group in groups.items():
            taken = self._golden.input_of(frame - before) if before else input_
            by_name |= rig.step(group, frame, taken, timing)
        results = {node.name: by_name[node.name] for node in nodes if node.name in by_name}
        late_us = faults.late(frame, {node.name: node.workers for node in nodes})
        self._late_us = {n: us for n, us in late_us.items() if _answered(results.get(n))}
        for name, after_us in self._late_us.items():
            why = f"its answer came {after_us / 1000:.3g} ms after the end of the frame"
            results[name] = NodeResult(SILENT, reason=why, late=True)
        return results

    def _slow_down(self, nodes: Sequence[Node], frame: int) -> None:
        """Leave slow nodes their share of their speed, and others all of it. An agent that has
        started again has no limit; a plant sets the speed of boards itself."""
        faults = self._upsets.injector.timing
        for node in nodes if self._upsets.injector.limits_speed else ():
            factor = faults.slow_by(node.name, frame)
            wanted = (node.link.boot_id, factor)
            if self._slowed.get(node.name, (node.link.boot_id, 1.0)) == wanted:
                continue
            self._slowed[node.name] = wanted
            with contextlib.suppress(LinkTimeout, NodeError):  # a node that fails shows in its step
                self._rig.limit(node, Limits(duty_permille=max(1, round(1000 / factor))))

    def _patience(self, upsets: Sequence[Upset]) -> Timing | None:
        """Return the timing of a frame without a deadline; None: the rig's own. A board whose
        worker executes instructions one by one, up to an upset, answers nothing meanwhile."""
        steps = max((upset.plan.steps for upset in upsets), default=0)
        if not steps:
            return None
        timing = self._rig.requests.timing
        return replace(timing, lost_after_us=timing.lost_after_us + steps * _INSTRUCTION_US)

    def _timing(self) -> Timing:
        """Return the timing with the end of the frame as deadline, with at least `_LEAST_WAIT_US`
        for answers that are on the way."""
        left_us = max(_LEAST_WAIT_US, self._times.pacer.left_us())
        patience_us = min(left_us, self._rig.requests.timing.lost_after_us)
        timing = self._rig.requests.timing
        return Timing(timing.retry_us, patience_us, noise_patience=1, busy_us=timing.lost_after_us)

    def _explain_silence(self, results: dict[str, NodeResult], listened_us: int) -> None:
        """Add to silent results what is known of the board's process; in real time, also mark
        those that are only late.

        A node is silent only while the host listens to it, `listened_us` in this frame: not while
        the host repairs another node or injects an upset into it."""
        deadlines, lost_after_us = self._times.deadlines, self._rig.requests.timing.lost_after_us
        for name, result in results.items():
            if result.status != SILENT:
                self._unheard_us.pop(name, None)
                continue
            if name in self._late_us:  # in simulated time
                silent_us = self._unheard_us.get(name, 0) + self._times.frame_us
                self._unheard_us[name] = silent_us
                results[name] = result._replace(late=silent_us < lost_after_us)
                continue
            lost = result.disconnected
            node = self._rig.by_name[name]
            condition = node.board.condition(disconnected=lost)
            silent_us = self._unheard_us.get(name, 0) + listened_us
            self._unheard_us[name] = silent_us
            late = deadlines and not lost and silent_us < lost_after_us
            why_off, ended = self._rig.power.why_off(name), lost and condition is not None
            cause = None if ended else node.console.cause(self._fell_silent_us(node) - _CAUSE_US)
            node.link.silence = cause or node.link.silence
            results[name] = result._replace(
                reason=why_off or cause or condition or result.reason,
                ended=ended,
                late=late,
                supply_cut=bool(why_off),
            )

    def _fell_silent_us(self, node: Node) -> int:
        """Return when a node that does not answer fell silent, on the host's clock."""
        return node.link.unanswered_since_us or self._rig.clock.now_us()

    def _explain_reboots(self, results: dict[str, NodeResult], asked_us: int) -> None:
        """Add to the results of boards that have started again what their consoles say of it.
        `asked_us`: when they were asked to step."""
        for name, result in results.items():
            if not result.rebooted:
                continue
            console = self._rig.by_name[name].console
            cause = console.cause(asked_us - _CAUSE_US)
            console.forget_causes()
            if cause is not None:
                results[name] = result._replace(reason=f"{cause}; {result.reason}")


def _answered(result: NodeResult | None) -> bool:
    return result is not None and result.status != SILENT and not result.rebooted


def _own_ticks(rig: Rig, golden: Golden) -> dict[str, int]:
    """Return the ticks of a step of each node, by name, if they are not the same for all."""
    own = {node.name: golden.of(node.index).workload.ticks for node in rig.nodes}
    return own if len(set(own.values())) > 1 else {}
