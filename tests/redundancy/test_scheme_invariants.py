"""All schemes in any order of faults, repairs and orders: what must hold in every frame.

The model of a node is its state and whether it answers. `hil.redundancy` decides, the model carries
the repairs out as the engine does, from the state that the frame has agreed on."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from hil.redundancy.electorate import Electorate, is_alone
from hil.redundancy.observation import observation
from hil.redundancy.recovery import RUNGS, NodeState, Observation, Policy, RecoveryMachine
from hil.redundancy.schemes import scheme_of
from hil.redundancy.voting import Ballot, NodeStatus, Verdict
from hil.rig.node import CRASHED, DONE, EXCLUDED_RESULT, NodeResult
from hil.scenario import Scenario
from tests.properties import few_or_many, run_state_machine

RIGHT = 1
SCHEMES = ("dmr", "tmr", "4mr", "5mr", "triple_pairs", "priority_pairs")
WHO = st.integers(0, 7)
ATTEMPTS = st.fixed_dictionaries({rung: st.integers(0, 2) for rung in RUNGS})


class Flight(RuleBasedStateMachine):
    """The nodes of a rig. `states`: the digest of the state of each, `RIGHT` without a fault."""

    @initialize(name=st.sampled_from(SCHEMES), spares=st.integers(0, 2), attempts=ATTEMPTS)
    def begin(self, name: str, spares: int, attempts: dict[NodeState, int]) -> None:
        rig: dict[str, Any] = {"scheme": name, "board": "inproc"}
        if "pairs" not in name:
            rig["hot_spares"] = spares
        scenario = Scenario.model_validate({"workload": "infer", "frames": 9, "rig": rig})
        self.scheme = scheme_of(scenario)
        self.names = [node.name for node in scenario.rig.nodes]
        self.recovery = RecoveryMachine(self.names, Policy(attempts, 20, 2))
        self.states = dict.fromkeys(self.names, RIGHT)
        self.crashed: set[str] = set()
        self.frame = self.fresh = 1
        self.alone = 0

    # --- faults and orders ------------------------------------------------------------------------

    @rule(who=WHO, wrong=st.integers(2, 4))
    def upset(self, who: int, wrong: int) -> None:
        """A fault of its own, so that no two nodes are wrong in the same way."""
        self.fresh += 1
        self.states[self.names[who % len(self.names)]] = 10 * self.fresh + wrong

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

    # --- one frame --------------------------------------------------------------------------------

    @rule()
    def fly(self) -> None:
        results = {name: self._result(name) for name in self.recovery.in_service}
        ballots = []
        for name in self.names:
            r = results.get(name, EXCLUDED_RESULT)
            ballots.append(Ballot(r.status, r.signal, r.output_digest, r.state_digest))
        electorate = Electorate(self.recovery.voters, self.recovery.returning)
        verdict = self.scheme.decide(
            self.frame, ballots, electorate, RIGHT, frames_alone=self.alone
        )
        self._check_vote(verdict, electorate, ballots)
        self.alone = self.alone + 1 if is_alone(verdict) else 0
        healthy = [n for n in results if results[n].status == DONE and self.states[n] == RIGHT]
        for name, result in results.items():
            seen = observation(result, verdict, self.names.index(name))
            if seen is None:
                continue
            if verdict.correct and name in healthy:
                assert seen in (Observation.AGREED, Observation.LATENT)
            self._repair(self.recovery.observe(self.frame, name, seen), verdict)
        if verdict.correct:
            for name in healthy:
                assert self.recovery.state(name) is not NodeState.ISOLATED, "it was right"
        self.frame += 1

    def _result(self, name: str) -> NodeResult:
        if name in self.crashed:
            return NodeResult(CRASHED, 11)
        return NodeResult(DONE, 0, self.states[name], self.states[name])

    def _check_vote(self, verdict: Verdict, electorate: Electorate, ballots: list[Ballot]) -> None:
        asked = electorate.voters | electorate.returning
        assert not verdict.voters & ~asked, "an excluded node has no part in a verdict"
        if self.scheme.by_priority and verdict.delivered:
            assert verdict.voters in self.scheme.pairs, "one pair commands, never two"
        if self.scheme.hot_spares and not electorate.returning:
            assert verdict.voters.bit_count() <= self.scheme.members
        if verdict.delivered:
            who = [i for i in range(len(self.names)) if verdict.voters >> i & 1]
            said = {ballots[i].output_digest for i in who if ballots[i].status == NodeStatus.DONE}
            assert verdict.output in said, "what is delivered was said by a node that decides"
        if not is_alone(verdict) and verdict.delivered:
            assert verdict.correct, "all faults differ, so two that agree are right"

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


@few_or_many(quick=60, slow=600)
def test_invariants_of_all_schemes_hold_in_any_order_of_events(examples: int) -> None:
    run_state_machine(Flight, examples=examples, steps=40)
