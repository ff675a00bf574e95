"""The repeat stage: the further executions of a step, of a scheme with time redundancy.

    first execution (exchange stage) -> [restore the checkpoint -> arm upsets -> execute the step]..
    -> compare (hil.redundancy.time_redundancy) -> bring back the agreed state, if the last
    execution was the wrong one

The state before the step comes from the checkpoint in the node's own memory; if the board refuses
that as damaged, the rollback of `hil.redundancy.rollback` goes back further. A worker that died in
an execution is started again for the next. Upsets are planned for one execution each, and are armed
before it, after the checkpoint was restored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from hil.engine.exchange_stage import ExchangeStage
from hil.engine.frame_work import FrameWork
from hil.engine.metrics import Metrics
from hil.engine.part_groups import RedundancyParts, UpsetParts, is_settled
from hil.engine.repair_executor import Repaired
from hil.engine.run_recorder import RunRecorder
from hil.kernel import Golden
from hil.redundancy.recovery import NodeState
from hil.redundancy.time_redundancy import confirmed, wants_another
from hil.redundancy.voting import Ballot
from hil.rig.node import ABSENT, DONE, EXCLUDED_RESULT, Node, NodeResult, can_go_back
from hil.rig.rig import Rig
from hil.upsets.upset import Upset

__all__ = ["RepeatStage"]

_SETTLING_MAX: Final = 2
"""The most executions that bring back the agreed state."""


@dataclass(slots=True)
class _Step:
    """The executions of one step so far: their `results`; `classified`: an upset or a deviation
    makes the frame one whose effects are classified; `stopped`: the node could not go back."""

    results: list[NodeResult]
    classified: bool = False
    stopped: bool = False

    @property
    def last(self) -> NodeResult:
        return self.results[-1]

    @property
    def ballots(self) -> list[Ballot]:
        return [_ballot(result) for result in self.results]

    @property
    def can_repeat(self) -> bool:
        return not self.stopped and can_go_back(self.last)


class RepeatStage:
    """Executes each step as often as the scheme says, on the only node. Not thread-safe."""

    def __init__(
        self,
        rig: Rig,
        golden: Golden,
        redundancy: RedundancyParts,
        upsets: UpsetParts,
        *,
        metrics: Metrics,
        recorder: RunRecorder,
        exchange: ExchangeStage,
    ) -> None:
        self._rig = rig
        self._golden = golden
        self._planned = redundancy.scheme.executions
        self._recovery = redundancy.recovery
        self._rollback = redundancy.rollback
        self._upsets = upsets
        self._metrics = metrics
        self._recorder = recorder
        self._exchange = exchange

    def repeat(self, frame: FrameWork) -> None:
        """Execute the step again after its first execution; store the result on which the
        executions agree, or the last one if they do not."""
        node = self._rig.nodes[0]
        step = _Step([frame.results.get(node.name, EXCLUDED_RESULT)])
        if step.last is not EXCLUDED_RESULT:
            self._classify(frame, node, step)
            while step.can_repeat and wants_another(step.ballots, self._planned):
                self._execute(frame, node, step)
        self._refuse_later(frame)
        agreed = confirmed(step.ballots)
        if agreed is not None:
            self._bring_back(frame, node, step, agreed)
        frame.confirmed = agreed is not None and _ballot(step.last) == agreed
        frame.disagreed = len(set(step.ballots)) > 1
        frame.repeated = step.classified
        if step.last is not EXCLUDED_RESULT:
            frame.results[node.name] = _summed(step.results)
        if step.classified:
            frame.executions = [[result] for result in step.results]
        self._metrics.executions += len(step.results)
        self._metrics.executions_disagreed += frame.disagreed

    def _execute(self, frame: FrameWork, node: Node, step: _Step) -> None:
        """Execute the step once more, from the state before it."""
        upsets: list[Upset] = []

        def arm() -> None:
            upsets.extend(self._arm(frame, len(step.results) + 1))

        damaged = step.last.miscounted  # it would do the same to the next execution
        restarts = damaged or step.last.status != DONE
        before = {node.name: step.last}
        began_us = self._rig.clock.now_us()
        back = self._rollback.roll_back(
            [node], before, frame.number, restart=damaged, before_last=arm
        )
        result = back.results.get(node.name)
        if result is None:
            step.stopped = True
            result = NodeResult(ABSENT, reason=back.failure or "it could not go back")
        results = {node.name: result}
        self._upsets.hidden_state.rearm_permanent(self._upsets.injector, [node], frame.number + 1)
        self._exchange.explain_again(results, began_us)
        frame.upsets += upsets
        self._exchange.collect(frame.number, upsets, results)
        step.results.append(results[node.name])
        if restarts and back.restarted:
            spent_us = self._rig.clock.now_us() - began_us
            how = Repaired(not back.failure, back.detail, duration_wall_us=spent_us)
            self._recorder.repair(
                frame.number, node.name, "rollback", "an execution failed", how, ok=how.ok
            )
            self._metrics.rollbacks += 1
            self._metrics.recoveries += how.ok
            boots = node.capabilities.boots
            self._upsets.classifier.on_repaired(frame.number, node.name, NodeState.RESTART, boots)
        self._classify(frame, node, step)

    def _arm(self, frame: FrameWork, execution: int) -> list[Upset]:
        """Arm the upsets of one execution, and return them."""
        due = [plan for plan in frame.later if plan.execution == execution]
        frame.later = [plan for plan in frame.later if plan.execution != execution]
        return [self._upsets.injector.prepare(plan, in_service=True) for plan in due]

    def _refuse_later(self, frame: FrameWork) -> None:
        """Refuse the upsets of executions that did not take place."""
        for plan in frame.later:
            upset = Upset(plan)
            upset.refuse(f"the step had no execution {plan.execution}")
            frame.upsets.append(upset)
            self._upsets.classifier.add(upset)
        frame.later = []

    def _bring_back(self, frame: FrameWork, node: Node, step: _Step, agreed: Ballot) -> None:
        """Execute the step again until the node has the agreed state."""
        for _ in range(_SETTLING_MAX):
            if _ballot(step.last) == agreed or not step.can_repeat:
                return
            self._execute(frame, node, step)

    def _classify(self, frame: FrameWork, node: Node, step: _Step) -> None:
        """Classify the effects that the last execution shows, where there may be any."""
        golden = (self._golden.output_digest, self._golden.state_digest)
        result = step.last
        if not step.classified and not frame.upsets and is_settled(self._recovery, self._upsets):
            plain = result.status == DONE and not result.miscounted
            if plain and (result.output_digest, result.state_digest) == golden:
                return
        again, step.classified = step.classified, True
        self._upsets.classifier.classify_nodes(
            frame.number, {node.name: result}, golden, again=again
        )


def _ballot(result: NodeResult) -> Ballot:
    return Ballot(result.status, result.signal, result.output_digest, result.state_digest)


def _summed(results: list[NodeResult]) -> NodeResult:
    """Return the last result, with the time of all executions."""
    return results[-1]._replace(
        step_us=sum(result.step_us for result in results),
        cpu_us=sum(result.cpu_us for result in results),
    )
