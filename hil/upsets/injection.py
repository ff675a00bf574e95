"""Injection: injecting planned upsets on the rig, and collecting the boards' reports of them.

Arms upsets on agents, adds noise to links, and arms damaged cells again after a board's restart.
Power cuts and the checkpoint watch have modules of their own. An upset counts as injected by what
the board read back, never by what was requested."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from hil.errors import SetupError
from hil.rig.link import LinkNoise
from hil.rig.node import DONE, EXCLUDED, EXCLUDED_RESULT, SILENT, Node, NodeResult
from hil.rig.receiver_lines import CopyFault, ReceiverLines
from hil.rig.rig import Rig
from hil.rig.timing_faults import NodeTiming, TimingFaults
from hil.scenario import (
    CHECKPOINT_TARGETS,
    BoardAction,
    LinkNoiseKind,
    PatternKind,
    Scenario,
    Sefi,
    UpsetTarget,
)
from hil.upsets.checkpoint_watch import CheckpointWatch
from hil.upsets.power_cuts import PowerCuts
from hil.upsets.upset import InjectionReport, Upset, UpsetPlan
from hil.upsets.words import UpsetState
from hil.wire.messages import Arm, Unwatched

__all__ = ["Injector", "arm_of", "hit_ram"]

_WATCHED: Final = frozenset(
    {
        UpsetTarget.STATE,
        UpsetTarget.INPUT,
        UpsetTarget.OUTPUT,
        UpsetTarget.STACK,
        UpsetTarget.HEAP,
        UpsetTarget.TEXT,
    }
)
"""The targets whose first access a board may report."""
_OF_THE_HOST: Final = frozenset({UpsetTarget.LINK, UpsetTarget.BOARD, UpsetTarget.TIMING})
_NOT_READ_BACK: Final = "not read back yet: its agent does not answer"


class Injector:
    """Injects the upsets of one run on one rig. Not thread-safe: the loop's thread owns it.

    `notes`: remarks for the record; `permanent`: damaged cells by node; `power`: the power cuts;
    `watch`: checkpoint upsets that have not been detected yet; `uncollected`: upsets that their
    board has not reported yet; `lines`: faults of single copies of replies; `timing`: those of
    whole nodes; `latch_up`: carries out latch-ups (the plant's coupling)."""

    def __init__(self, rig: Rig, scenario: Scenario, state_len: int) -> None:
        self._rig = rig
        self._by_name = rig.by_name
        self.permanent: dict[str, list[Arm]] = {node.name: [] for node in rig.nodes}
        self.uncollected: list[Upset] = []
        self._unreported: list[Upset] = []
        self._noises: dict[int, LinkNoise] = {}
        self._timers: dict[int, threading.Timer] = {}
        self._loads = {node.name: node.loads for node in rig.nodes}
        self._unwatched: set[str] = set()
        self.notes: list[str] = []
        self.power = PowerCuts(rig, self._note)
        self.watch = CheckpointWatch(rig, state_len, scenario.checkpoint_every)
        self.lines = ReceiverLines()
        self.timing = TimingFaults(scenario.frame_us)
        self.latch_up: Callable[[Upset], None] = _no_latch_up

    def _note(self, text: str) -> None:
        self.notes.append(text)

    def prepare(self, plan: UpsetPlan, *, in_service: bool) -> Upset:
        """Arm an upset for the next step, or inject it now if its target allows that.

        `in_service`: the node is not isolated; upsets of an isolated node are refused, except
        those of its power."""
        upset = Upset(plan)
        node = self._by_name[plan.node]
        if not in_service and plan.target is not UpsetTarget.BOARD:
            upset.refuse("the node is isolated, or boots")
        elif plan.target is UpsetTarget.LINK and plan.to:
            self._hit_copies(upset)
        elif plan.target is UpsetTarget.LINK:
            noise = LinkNoise(LinkNoiseKind(plan.kind), plan.direction, plan.bit)
            self._noises[plan.id] = noise
            node.link.noises.append(noise)
        elif plan.timing is not None:
            last = plan.lasts_frames
            self.timing.add(NodeTiming(plan.id, plan.node, plan.timing, plan.frame, last))
        elif plan.kind is BoardAction.LATCH_UP:
            self.latch_up(upset)
        elif plan.target is UpsetTarget.BOARD:
            self.power.cut(node, upset)
        elif plan.target is UpsetTarget.BOARD_RAM:
            self._hit_ram(node, upset)
        else:
            self._arm(node, upset)
        return upset

    def _hit_copies(self, upset: Upset) -> None:
        plan = upset.plan
        if self._rig.replies is None:
            upset.refuse("the rig has one voter, which gets one copy of each reply")
            return
        self.lines.add(
            CopyFault(
                plan.id,
                LinkNoiseKind(plan.kind),
                plan.node,
                frozenset(plan.to),
                plan.bit,
                plan.frame,
                plan.lasts_frames,
                plan.passes_on,
            )
        )

    def _arm(self, node: Node, upset: Upset) -> None:
        plan = upset.plan
        if silence := self._silence_of(node):
            upset.refuse(silence)
            return
        if plan.target in CHECKPOINT_TARGETS:
            self.watch.add(node, upset)
        arm = arm_of(plan)
        refused = self._rig.arm(node, arm)
        if refused is not None:
            upset.refuse(refused)
        elif plan.permanent:
            self.permanent[node.name].append(arm)
        elif plan.until_power_cycle:
            node.starts_after_power_cycle = True

    def _silence_of(self, node: Node) -> str | None:
        """Return why nothing is armed on a board that has not answered for a while, as in a run in
        real time before it counts as lost; None for any other. No frame waits for it."""
        since_us = node.link.unanswered_since_us
        if not since_us:
            return None
        silent_us = self._rig.clock.now_us() - since_us
        if silent_us < self._rig.requests.timing.retry_us:
            return None
        return f"the board has not answered for {silent_us / 1e6:.1f} s"

    def _hit_ram(self, node: Node, upset: Upset) -> None:
        """Change the board's memory now, or `us` after the step begins; `collect` waits for it."""
        if upset.plan.us is None:
            hit_ram(node, upset)
            return
        timer = threading.Timer(upset.plan.us / 1e6, hit_ram, (node, upset))
        timer.daemon = True
        timer.start()
        self._timers[upset.plan.id] = timer

    def collect(self, upsets: list[Upset], results: dict[str, NodeResult]) -> list[Upset]:
        """Collect the reports of the upsets of a frame, and of earlier ones whose board was late.

        Returns the upsets whose state is known now; the others stay `uncollected`."""
        collected: list[Upset] = []
        waiting, self.uncollected = self.uncollected + upsets, []
        for upset in waiting:
            self._collect(upset, results)
            armed = upset.state is UpsetState.ARMED
            (self.uncollected if armed else collected).append(upset)
        return collected

    def collect_late_reports(
        self, results: dict[str, NodeResult], *, at_end: bool = False
    ) -> list[Upset]:
        """Collect the reports of upsets that hit an agent, which then could not report them, as
        soon as their board answers again, possibly after a restart.

        An upset that the board does not know is `failed`; at the end of the run, so are all others.
        `results`: of the nodes that were stepped in this frame. Returns the upsets whose state is
        known now."""
        reported: list[Upset] = []
        waiting, self._unreported = self._unreported, []
        for upset in waiting:
            node = self._by_name[upset.plan.node]
            result = results.get(node.name, EXCLUDED_RESULT)
            answers = result.status not in (SILENT, EXCLUDED) and not result.rebooted
            if not (answers or at_end):
                self._unreported.append(upset)
                continue
            report = self._rig.report(node, upset.plan.id) if node.link.connected else None
            if report is None:
                upset.fail("the board could not be asked what it had hit")
            else:
                upset.apply(report)
            reported.append(upset)
        return reported

    def _collect(self, upset: Upset, results: dict[str, NodeResult]) -> None:
        """Collect the report of one upset. It stays `armed` if the board is late or a latch-up
        lasts."""
        plan = upset.plan
        node = self._by_name[plan.node]
        if timer := self._timers.pop(plan.id, None):
            timer.join()
        if upset.state is not UpsetState.ARMED or plan.kind is BoardAction.LATCH_UP:
            return
        result = results.get(plan.node, EXCLUDED_RESULT)
        if plan.target in _OF_THE_HOST:
            self._collect_from_host(node, upset, results)
            return
        if result.late:
            return
        if plan.kind is Sefi.RESET:
            if result.rebooted:
                upset.confirm()
            else:
                upset.miss()
            return
        report = self._rig.report(node, plan.id) if node.link.connected else None
        if report is not None:
            upset.apply(report)
            self._name_region(upset)
            self._ask_activation(node, upset)
        elif plan.target is UpsetTarget.AGENT:  # the upset may be why it does not answer
            upset.assume_injected(_NOT_READ_BACK)
            self._unreported.append(upset)
        else:
            upset.fail("the board fell silent before it reported")
        if not upset.injected:
            self.watch.drop(upset)

    def _collect_from_host(self, node: Node, upset: Upset, results: dict[str, NodeResult]) -> None:
        """Collect the report of an upset that the host carries out: of lines, power or timing."""
        result = results.get(node.name, EXCLUDED_RESULT)
        if upset.plan.target is UpsetTarget.LINK:
            self._collect_noise(node, upset, results)
        elif upset.plan.target is UpsetTarget.TIMING:
            self._collect_timing(upset, result)
        else:
            self.power.collect(node, upset, result)

    def _collect_timing(self, upset: Upset, result: NodeResult) -> None:
        """Report a timing fault as injected if its node was asked in its first frame."""
        if result.status == EXCLUDED:
            self.timing.drop(upset.plan.id)
            upset.miss()
            return
        upset.confirm()

    @property
    def limits_speed(self) -> bool:
        """Return whether slow nodes may be limited: no plant sets the speed of boards."""
        return self.latch_up is _no_latch_up

    def hits(self, node: str, frame: int) -> bool:
        """Return whether a lasting fault of the lines or the timing of a node acts also after
        `frame`."""
        return self.lines.hits(node, frame) or self.timing.hits(node, frame)

    def _name_region(self, upset: Upset) -> None:
        """Say in the report of a hit of a program's state which of its tensors that was."""
        loaded = self._rig.setup.loaded
        if loaded is None or upset.plan.target is not UpsetTarget.STATE or not upset.injected:
            return
        region = loaded.region_at(upset.report.bit // 8)
        if region is not None:
            upset.report = replace(upset.report, detail=region.place_of(upset.report.bit))

    def _ask_activation(self, node: Node, upset: Upset) -> None:
        """Ask the board what the worker did first with what the upset has changed, where boards can
        know that."""
        if not (upset.injected and upset.report.changed and upset.plan.target in _WATCHED):
            return
        report = self._rig.activation(node, upset.plan.id)
        if report is None:
            return
        upset.set_activation(report.activation)
        if report.reason is Unwatched.REFUSED and node.name not in self._unwatched:
            self._unwatched.add(node.name)
            self._note(f"node {node.name}: activation of upsets is not known: {report.reason}")

    def _collect_copies(self, upset: Upset, results: dict[str, NodeResult]) -> None:
        """Report what becomes of the first copies that a fault of lines hits. It is missed if there
        is no reply to hit in its first frame, or no receiver that votes."""
        plan, fault = upset.plan, self.lines.fault(upset.plan.id)
        sender = plan.passes_on or plan.node
        reply = (self._rig.replies or {}).get(sender)
        done = results.get(sender, EXCLUDED_RESULT).status == DONE
        if fault is None or reply is None or not done or not any(map(self.lines.receives, plan.to)):
            self.lines.drop(plan.id)
            upset.miss()
            return
        change = fault.change(reply, plan.frame & 0xFFFF)
        whose = "its reply" if plan.passes_on is None else f"the reply of {plan.passes_on}"
        upset.report = InjectionReport(
            UpsetState.INJECTED,
            f"{whose} to {' and '.join(plan.to)}",
            verified=True,
            changed=True,
            bit=change.position,
            space=change.space,
            before=change.before,
            after=change.after,
        )
        if plan.kind is not LinkNoiseKind.DUPLICATE:
            upset.assessment.detect(plan.frame)

    def _collect_noise(self, node: Node, upset: Upset, results: dict[str, NodeResult]) -> None:
        if upset.plan.to:
            self._collect_copies(upset, results)
            return
        noise = self._noises.pop(upset.plan.id)
        node.link.noises.remove(noise)
        if not noise.done:
            upset.miss()
            return
        upset.report = InjectionReport(
            UpsetState.INJECTED,
            verified=True,
            changed=True,
            bit=noise.position,
            space=noise.space,
            before=noise.before,
            after=noise.after,
        )
        # The protocol discards the second copy of a duplicated frame.
        if upset.plan.kind is not LinkNoiseKind.DUPLICATE:
            upset.assessment.detect(upset.plan.frame)

    def rearm_permanent(self, nodes: list[Node], frame: int) -> list[tuple[Node, Arm]]:
        """Arm the permanent upsets again on boards that have started again: a damaged cell stays
        damaged, but the new agent does not know it. Returns what was armed."""
        armed: list[tuple[Node, Arm]] = []
        for node in nodes:
            if node.loads == self._loads[node.name] or not node.link.connected:
                continue
            self._loads[node.name] = node.loads
            for arm in self.permanent[node.name]:
                again = _moved(arm, frame)
                if self._rig.arm(node, again) is None:
                    armed.append((node, again))
        return armed

    def arm_again(self, node: Node, arms: list[Arm]) -> None:
        """Arm the permanent upsets of a node on a new board that replaces its former one."""
        self._loads[node.name] = node.loads
        for arm in arms:
            self._rig.arm(node, arm)


def arm_of(plan: UpsetPlan) -> Arm:
    """Return the ARM request of a planned upset."""
    return Arm(
        id=plan.id,
        frame=plan.frame,
        target=str(plan.target),
        kind=str(plan.kind),
        tick=plan.tick,
        steps=plan.steps,
        us=plan.us,
        width=plan.width,
        bit=plan.bit,
        value=plan.value,
        hold_frames=plan.hold_frames,
        exact=plan.exact,
    )


def _no_latch_up(upset: Upset) -> None:
    upset.refuse("there is no plant to draw current from")


def hit_ram(node: Node, upset: Upset) -> None:
    """Change bits in the memory of an emulated board from outside, and set the upset's report.
    Thread-safe: a timer's thread may call it."""
    plan = upset.plan
    board = node.capabilities.ram
    if board is None:
        upset.refuse(f"it is a {node.board.kind} board")
        return
    try:
        hit = board.hit_ram(PatternKind(plan.kind), plan.bit, plan.width, plan.value, plan.part)
    except SetupError as error:
        upset.fail(error.message)
        return
    upset.report = InjectionReport(
        UpsetState.INJECTED,
        f"physical address {hit.address:#x}",
        verified=hit.verified,
        changed=hit.before != hit.after,
        at_us=plan.us or 0,
        bit=hit.bit,
        space=hit.space,
        before=hit.before,
        after=hit.after,
        boot=hit.boot,
    )


def _moved(arm: Arm, frame: int) -> Arm:
    return replace(arm, frame=frame, tick=0, steps=0, us=None)
