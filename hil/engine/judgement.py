"""Judgement: from the results of a frame to its verdict, outcomes, orders and record.

vote -> (roll back, vote again) -> outcomes -> recovery's orders -> repairs -> what is settled. A
frame in which nothing is under way and all agree on what is right is only counted and recorded."""

from __future__ import annotations

from dataclasses import dataclass, field

from hil.engine.chronicle import Chronicle
from hil.engine.healing import Healer
from hil.engine.parts import Parts
from hil.observation import observation
from hil.outcome import Upset
from hil.recovery import Action, NodeState
from hil.rig.node import ABSENT, CRASHED, DONE, EXCLUDED_RESULT, HUNG, Node, NodeResult, boots_of
from hil.voter import STATE_SPLIT, Ballot, Verdict, VerdictKind, vote

__all__ = ["FrameWork", "Judge", "usual_kind"]


@dataclass(slots=True)
class FrameWork:
    """What one frame gathers on its way. `results`: of the last execution, by node; `executions`:
    of all, in the order of the nodes."""

    number: int
    upsets: list[Upset] = field(default_factory=list)
    results: dict[str, NodeResult] = field(default_factory=dict)
    executions: list[list[NodeResult]] = field(default_factory=list)
    rolled_back: bool = False
    healed: set[str] = field(default_factory=set)


def usual_kind(voters: int) -> VerdictKind:
    """The verdict when all is well, of as many nodes as vote now (their mask): the plant may have
    made them fewer."""
    return VerdictKind.SIMPLEX if voters.bit_count() == 1 else VerdictKind.UNANIMOUS


class Judge:
    """Of the frames of the run of `parts`."""

    def __init__(self, parts: Parts, chronicle: Chronicle, healer: Healer) -> None:
        self._parts = parts
        self._chronicle = chronicle
        self._healer = healer

    def conclude(self, frame: FrameWork) -> None:
        """From the results of a frame to its verdict, outcomes, repairs and record."""
        parts, chronicle, healer = self._parts, self._chronicle, self._healer
        golden = (parts.golden.output_digest, parts.golden.state_digest)
        verdict = healer.agreed = self._vote(frame, frame.results)
        right = verdict.correct and verdict.state == golden[1]
        quiet = right and verdict.kind is usual_kind(verdict.voters)
        if quiet and not frame.upsets and parts.settled:
            parts.metrics.count(verdict)
            chronicle.writer.frame(verdict.record)
            return
        frame.executions.append(chronicle.in_order(frame.results))
        parts.classifier.judge_nodes(frame.number, frame.results, golden)
        verdict = healer.agreed = self._roll_back_if_needed(frame, verdict)
        parts.metrics.count(verdict)
        parts.classifier.judge_system(verdict, rolled_back=frame.rolled_back)
        actions = self._observe(frame, verdict)
        chronicle.notable(verdict, frame.results, frame.executions)
        chronicle.writer.frame(verdict.record)
        frame.healed |= healer.carry_out(actions)
        healer.look_for_isolated(frame.results)
        self._refresh_if_alone(frame)
        parts.delivery.look_at_watches(frame.number)
        self._settle(frame)
        chronicle.outcomes()

    # --- the vote -----------------------------------------------------------------------------

    def _vote(self, frame: FrameWork, results: dict[str, NodeResult]) -> Verdict:
        recovery = self._parts.recovery
        ballots = self._ballots(results)
        verdict = self._count_votes(frame, ballots, recovery.voters)
        if verdict.kind is VerdictKind.NO_MAJORITY and recovery.returning:
            # Who comes back was healed to an agreed state: it may break a tie, not make one.
            every = recovery.voters | recovery.returning
            decided = self._count_votes(frame, ballots, every)
            verdict = decided if decided.delivered else verdict
        return verdict

    def _ballots(self, results: dict[str, NodeResult]) -> list[Ballot]:
        out: list[Ballot] = []
        for node in self._parts.nodes:
            r = results.get(node.name, EXCLUDED_RESULT)
            out.append(Ballot(r.status, r.signal, r.output_digest, r.state_digest))
        return out

    def _count_votes(self, frame: FrameWork, ballots: list[Ballot], voters: int) -> Verdict:
        return vote(
            frame.number,
            ballots,
            voters,
            self._parts.golden.output_digest,
            re_executed=frame.rolled_back,
        )

    # --- going back ---------------------------------------------------------------------------

    def _roll_back_if_needed(self, frame: FrameWork, verdict: Verdict) -> Verdict:
        parts = self._parts
        attempts = parts.scenario.recovery.rollbacks
        for attempt in range(attempts + 1 if attempts else 0):
            if verdict.delivered and not verdict.flags & STATE_SPLIT:
                break
            voting = parts.recovery.in_state(NodeState.VOTING)
            able = [n for n in voting if frame.results[n].status in (DONE, CRASHED, HUNG, ABSENT)]
            if not able:
                break
            nodes = [parts.by_name[name] for name in able]
            verdict = self._roll_back(frame, nodes, restart=attempt > 0)
        return verdict

    def _roll_back(self, frame: FrameWork, nodes: list[Node], *, restart: bool) -> Verdict:
        parts = self._parts
        again, how, restarted = parts.mechanic.roll_back(
            nodes, frame.results, frame.number, restart=restart
        )
        frame.rolled_back = True
        parts.delivery.rearm_permanent(nodes, frame.number + 1)
        frame.results = {**frame.results, **again}
        frame.executions.append(self._chronicle.in_order(frame.results))
        verdict = self._vote(frame, frame.results)
        ok = how.ok and verdict.delivered
        cause = "no majority" if len(parts.nodes) > 1 else "the only node failed"
        for node in nodes:
            self._chronicle.repair(frame.number, node.name, "rollback", cause, how, ok=ok)
        parts.metrics.rollbacks += 1
        if ok:
            parts.metrics.recoveries += 1
            for name in restarted:
                boots = boots_of(parts.by_name[name].board)
                parts.classifier.healed(name, "restart", boots)
        return verdict

    # --- orders, and what has come to its end ---------------------------------------------------

    def _observe(self, frame: FrameWork, verdict: Verdict) -> list[Action]:
        actions: list[Action] = []
        for node in self._parts.nodes:
            result = frame.results.get(node.name)
            if result is None:
                continue
            if result.late:  # a slip, until it lasts
                self._chronicle.slip(
                    frame.number, node.name, 0, "no answer by the end of the frame"
                )
            seen = observation(result, verdict)
            if seen is not None:
                actions += self._parts.recovery.observe(frame.number, node.name, seen)
        self._chronicle.transitions()
        return actions

    def _refresh_if_alone(self, frame: FrameWork) -> None:
        """Independent experiments on a rig that cannot heal itself (see Mechanic.refresh)."""
        parts = self._parts
        if len(parts.nodes) > 1 or not parts.scenario.upsets.one_at_a_time:
            return
        node = parts.nodes[0]
        result = frame.results.get(node.name)
        if result is None or result.status != DONE or not parts.classifier.open:
            return
        if result.state_digest != parts.golden.state_digest:
            how = parts.mechanic.refresh(node, frame.number)
            self._chronicle.repair(
                frame.number, node.name, "refresh", "harness: one upset at a time", how, ok=how.ok
            )
            if how.ok:
                frame.results[node.name] = NodeResult(
                    DONE, 0, result.output_digest, parts.golden.state_digest
                )

    def _settle(self, frame: FrameWork) -> None:
        """Give open upsets their outcome where the node is itself again, or given up."""
        parts = self._parts
        for node in parts.nodes:
            state = parts.recovery.state(node.name)
            if state is NodeState.ISOLATED:
                parts.classifier.settle(frame.number, node.name, isolated=True)
            elif state is NodeState.VOTING and not parts.delivery.is_watched(node.name):
                if node.name in frame.healed or self._is_clean(frame, node):
                    parts.classifier.settle(frame.number, node.name)

    def _is_clean(self, frame: FrameWork, node: Node) -> bool:
        result = frame.results.get(node.name)
        return (
            result is not None
            and result.status == DONE
            and result.state_digest == self._parts.golden.state_digest
        )
