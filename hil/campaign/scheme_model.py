"""The scheme of a rig without its boards: what the real voter, recovery and classification make of
the answers of one node while all others are right.

It has the order of `hil.engine.verdict`: vote -> (roll back, vote again) -> effects and outcomes ->
recovery orders repairs -> repairs -> settle. What boards do is modelled: a repair succeeds, and a
rollback computes right results, because an upset strikes once. `hil.campaign.scheme_runs` confirms
that on real runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from hil.errors import ConfigError, KernelError, Problem
from hil.redundancy.electorate import Electorate, Scheme, is_alone
from hil.redundancy.observation import observation
from hil.redundancy.recovery import (
    RUNGS,
    Action,
    NodeState,
    Policy,
    RecoveryMachine,
)
from hil.redundancy.schemes import scheme_of
from hil.redundancy.voting import Ballot, Verdict, Voter, vote
from hil.rig.node import ABSENT, CRASHED, DONE, EXCLUDED_RESULT, HUNG, NodeResult
from hil.scenario import PatternKind, Scenario, UpsetTarget
from hil.upsets.outcome import UpsetClassifier
from hil.upsets.upset import InjectionReport, Upset, UpsetPlan
from hil.upsets.words import NodeEffect, SystemOutcome, UpsetState

__all__ = [
    "GOLDEN",
    "NodeFault",
    "SchemeModel",
    "SchemeResult",
    "WrongAnswer",
    "scheme_parts",
    "with_repairs",
]

_OUTPUT: Final = 0x60_1DE0
_STATE: Final = 0x60_1DE5
_OTHER: Final = 0xBAD
GOLDEN: Final = NodeResult(DONE, 0, _OUTPUT, _STATE)
"""The right answer."""
_BEGINNING: Final = 100
"""The frame of the upset; all before it were right."""


@dataclass(frozen=True, slots=True)
class WrongAnswer:
    """The answer of one step: `status` and `signal` as in NodeResult; whether its output and state
    are right, and the number of its progress ticks."""

    status: int = DONE
    signal: int = 0
    output_right: bool = True
    state_right: bool = True
    ticks_right: bool = True

    @property
    def result(self) -> NodeResult:
        """Return what the host receives."""
        if self.status != DONE:
            return NodeResult(self.status, self.signal)
        return NodeResult(
            DONE,
            0,
            _OUTPUT if self.output_right else _OTHER,
            _STATE if self.state_right else _OTHER,
            miscounted=not self.ticks_right,
        )


@dataclass(frozen=True, slots=True)
class NodeFault:
    """The answers of a node after an upset, as long as it is not repaired: to the step that was
    hit, and to those that follow, after which it answers right.

    `in_state`: what follows comes from the state, which a resync puts right; otherwise from what
    else a worker keeps, which only another worker puts right. `unsettled`: it is not known what
    follows after these answers. `target`: what was hit."""

    target: UpsetTarget
    answers: tuple[WrongAnswer, ...]
    in_state: bool = False
    unsettled: bool = False


@dataclass(frozen=True, slots=True)
class SchemeResult:
    """The fate of one upset in the scheme: the effect and outcome that a run reports; how many
    wrong outputs left the system, and how many frames had none; whether in the end all nodes vote
    again with the right state. `shown`: what recovery did, in whichever frame: nothing, resyncs, or
    more; a run attributes what shows late to no upset. `host_failed`: the voter on the host
    stopped."""

    effect: NodeEffect
    outcome: SystemOutcome
    escaped: int
    lost: int
    restored: bool
    shown: SystemOutcome = SystemOutcome.NO_EFFECT
    host_failed: bool = False

    @property
    def worst(self) -> SystemOutcome:
        """Return the worse one of `outcome` and `shown`."""
        return with_repairs(self.outcome, self.shown)


_BY_REPAIR: Final = (SystemOutcome.NO_EFFECT, SystemOutcome.CORRECTED, SystemOutcome.RECOVERED)


def with_repairs(outcome: SystemOutcome, shown: SystemOutcome) -> SystemOutcome:
    """Return the outcome of an upset, as it is after repairs of which the worst is `shown`."""
    if outcome not in _BY_REPAIR:
        return outcome
    return max(outcome, shown, key=_BY_REPAIR.index)


def scheme_parts(scenario: Scenario) -> tuple[Scheme, Policy]:
    """Return the scheme and the recovery policy of a scenario, as a run has them. Raises:
    ConfigError for a voter by value: answers are right or wrong here, and have no values."""
    if not scenario.rig.voter.is_exact:
        what = (
            f"the voter `{scenario.rig.voter.kind}` decides by values, which are not modelled here"
        )
        raise ConfigError(
            [Problem("", 0, 0, "$.rig.voter", what, "use `exact`, or measure by runs")]
        )
    recovery = scenario.recovery
    attempts = (recovery.resyncs, recovery.restarts, recovery.resets, recovery.power_cycles)
    policy = Policy(
        dict(zip(RUNGS, attempts, strict=True)),
        recovery.window_frames,
        recovery.reintegrate_frames,
    )
    return scheme_of(scenario), policy


class SchemeModel:
    """The nodes of a scenario, and what its scheme makes of a fault in one of them. Each call of
    `carry_out` begins anew. Not thread-safe."""

    def __init__(self, scenario: Scenario) -> None:
        self.names = [node.name for node in scenario.rig.nodes]
        self._scheme, self._policy = scheme_parts(scenario)
        self._rollbacks = scenario.recovery.rollbacks
        self._patience = self._policy.reintegrate_frames + 2

    def carry_out(
        self,
        node: str | None = None,
        fault: NodeFault | None = None,
        *,
        voter: Voter = vote,
        tamper: Callable[[RecoveryMachine], None] | None = None,
    ) -> SchemeResult:
        """Return what becomes of `fault` in `node`. Instead of it, `voter` decides the first frame,
        or `tamper` changes the state of recovery before it."""
        recovery = RecoveryMachine(list(self.names), self._policy)
        if tamper is not None:
            tamper(recovery)
        frames = _Frames(self, recovery, node, fault)
        length = self._patience + (len(fault.answers) if fault is not None else 0)
        try:
            frames.run(replace(self._scheme, voter=voter))
            for _ in range(length):
                frames.run(self._scheme)
        except (KernelError, KeyError):  # a value that none of the voter's code expects
            return replace(frames.result(), host_failed=True, restored=False)
        return frames.result()

    @property
    def rollbacks(self) -> int:
        """Return how often an undecided frame is computed again."""
        return self._rollbacks


class _Frames:
    """The frames from the upset on."""

    def __init__(
        self,
        model: SchemeModel,
        recovery: RecoveryMachine,
        node: str | None,
        fault: NodeFault | None,
    ) -> None:
        self._names = model.names
        self._rollbacks = model.rollbacks
        self._recovery = recovery
        self._node = node
        self._fault = fault
        self._left = list(fault.answers) if fault is not None else []
        self._unsettled = fault is not None and fault.unsettled
        self._classifier = UpsetClassifier(list(model.names))
        self._upset = None if node is None or fault is None else _upset(node, fault.target)
        if self._upset is not None:
            self._classifier.add(self._upset)
        self._frame = _BEGINNING
        self._alone = 0
        self._escaped = self._lost = 0
        self._shown = SystemOutcome.NO_EFFECT

    # --- one frame ----------------------------------------------------------------------------

    def run(self, scheme: Scheme) -> None:
        """Run one frame."""
        recovery, classifier = self._recovery, self._classifier
        results = dict.fromkeys(recovery.in_service, GOLDEN)
        if self._left and self._node in results:
            results[str(self._node)] = self._left.pop(0).result
        verdict = self._vote(scheme, results)
        classifier.classify_nodes(self._frame, results, (_OUTPUT, _STATE))
        verdict, rolled_back = self._roll_back(scheme, verdict, results)
        self._alone = self._alone + 1 if is_alone(verdict) else 0
        self._count(verdict)
        classifier.classify_system(verdict, rolled_back=bool(rolled_back))
        actions: list[Action] = []
        for name, result in results.items():
            observed = observation(result, verdict, self._names.index(name))
            if observed is not None:
                actions += recovery.observe(self._frame, name, observed)
        self._note_repairs(actions, rolled_back)
        healed = {*rolled_back, *self._repair(actions, verdict)}
        self._settle(results, healed)
        recovery.take_transitions()
        self._frame += 1

    def _note_repairs(self, actions: Sequence[Action], rolled_back: Sequence[str]) -> None:
        if rolled_back or any(action.rung is not NodeState.RESYNC for action in actions):
            self._shown = SystemOutcome.RECOVERED
        elif actions and self._shown is SystemOutcome.NO_EFFECT:
            self._shown = SystemOutcome.CORRECTED

    def _vote(
        self, scheme: Scheme, results: Mapping[str, NodeResult], *, again: bool = False
    ) -> Verdict:
        ballots = []
        for name in self._names:
            r = results.get(name, EXCLUDED_RESULT)
            ballots.append(Ballot(r.status, r.signal, r.output_digest, r.state_digest))
        electorate = Electorate(self._recovery.voters, self._recovery.returning)
        return scheme.decide(
            self._frame, ballots, electorate, _OUTPUT, frames_alone=self._alone, re_executed=again
        )

    def _count(self, verdict: Verdict) -> None:
        if not verdict.delivered:
            self._lost += 1
        elif not verdict.correct:
            self._escaped += 1

    # --- rollback and repairs -----------------------------------------------------------------

    def _roll_back(
        self, scheme: Scheme, verdict: Verdict, results: dict[str, NodeResult]
    ) -> tuple[Verdict, list[str]]:
        """Roll back as `VerdictStage` does; return the verdict and the nodes that were. Their
        results are right then."""
        rolled: list[str] = []
        for attempt in range(self._rollbacks + 1 if self._rollbacks else 0):
            if scheme.is_compared(verdict):
                break
            chosen = self._to_roll_back(scheme, verdict, results, everybody=attempt > 0)
            if not chosen:
                break
            for name in chosen:
                if attempt or results[name].status != DONE:
                    self._new_worker(name)
                elif name == self._node and self._fault is not None and self._fault.in_state:
                    self._left.clear()
                results[name] = GOLDEN
            rolled += chosen
            verdict = self._vote(replace(scheme, voter=vote), results, again=True)
        return verdict, rolled

    def _to_roll_back(
        self,
        scheme: Scheme,
        verdict: Verdict,
        results: Mapping[str, NodeResult],
        *,
        everybody: bool,
    ) -> list[str]:
        serving = self._recovery.in_state(NodeState.VOTING, NodeState.REINTEGRATING)
        answers = (DONE, CRASHED, HUNG, ABSENT)
        able = [n for n in serving if results.get(n, EXCLUDED_RESULT).status in answers]
        failed = [n for n in able if results[n].status != DONE]
        alone = scheme.members > 1 and is_alone(verdict)
        if alone and not failed:
            return []
        return failed if alone and not everybody else able

    def _new_worker(self, name: str) -> None:
        """Note that a node computes with another worker, from a right state."""
        if name == self._node:
            self._left.clear()
            self._unsettled = False

    def _repair(self, actions: Sequence[Action], verdict: Verdict) -> set[str]:
        """Carry out repairs: each gives the node the agreed state, or one that it computes from a
        checkpoint."""
        healed: set[str] = set()
        for action in actions:
            name = action.node
            if action.rung is not NodeState.RESYNC:
                self._new_worker(name)
            elif name == self._node and self._fault is not None and self._fault.in_state:
                self._left.clear()
                self._unsettled = False
            self._recovery.result(self._frame, action, True)
            self._classifier.on_repaired(self._frame, name, action.rung)
            wrong = verdict.state not in (0, _STATE)
            self._classifier.mark_contaminated(name, wrong)
            healed.add(name)
        return healed

    def _settle(self, results: Mapping[str, NodeResult], healed: set[str]) -> None:
        for name in self._names:
            state = self._recovery.state(name)
            if state is NodeState.ISOLATED:
                self._classifier.settle(self._frame, name, isolated=True)
            elif state is NodeState.VOTING:
                right = results.get(name, EXCLUDED_RESULT).state_digest == _STATE
                if name in healed or right:
                    self._classifier.settle(self._frame, name)

    # --- the end --------------------------------------------------------------------------------

    def result(self) -> SchemeResult:
        """Return what became of the upset so far."""
        for name in self._names:
            self._classifier.settle(self._frame, name, at_end=True)
        upset, everybody = self._upset, (1 << len(self._names)) - 1
        voting = all(self._recovery.state(name) is NodeState.VOTING for name in self._names)
        usual = self._recovery.voters == everybody and self._recovery.settled
        whole = usual and len(self._recovery.in_service) == len(self._names)
        return SchemeResult(
            NodeEffect.UNKNOWN if upset is None else upset.assessment.effect,
            SystemOutcome.UNKNOWN if upset is None else upset.assessment.outcome,
            self._escaped,
            self._lost,
            voting and whole and not self._left and not self._unsettled,
            self._shown,
        )


def _upset(node: str, target: UpsetTarget) -> Upset:
    plan = UpsetPlan(_BEGINNING, node, target, PatternKind.BIT, "campaign", id=1, width=1)
    return Upset(plan, InjectionReport(UpsetState.INJECTED, verified=True, changed=True))
