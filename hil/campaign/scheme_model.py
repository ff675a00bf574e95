"""The scheme of a rig without its boards: what the real voter, recovery and classification make of
the answers of one node while all others are right.

It has the order of `hil.engine.verdict`: (execute again, with time redundancy) -> vote -> (roll
back, vote again) -> effects and outcomes -> recovery orders repairs -> repairs -> settle. Cold
spares, and nodes that rest in turn, are switched as by `hil.engine.stand_by`.

What boards do is modelled: a repair succeeds, and a rollback computes right results, because an
upset strikes once. `hil.campaign.scheme_runs` confirms that on real runs, and
`hil.campaign.stubborn_nodes` does without: there a node goes on to answer wrongly, and its repairs
fail."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from hil.campaign.scheme_answers import (
    STATE,
    ModelVote,
    NodeFault,
    excluded_or,
)
from hil.errors import KernelError
from hil.redundancy.electorate import Electorate, Scheme, is_alone
from hil.redundancy.observation import observation
from hil.redundancy.recovery import (
    RUNGS,
    Action,
    NodeState,
    Policy,
    RecoveryMachine,
)
from hil.redundancy.rotation import Rotation
from hil.redundancy.spares import STANDS_BY
from hil.redundancy.time_redundancy import confirmed, wants_another
from hil.redundancy.voting import Ballot, Verdict, Voter, vote
from hil.rig.node import ABSENT, CRASHED, DONE, EXCLUDED_RESULT, HUNG, NodeResult
from hil.scenario import PatternKind, Scenario, UpsetTarget
from hil.upsets.outcome import UpsetClassifier
from hil.upsets.upset import InjectionReport, Upset, UpsetPlan
from hil.upsets.words import NodeEffect, SystemOutcome, UpsetState

__all__ = [
    "SchemeModel",
    "SchemeResult",
    "scheme_parts",
    "with_repairs",
]

_BEGINNING: Final = 100
"""The frame of the upset; all before it were right."""
_LENGTH_OF_TURN: Final = 10**6
"""[frame] No turn of a rotation ends while an upset is followed."""
_SETTLING_MAX: Final = 2
"""The most executions that bring back the agreed state (`hil.engine.repeat_stage`)."""


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


def scheme_parts(scenario: Scenario, golden: bytes | None = None) -> tuple[ModelVote, Policy]:
    """Return the vote and the recovery policy of a scenario, as a run has them. `golden`: the right
    output, for a voter by value. Raises: ConfigError for one without it."""
    recovery = scenario.recovery
    attempts = (recovery.resyncs, recovery.restarts, recovery.resets, recovery.power_cycles)
    policy = Policy(
        dict(zip(RUNGS, attempts, strict=True)),
        recovery.window_frames,
        recovery.reintegrate_frames,
    )
    return ModelVote(scenario, golden), policy


class SchemeModel:
    """The nodes of a scenario, and what its scheme makes of a fault in one of them. Each call of
    `carry_out` begins anew. `golden`: the right output, for a voter by value. Not thread-safe.
    Raises: ConfigError for one without it."""

    def __init__(self, scenario: Scenario, golden: bytes | None = None) -> None:
        self.names = [node.name for node in scenario.rig.nodes]
        self.vote, self._policy = scheme_parts(scenario, golden)
        self._scheme = self.vote.scheme
        self.wanted = len(self.names) - scenario.rig.on_stand_by
        awake = self._scheme.awake
        self.rotation = Rotation(self.names, awake, _LENGTH_OF_TURN) if awake else None
        self._rollbacks = 0 if self._scheme.executions > 1 else scenario.recovery.rollbacks
        self._patience = self._policy.reintegrate_frames + 2

    def carry_out(
        self,
        node: str | None = None,
        fault: NodeFault | None = None,
        *,
        voter: Voter = vote,
        tamper: Callable[[RecoveryMachine], None] | None = None,
        execution: int = 1,
        repairs_fail: bool = False,
    ) -> SchemeResult:
        """Return what becomes of `fault` in `node`, which strikes in this `execution` of its step.
        Instead of it, `voter` decides the first frame, or `tamper` changes the state of recovery
        before it. `repairs_fail`: no repair of the node succeeds."""
        recovery = RecoveryMachine(list(self.names), self._policy)
        for name in self.names[self.wanted :]:
            recovery.exclude(_BEGINNING - 1, name, STANDS_BY)
        recovery.take_transitions()
        self.vote.begin()
        if tamper is not None:
            tamper(recovery)
        frames = _Frames(self, recovery, node, fault, execution, repairs_fail=repairs_fail)
        length = self._patience + (len(fault.answers) if fault is not None else 0)
        try:
            frames.run(self._scheme.voting_by(voter))
            for _ in range(length):
                frames.run(self._scheme)
        except (KernelError, KeyError):  # a value that none of the voter's code expects
            return replace(frames.result(), host_failed=True, restored=False)
        return frames.result()

    @property
    def executions(self) -> int:
        """Return how often each step is executed, where nothing fails."""
        return self._scheme.executions

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
        execution: int,
        *,
        repairs_fail: bool,
    ) -> None:
        self._names = model.names
        self._wanted = model.wanted
        self._rotation = model.rotation
        self._decided = True
        self._answers = model.vote
        self._execution = execution
        self._repairs_fail = repairs_fail
        self._rollbacks = model.rollbacks
        self._recovery = recovery
        self._node = node
        self._fault = fault
        self._left = list(fault.answers) if fault is not None else []
        self._unsettled = fault is not None and fault.unsettled
        ignored = model.vote.scheme.ignores_states
        self._classifier = UpsetClassifier(list(model.names), states_ignored=ignored)
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
        self._stand_by()
        results = dict.fromkeys(recovery.in_service, self._answers.right)
        if self._node in results and self._execution == 1:
            results[str(self._node)] = self._next_answer()
        self._classify(results)
        confirms, disagreed = True, False
        if scheme.executions > 1 and results:
            confirms, disagreed = self._repeat(scheme, results)
        verdict = self._vote(scheme, results, again=disagreed, confirmed=confirms)
        verdict, rolled_back = self._roll_back(scheme, verdict, results)
        if self._answers.scheme.memory is not None:
            self._answers.scheme.memory.settle(verdict)
        self._alone = self._alone + 1 if is_alone(verdict) else 0
        self._decided = scheme.is_compared(verdict)
        self._count(verdict)
        classifier.classify_system(verdict, rolled_back=bool(rolled_back))
        actions: list[Action] = []
        for name, result in results.items():
            node = self._names.index(name)
            observed = observation(result, verdict, node, confirmed=confirms)
            if observed is not None:
                actions += recovery.observe(self._frame, name, observed)
        self._note_repairs(actions, rolled_back)
        healed = {*rolled_back, *self._repair(actions, verdict)}
        self._settle(results, healed)
        recovery.take_transitions()
        self._frame += 1

    def _next_answer(self) -> NodeResult:
        """Return the next answer of the node that was hit."""
        return self._answers.result_of(self._left.pop(0)) if self._left else self._answers.right

    def _classify(self, results: Mapping[str, NodeResult], *, again: bool = False) -> None:
        golden = (self._answers.output_digest, STATE)
        compared = self._answers.compared(results)
        self._classifier.classify_nodes(self._frame, compared, golden, again=again)

    def _stand_by(self) -> None:
        """Switch a node on if one is missing, or the one whose turn it is to rest off, as `StandBy`
        does."""
        recovery, rotation = self._recovery, self._rotation
        standing = [name for name in self._names if recovery.is_shed(name)]
        wanted, serving = self._wanted, recovery.in_service
        if rotation is not None:
            resting = rotation.resting(_BEGINNING)
            voting = recovery.in_state(NodeState.VOTING)
            wanted = rotation.wanted(resting, serving, voting, decided=self._decided)
            if len(serving) > wanted and recovery.settled:
                last = resting if resting in serving else serving[-1]
                recovery.exclude(self._frame, last, STANDS_BY)
        if standing and len(serving) < wanted:
            for action in recovery.readmit(
                self._frame - 1, standing[0], NodeState.POWER_CYCLE, "a node is needed"
            ):
                recovery.result(self._frame - 1, action, True)

    def _repeat(self, scheme: Scheme, results: dict[str, NodeResult]) -> tuple[bool, bool]:
        """Execute the step of the only node again, as `RepeatStage` does. Its last result remains;
        return whether it is confirmed, and whether executions disagreed."""
        (name,) = results
        ballots = self._answers.ballots([results[name]])
        while wants_another(ballots, scheme.executions):
            self._execute(name, results, ballots)
        self._execution = 1  # in the frames that follow
        agreed = confirmed(ballots)
        if agreed is not None:
            for _ in range(_SETTLING_MAX):
                if ballots[-1] != agreed:
                    self._execute(name, results, ballots)
        return agreed is not None and ballots[-1] == agreed, len(set(ballots)) > 1

    def _execute(self, name: str, results: dict[str, NodeResult], ballots: list[Ballot]) -> None:
        """Execute a step once more, from the state before it; a worker that failed, or counted its
        ticks wrong, is started again."""
        failed = results[name].status != DONE or results[name].miscounted
        stays = self._fault is not None and self._fault.stays
        if failed and not stays:
            self._new_worker(name)
        if self._execution > 1:
            self._execution -= 1
        elif self._fault is not None and self._fault.in_state and not stays:
            self._left.clear()
        hit = self._execution == 1
        results[name] = self._next_answer() if hit else self._answers.right
        ballots += self._answers.ballots([results[name]])
        if failed:
            self._shown = SystemOutcome.RECOVERED
            self._classifier.on_repaired(self._frame, name, NodeState.RESTART)
        self._classify(results, again=True)

    def _note_repairs(self, actions: Sequence[Action], rolled_back: Sequence[str]) -> None:
        if rolled_back or any(action.rung is not NodeState.RESYNC for action in actions):
            self._shown = SystemOutcome.RECOVERED
        elif actions and self._shown is SystemOutcome.NO_EFFECT:
            self._shown = SystemOutcome.CORRECTED

    def _vote(
        self,
        scheme: Scheme,
        results: Mapping[str, NodeResult],
        *,
        again: bool = False,
        confirmed: bool = True,
    ) -> Verdict:
        return scheme.decide(
            self._frame,
            self._answers.ballots(excluded_or(results, self._names)),
            Electorate(self._recovery.voters, self._recovery.returning),
            self._answers.output_digest,
            frames_alone=self._alone,
            re_executed=again,
            confirmed=confirmed,
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
            if scheme.is_settled(verdict):
                break
            chosen = self._to_roll_back(scheme, verdict, results, everybody=attempt > 0)
            if not chosen:
                break
            for name in chosen:
                if attempt or results[name].status != DONE:
                    self._new_worker(name)
                else:
                    self._right_state(name)
                stays = name == self._node and self._fault is not None and self._fault.stays
                results[name] = self._next_answer() if stays else self._answers.right
            rolled += chosen
            verdict = self._vote(scheme.voting_by(vote), results, again=True)
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
        if name == self._node and self._fault is not None and not self._fault.stays:
            self._left.clear()
            self._unsettled = False

    def _right_state(self, name: str) -> bool:
        """Note that a node has a right state; return whether that ends its fault."""
        ends = name == self._node and self._fault is not None and self._fault.in_state
        if ends:
            self._left.clear()
        return ends

    def _repair(self, actions: Sequence[Action], verdict: Verdict) -> set[str]:
        """Carry out repairs: each gives the node the agreed state, or one that it computes from a
        checkpoint."""
        healed: set[str] = set()
        due = list(actions)
        while due:
            action = due.pop(0)
            name = action.node
            if self._repairs_fail and name == self._node:
                due += self._recovery.result(self._frame, action, False)
                continue
            if action.rung is not NodeState.RESYNC:
                self._new_worker(name)
            elif self._right_state(name):
                self._unsettled = False
            self._recovery.result(self._frame, action, True)
            self._classifier.on_repaired(self._frame, name, action.rung)
            wrong = verdict.state not in (0, STATE)
            self._classifier.mark_contaminated(name, wrong)
            healed.add(name)
        return healed

    def _settle(self, results: Mapping[str, NodeResult], healed: set[str]) -> None:
        for name in self._names:
            state = self._recovery.state(name)
            if state is NodeState.ISOLATED:
                self._classifier.settle(self._frame, name, isolated=True)
            elif state is NodeState.VOTING:
                right = results.get(name, EXCLUDED_RESULT).state_digest == STATE
                right |= self._answers.scheme.ignores_states
                if name in healed or right:
                    self._classifier.settle(self._frame, name)

    # --- the end --------------------------------------------------------------------------------

    def result(self) -> SchemeResult:
        """Return what became of the upset so far."""
        for name in self._names:
            self._classifier.settle(self._frame, name, at_end=True)
        upset, everybody = self._upset, (1 << self._wanted) - 1
        first = self._names[: self._wanted]
        voting = all(self._recovery.state(name) is NodeState.VOTING for name in first)
        usual = self._recovery.voters == everybody and self._recovery.settled
        whole = usual and len(self._recovery.in_service) == self._wanted
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
