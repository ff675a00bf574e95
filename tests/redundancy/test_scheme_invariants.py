"""All schemes in any order of faults, repairs and orders: what must hold in every frame.

The model of a node is its state and whether it answers. `hil.redundancy` decides, the model carries
the repairs out as the engine does, from the state that the frame has agreed on; it keeps as many
nodes in service as the engine does with cold spares and with a smaller scheme in calm times, and
executes a step several times where the scheme says so."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from hil.kernel import digest64
from hil.redundancy.electorate import Electorate, is_alone
from hil.redundancy.observation import observation
from hil.redundancy.recovery import RUNGS, NodeState, Observation, Policy, RecoveryMachine
from hil.redundancy.rotation import Rotation
from hil.redundancy.schemes import scheme_of
from hil.redundancy.spares import STANDS_BY
from hil.redundancy.time_redundancy import confirmed, wants_another
from hil.redundancy.value_vote import OutputBallots, OutputBytes, ValueVoter, rules_of
from hil.redundancy.voting import Ballot, NodeStatus, Verdict
from hil.rig.node import CRASHED, DONE, EXCLUDED_RESULT, NodeResult
from hil.scenario import Scenario
from hil.scenario.outputs import OutputField
from hil.scenario.voter import VoterConfig
from hil.scenario.words import SchemeName
from tests.properties import few_or_many, run_state_machine

RIGHT = 1
FIELD = OutputField("x", "f64", 0)
NOISE, TOLERANCE = 0.125, 1.0
"""Right values of nodes differ by up to seven times the noise: less than is tolerated."""
WHO = st.integers(0, 7)
ATTEMPTS = st.fixed_dictionaries({rung: st.integers(0, 2) for rung in RUNGS})
SCHEMES = [s for s in SchemeName if not s.has_checkers]  # whose nodes are not alike
VOTERS = st.sampled_from(["exact", "exact", "mid_value", "tolerance", "history"])
SPARES = st.sampled_from([(0, 0), (0, 0), (1, 0), (2, 0), (0, 1), (0, 2), (1, 1)])


class Flight(RuleBasedStateMachine):
    """The nodes of a rig. `states`: the digest of the state of each, `RIGHT` without a fault;
    `wanted`: how many are to be in service; `passing`: what one execution of a node comes to;
    `met`: how often each kind of rig was in all examples."""

    met: ClassVar[Counter[str]] = Counter()

    @initialize(
        name=st.sampled_from(SCHEMES),
        spares=SPARES,
        attempts=ATTEMPTS,
        voter=VOTERS,
        calm=st.booleans(),
    )
    def begin(
        self,
        name: SchemeName,
        spares: tuple[int, int],
        attempts: dict[NodeState, int],
        voter: str,
        calm: bool,
    ) -> None:
        rig: dict[str, Any] = {"scheme": name.value, "board": "inproc"}
        plain = name.votes_plainly
        hot, cold = spares if plain and name.size + sum(spares) <= 8 else (0, 0)
        rig |= {"hot_spares": hot, "cold_spares": cold}
        scenario = Scenario.model_validate({"workload": "infer", "frames": 9, "rig": rig})
        self.names = [node.name for node in scenario.rig.nodes]
        self.scheme = scheme_of(scenario)
        self.kind = voter
        self.by_value = voter != "exact" and name.executions == 1 and not name.has_primary
        if self.by_value:
            config = VoterConfig.model_validate({"kind": voter, "tolerance": TOLERANCE})
            values = ValueVoter(rules_of(config, (FIELD,), 8), config.state, len(self.names))
            self.scheme = replace(self.scheme, values=values)
        self.recovery = RecoveryMachine(self.names, Policy(attempts, 20, 2))
        self.states = dict.fromkeys(self.names, RIGHT)
        self.passing: int | None = None
        self.crashed: set[str] = set()
        self.frame = self.fresh = 1
        self.alone = 0
        self.most = self.wanted = len(self.names) - scenario.rig.on_stand_by
        rests = name.awake < name.size
        self.rotation = Rotation(self.names, name.awake, 5) if rests else None
        for standing in self.names[self.wanted :] if rests else ():
            self.recovery.exclude(0, standing, STANDS_BY)
        self.least = 2 if calm and plain and not (hot or cold) and name.size > 2 else self.most
        kind = "values" if self.by_value else "exact"
        self.met[f"{name} {kind}"] += 1
        self.met[f"{hot} hot, {cold} cold{', calm' if self.least < self.most else ''}"] += 1

    # --- faults and orders ------------------------------------------------------------------------

    @rule(who=WHO, wrong=st.integers(2, 4))
    def upset(self, who: int, wrong: int) -> None:
        """A fault of its own, so that no two nodes are wrong in the same way."""
        self.fresh += 1
        name = self.names[who % len(self.names)]
        if self.scheme.executions > 1:
            self.passing = 10 * self.fresh + wrong  # one execution, and the next one is another
        else:
            self.states[name] = 10 * self.fresh + wrong

    @rule(who=WHO)
    def crash(self, who: int) -> None:
        self.crashed.add(self.names[who % len(self.names)])

    @precondition(lambda self: len(self.recovery.in_service) > 1)
    @rule(who=WHO)
    def operator_isolates(self, who: int) -> None:
        self.recovery.isolate(self.frame, self.names[who % len(self.names)], "the operator")

    @rule(who=WHO)
    def operator_reintegrates(self, who: int) -> None:
        name = self.names[who % len(self.names)]
        self._repair(self.recovery.reintegrate(self.frame, name, NodeState.RESTART, "order"), None)

    @precondition(lambda self: self.least < self.most)
    @rule(calm=st.booleans())
    def flux_changes(self, calm: bool) -> None:
        self.wanted = self.least if calm else self.most

    # --- one frame --------------------------------------------------------------------------------

    @rule()
    def fly(self) -> None:
        results, confirms = {}, True
        for name in self.recovery.in_service:
            results[name], confirms = self._result(name)
        ballots = OutputBallots([], OutputBytes([], FIELD.encode([1.0])))
        outputs = []
        for name in self.names:
            r = results.get(name, EXCLUDED_RESULT)
            ballots.append(Ballot(r.status, r.signal, r.output_digest, r.state_digest))
            outputs.append(r.output)
        ballots.outputs = OutputBytes(outputs, FIELD.encode([1.0]))
        electorate = Electorate(self.recovery.voters, self.recovery.returning)
        verdict = self.scheme.decide(
            self.frame, ballots, electorate, self._digest(RIGHT, 0), frames_alone=self.alone,
            confirmed=confirms,
        )  # fmt: skip
        self._check_vote(verdict, electorate, ballots)
        if self.scheme.memory is not None:
            self.scheme.memory.settle(verdict)
        self.alone = self.alone + 1 if is_alone(verdict) else 0
        healthy = [n for n in results if results[n].status == DONE and self.states[n] == RIGHT]
        for name, result in results.items():
            seen = observation(result, verdict, self.names.index(name), confirmed=confirms)
            if seen is None:
                continue
            if verdict.correct and name in healthy:
                assert seen in (Observation.AGREED, Observation.LATENT)
            self._repair(self.recovery.observe(self.frame, name, seen), verdict)
        if verdict.correct:
            for name in healthy:
                assert self.recovery.state(name) is not NodeState.ISOLATED, "it was right"
        self._keep_wanted(verdict)
        self.frame += 1

    def _digest(self, state: int, node: int) -> int:
        return digest64(self._output(state, node)) if self.by_value else state

    def _output(self, state: int, node: int) -> bytes:
        return FIELD.encode([1.0 + NOISE * node if state == RIGHT else 1000.0 * state])

    def _result(self, name: str) -> tuple[NodeResult, bool]:
        """Return what the host takes of a node, and whether its executions confirm it."""
        if self.scheme.executions > 1:
            return self._executed(name)
        if name in self.crashed:
            return NodeResult(CRASHED, 11), True
        node, state = self.names.index(name), self.states[name]
        return NodeResult(
            DONE, 0, self._digest(state, node), state, self._output(state, node)
        ), True

    def _executed(self, name: str) -> tuple[NodeResult, bool]:
        """Execute a step as often as the scheme says. A worker that has crashed is started again
        for the next execution, which begins with the right state."""
        ballots: list[Ballot] = []
        crashed = name in self.crashed
        while wants_another(ballots, self.scheme.executions):
            first = not ballots
            if first and crashed:
                ballots.append(Ballot(NodeStatus.CRASHED, 11))
            else:
                came = self.passing if len(ballots) == int(crashed) and self.passing else RIGHT
                ballots.append(Ballot(NodeStatus.DONE, 0, came, came))
        self.passing = None
        self.crashed.discard(name)
        agreed = confirmed(ballots)
        wrong = sum(b != Ballot(NodeStatus.DONE, 0, RIGHT, RIGHT) for b in ballots)
        if agreed is None:
            assert wrong > 1, "one wrong execution of three is outvoted"
            return NodeResult(DONE, 0, ballots[-1].output_digest, ballots[-1].state_digest), False
        assert agreed.output_digest == RIGHT, "no two executions are wrong alike"
        return NodeResult(DONE, 0, agreed.output_digest, agreed.state_digest), True

    def _check_vote(self, verdict: Verdict, electorate: Electorate, ballots: OutputBallots) -> None:
        asked = electorate.voters | electorate.returning
        assert not verdict.voters & ~asked, "an excluded node has no part in a verdict"
        if self.scheme.by_priority and verdict.delivered:
            assert verdict.voters in self.scheme.pairs, "one pair commands, never two"
        if self.scheme.primary is not None and verdict.delivered:
            assert verdict.primary is not None, "one node commands"
            assert verdict.voters >> verdict.primary & 1
            assert ballots[verdict.primary].output_digest == verdict.output, "its output"
        if self.scheme.hot_spares and not electorate.returning:
            assert verdict.voters.bit_count() <= self.scheme.members
        if verdict.delivered:
            who = [i for i in range(len(self.names)) if verdict.voters >> i & 1]
            done = [i for i in who if ballots[i].status == NodeStatus.DONE]
            if verdict.values is None or verdict.values.output is None:
                said = {ballots[i].output_digest for i in done}
                assert verdict.output in said, "what is delivered was said by a node that decides"
            else:
                (value,) = FIELD.numbers(verdict.values.output)
                all_said = [FIELD.numbers(ballots.outputs.nodes[i])[0] for i in done]
                assert min(all_said) <= value <= max(all_said), "a value among those that decide"
        if (
            not is_alone(verdict)
            and verdict.delivered
            and self._needs_no_majority_of_right(verdict)
        ):
            assert verdict.correct, "all faults differ, so two that agree are right"

    def _needs_no_majority_of_right(self, verdict: Verdict) -> bool:
        """Return whether a voted output must be right. A middle of values is that only if most of
        them are."""
        if self.kind not in ("mid_value", "history"):
            return True
        voters = [b for i, b in enumerate(verdict.ballots) if verdict.voters >> i & 1]
        heard = [b for b in voters if b.status == NodeStatus.DONE]
        return 2 * sum(b.state_digest == RIGHT for b in heard) > len(heard)

    def _repair(self, actions: list[Any], verdict: Verdict | None) -> None:
        due = list(actions)
        while due:
            action = due.pop(0)
            agreed = verdict.state if verdict is not None else 0
            if verdict is not None and not is_alone(verdict) and agreed:
                self.states[action.node] = agreed  # a delta resync from those that agree
                self.crashed.discard(action.node)
                due += self.recovery.result(self.frame, action, True)
                state = self.recovery.state(action.node)
                assert state in (NodeState.VOTING, NodeState.REINTEGRATING)
                assert self.states[action.node] == agreed, "it has the state of the group"
            else:
                due += self.recovery.result(self.frame, action, False)

    def _keep_wanted(self, verdict: Verdict) -> None:
        """Switch nodes on or off as `hil.engine.stand_by` does."""
        serving = self.recovery.in_service
        if self.rotation is not None:
            rests = self.rotation.resting(self.frame + 1)
            voting = self.recovery.in_state(NodeState.VOTING)
            self.wanted = self.rotation.wanted(
                rests, serving, voting, decided=self.scheme.is_compared(verdict)
            )
            serving = tuple(sorted(serving, key=lambda name: name == rests))
        standing = [name for name in self.names if self.recovery.is_shed(name)]
        if len(serving) < self.wanted and standing:
            actions = self.recovery.readmit(
                self.frame, standing[0], NodeState.POWER_CYCLE, "a node is needed"
            )
            self._repair(actions, verdict)
        elif len(serving) > self.wanted and self.recovery.settled:
            for name in serving[self.wanted - len(serving) :]:
                self.recovery.exclude(self.frame, name, STANDS_BY)
            assert len(self.recovery.in_service) == self.wanted > 0
            if self.rotation is not None:
                assert self.recovery.voters.bit_count() >= 2, "a turn hands over without a gap"
        if verdict.correct and not is_alone(verdict):
            assert self.recovery.in_service, "whoever agrees stays in service"


@few_or_many(quick=60, slow=600)
def test_invariants_of_all_schemes_hold_in_any_order_of_events(examples: int) -> None:
    Flight.met.clear()
    run_state_machine(Flight, examples=examples, steps=40)
    if examples > 500:
        for name in SCHEMES:
            only_exact = name.executions > 1 or name.has_primary
            kinds = ("exact",) if only_exact else ("exact", "values")
            assert all(Flight.met[f"{name} {kind}"] for kind in kinds), name
        assert {", calm" in rig for rig in Flight.met} == {True, False}
