"""The repair scheduler: when the repairs that recovery orders are carried out, and how they are
recorded. (Boards that were absent: hil.engine.board_returns.)

`RepairScheduler.agreed`, the verdict of the last frame, is what nodes are repaired to."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Final

from hil.engine.metrics import Metrics
from hil.engine.part_groups import FrameTimes, RedundancyParts, UpsetParts
from hil.engine.repair_executor import Repaired
from hil.engine.run_recorder import RunRecorder
from hil.kernel import Golden
from hil.record.queries import WAS_ALONE
from hil.redundancy.checked_vote import DOER, CheckedVoter
from hil.redundancy.electorate import is_alone
from hil.redundancy.recovery import BOARD_IS_BACK, Action, NodeState
from hil.redundancy.voting import Ballot, Verdict
from hil.rig.calls import Timing
from hil.rig.node import DONE, Node, NodeResult
from hil.rig.rig import Rig
from hil.wire.messages import Sync

__all__ = ["PendingPowerCycle", "RepairScheduler"]

_LEAST_WAIT_US: Final = 1_000


@dataclass(slots=True)
class PendingPowerCycle:
    """The power cycle of a board that is searched for: why it was ordered, when it began [us of the
    clock], and after which time its agent answered [s], once it has."""

    cause: str
    began_us: int
    answered_after_s: float = 0.0


class RepairScheduler:
    """Has the repairs of a run carried out on its rig. Not thread-safe.

    `agreed` is the verdict of the last frame, None before the first. `frames_alone` counts the
    consecutive frames up to it in which a node had no other to compare with. `power_cycles` are
    those of boards that have not returned yet, by node."""

    def __init__(
        self,
        rig: Rig,
        golden: Golden,
        redundancy: RedundancyParts,
        upsets: UpsetParts,
        times: FrameTimes,
        *,
        metrics: Metrics,
        recorder: RunRecorder,
    ) -> None:
        self._rig = rig
        self._golden = golden
        self._scheme = redundancy.scheme
        self._recovery = redundancy.recovery
        self._checkpoints = redundancy.checkpoints
        self._rollback = redundancy.rollback
        self._executor = redundancy.executor
        self._injector = upsets.injector
        self._classifier = upsets.classifier
        self._hidden_state = upsets.hidden_state
        self._times = times
        self._metrics = metrics
        self._recorder = recorder
        self.power_cycles: dict[str, PendingPowerCycle] = {}
        self._answered: set[str] = set()
        self.agreed: Verdict | None = None
        self.frames_alone = 0

    def has_answered(self, name: str) -> None:
        """Note that a node has answered outside of a frame: it was repaired, or computed again."""
        self._answered.add(name)

    def take_answered(self) -> set[str]:
        """Return the nodes that have answered since the last call."""
        answered, self._answered = self._answered, set()
        return answered

    # --- repairs ------------------------------------------------------------------------------

    def carry_out(self, actions: Sequence[Action], at: int | None = None) -> set[str]:
        """Carry out repairs, and those that recovery orders after a failed one; return the nodes
        that were repaired: none before the first verdict. The repairs are recorded with the frame
        `at`, else with that of the last verdict."""
        healed: set[str] = set()
        verdict = self.agreed
        if verdict is None:
            return healed
        frame = verdict.frame if at is None else at
        recovery = self._recovery
        due = list(actions)
        if due:
            verdict = self._confirmed(verdict, frame)
        while due:
            action = due.pop(0)
            how = self._repair(action, verdict, frame)
            if how.ok:
                healed.add(action.node)
            if how.away:
                recovery.on_absent(frame, action)
            else:
                due += recovery.result(frame, action, how.ok)
            self._recorder.transitions()
        return healed

    def _confirmed(self, verdict: Verdict, frame: int) -> Verdict:
        """Return the verdict that nodes are repaired to.

        A node that is alone and not trusted is first rolled back to the last state that was voted
        on and computes again, so that an upset that hit it since then is not copied to others."""
        holders = self.holders
        believed = self._scheme.trusts_alone(self.frames_alone)
        if not is_alone(verdict) or believed or len(holders) != 1:
            return verdict
        node = holders[0]
        result = NodeResult(DONE, 0, verdict.output, verdict.state)
        began_us = self._rig.clock.now_us()
        back = self._rollback.roll_back([node], {node.name: result}, verdict.frame, restart=False)
        again = back.results.get(node.name)
        ok = again is not None and again.status == DONE
        spent_us = self._rig.clock.now_us() - began_us
        how = Repaired(ok, back.detail, duration_wall_us=spent_us)
        self._recorder.repair(frame, node.name, "rollback", WAS_ALONE, how, ok=ok)
        if again is None or again.status != DONE:
            return verdict
        ballots = list(verdict.ballots)
        ballots[node.index] = Ballot(DONE, 0, again.output_digest, again.state_digest)
        self.agreed = verdict._replace(
            output=again.output_digest, state=again.state_digest, ballots=tuple(ballots)
        )
        return self.agreed

    def reseed(self, frame: int, station: str) -> None:
        """Write the state that has come up from the ground to all nodes in service."""
        serving = self._recovery.in_service
        for node in self._rig.nodes:
            if node.name not in serving or not node.link.connected:
                continue
            how = self._executor.reseed(node, frame)
            self._recorder.repair(
                frame, node.name, "reseed", f"no output; over {station}", how, ok=how.ok
            )
            if how.ok:
                self.has_answered(node.name)
                self._checkpoints.replace_all(node, Sync(frame, self._golden.state_digest))
                self._metrics.recoveries += 1
                boots = node.capabilities.boots
                self._classifier.on_repaired(frame, node.name, NodeState.RESTART, boots)
                self._classifier.mark_contaminated(node.name, False)

    def keep_checkpoints(self, healed: AbstractSet[str]) -> None:
        """Take checkpoints on the boards that have the agreed state, where they are due."""
        verdict, checkpoints = self.agreed, self._checkpoints
        own = self._scheme.ignores_states
        if verdict is None or not (verdict.state or own):
            return
        # In most frames no board takes one.
        due = healed or checkpoints.is_due(verdict.frame)
        if not due and not checkpoints.lacks_one(self._rig.nodes):
            return
        timing = self._rig.requests.timing
        if self._times.deadlines:  # a board that falls silent now must not delay many frames
            left_us = max(_LEAST_WAIT_US, self._times.pacer.left_us())
            timing = Timing(timing.retry_us, min(left_us, timing.lost_after_us), noise_patience=1)
        if own:
            states = [(n, verdict.ballots[n.index].state_digest) for n in self._agreeing(verdict)]
            kept = [(n, digest) for n, digest in states if n.name not in healed]
            checkpoints.take_own(verdict.frame, kept, healed, timing)
            return
        holders = [n for n in self.holders if n.link.connected]
        checkpoints.take(verdict, self._with_healed(holders, healed), healed, timing)

    def _agreeing(self, verdict: Verdict) -> list[Node]:
        """Return the nodes in service that agree in the output of a verdict by value."""
        voting = self._recovery.in_state(NodeState.VOTING, NodeState.REINTEGRATING)
        return [
            n
            for n in self._rig.nodes
            if n.name in voting and verdict.agree >> n.index & 1 and n.link.connected
        ]

    def _with_healed(self, holders: list[Node], healed: AbstractSet[str]) -> list[Node]:
        """Return `holders` and the nodes that have just been given the agreed state and confirmed
        its digest, in the order of the rig."""
        serving = self._recovery.in_service
        return [
            n
            for n in self._rig.nodes
            if n in holders or (n.name in healed and n.name in serving and n.link.connected)
        ]

    def _repair(self, action: Action, verdict: Verdict, frame: int) -> Repaired:
        """Carry out one repair and record it; a power cycle when its board is back, or will not
        return."""
        node = self._rig.by_name[action.node]
        sources = [n for n in self.holders if n is not node]
        loads = node.loads
        believed = not is_alone(verdict) or self._scheme.trusts_alone(self.frames_alone)
        if self._scheme.ignores_states and action.rung is not NodeState.RESYNC:
            self._checkpoints.forget_all(node)  # one of its own may hold the damage
        state = None
        if isinstance(self._scheme.values, CheckedVoter) and node.index != DOER:
            sources = [n for n in self._agreeing(verdict) if n.index != DOER and n is not node]
            state = verdict.ballots[sources[0].index].state_digest if sources else 0
        how = self._executor.repair(action, node, verdict, sources, believed=believed, state=state)
        if how.lost and node.board.can_return:
            may_cycle = self._recovery.policy.attempts[NodeState.POWER_CYCLE] > 0
            self._rig.absent.search_first(node, may_cycle=may_cycle)
            how = replace(how, away=True)
        self._hidden_state.rearm_permanent(self._injector, [node], verdict.frame + 1)
        if how.cycled:
            again = "its power was cycled again before its agent had answered"
            self.fail_power_cycle(frame, node.name, again)
            began_us = self._rig.clock.now_us()
            self.power_cycles[node.name] = PendingPowerCycle(action.cause, began_us)
        elif not how.away or how.lost:
            self._record(frame, action, how)
        if how.ok:
            self.has_answered(node.name)
            if self._recovery.take_was_isolated(node.name):
                self._executor.clear_output(node)
                self._checkpoints.replace_all(node, Sync(verdict.frame, verdict.state))
            wrong = self._scheme.has_wrong_state(verdict, self._golden.state_digest)
            if state is not None:  # a checker has that of the others, which may be wrong
                wrong = state not in (0, self._golden.of(node.index).state_digest)
            self._metrics.recoveries += 1
            # A board that came back unchanged has its former worker, with any damage in it.
            as_it_was = action.cause == BOARD_IS_BACK and node.loads == loads
            rung = NodeState.RESYNC if as_it_was else action.rung
            self._classifier.on_repaired(frame, node.name, rung, node.capabilities.boots)
            self._classifier.mark_contaminated(node.name, wrong)
        return how

    def _record(self, frame: int, action: Action, how: Repaired) -> None:
        """Record a repair. That of a board whose power was cycled for it is recorded as this power
        cycle, which has taken until now."""
        rung, cause = action.rung.value, action.cause
        cycle = self.power_cycles.pop(action.node, None)
        if cycle is not None:
            now_us = self._rig.clock.now_us()
            how = replace(
                how,
                detail=f"its agent answered after {cycle.answered_after_s:.1f} s; {how.detail}",
                duration_wall_us=now_us - cycle.began_us,
            )
            rung, cause = NodeState.POWER_CYCLE.value, cycle.cause
        self._recorder.repair(frame, action.node, rung, cause, how, ok=how.ok)

    def fail_power_cycle(self, frame: int, name: str, why: str) -> None:
        """Record that the power cycle of a node, if there was one, has not brought it back."""
        cycle = self.power_cycles.pop(name, None)
        if cycle is not None:
            spent_us = self._rig.clock.now_us() - cycle.began_us
            how, rung = Repaired(False, why, duration_wall_us=spent_us), NodeState.POWER_CYCLE
            self._recorder.repair(frame, name, rung.value, cycle.cause, how, ok=False)

    @property
    def holders(self) -> list[Node]:
        """Return the nodes in service whose state after the last frame is the agreed one."""
        verdict = self.agreed
        if verdict is None or not verdict.state:
            return []
        voting = self._recovery.in_state(NodeState.VOTING, NodeState.REINTEGRATING)
        return [
            n
            for n in self._rig.nodes
            if n.name in voting
            and verdict.ballots[n.index].status == DONE
            and verdict.ballots[n.index].state_digest == verdict.state
        ]
