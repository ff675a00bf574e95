"""The verdict stages: from the results of a frame to its verdict, repairs, record and outcomes.

vote -> (roll back, vote again) -> outcomes -> recovery orders repairs -> record -> repair -> settle
upsets. A quiet frame, in which nothing is under way and all nodes agree on the correct result, is
only counted and recorded."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from hil.engine.frame_ballots import Worth, delivered_output
from hil.engine.frame_vote import FrameVote
from hil.engine.frame_work import FrameWork
from hil.engine.long_outputs import with_long_outputs
from hil.engine.metrics import Metrics
from hil.engine.outside_influence import OutsideInfluence
from hil.engine.part_groups import RedundancyParts, UpsetParts, is_settled
from hil.engine.repair_executor import Repaired
from hil.engine.repair_scheduler import RepairScheduler
from hil.engine.run_recorder import RunRecorder
from hil.kernel import Golden
from hil.redundancy.checked_tally import CheckedTally
from hil.redundancy.checked_vote import CheckedVoter, all_golden, wrong_and_agreeing
from hil.redundancy.electorate import Scheme, is_alone
from hil.redundancy.field_vote import FieldMemory
from hil.redundancy.hold import HoldSnapshot, OutputHold
from hil.redundancy.observation import observation
from hil.redundancy.primary import FIRST_COMMANDS, PrimarySnapshot
from hil.redundancy.recovery import IT_WAS_LATE, THE_HOST_WAS_BUSY, Action, NodeState
from hil.redundancy.rollback import RollbackSpacing
from hil.redundancy.voting import Verdict, VerdictKind
from hil.rig.node import DONE, EXCLUDED_RESULT, Node, NodeResult, can_go_back
from hil.rig.rig import Rig
from hil.upsets.words import UpsetTarget

__all__ = ["VerdictSnapshot", "VerdictStage", "usual_kind"]


@dataclass(frozen=True, slots=True)
class VerdictSnapshot:
    """The state of the verdict stages between two frames: the frame before which no rollback is
    tried again, the nodes that took part in the last one, how many consecutive times it has failed,
    the last frame that was more than plain agreement, the number of consecutive frames in which a
    node decided alone, the held output, what a voter by value remembers of each field, and what is
    remembered of a primary."""

    rollback_not_before: int
    rollback_tried: frozenset[str]
    rollback_failures: int
    rollback_seen: int
    frames_alone: int
    hold: HoldSnapshot
    memory: tuple[FieldMemory, ...] = ()
    primary: PrimarySnapshot = FIRST_COMMANDS


def usual_kind(voters: int) -> VerdictKind:
    """Return the kind of verdict of a fault-free frame; `voters` is the mask of the nodes that
    vote, which the plant may have reduced."""
    return VerdictKind.SIMPLEX if voters.bit_count() == 1 else VerdictKind.UNANIMOUS


class VerdictStage:
    """Carries out the stages of each frame that follow the exchange with the nodes, in the order
    `decide`, `record`, `repair`, `settle`. Not thread-safe."""

    def __init__(
        self,
        rig: Rig,
        golden: Golden,
        redundancy: RedundancyParts,
        upsets: UpsetParts,
        *,
        metrics: Metrics,
        outside: OutsideInfluence,
        recorder: RunRecorder,
        scheduler: RepairScheduler,
    ) -> None:
        self._rig = rig
        self._golden = golden
        self._scheme = redundancy.scheme
        self._memory = redundancy.scheme.memory
        self._recovery = redundancy.recovery
        self._redundancy = redundancy
        self._upsets = upsets
        self._injector, self._classifier = upsets.injector, upsets.classifier
        self._metrics = metrics
        self._outside = outside
        self._recorder = recorder
        self._scheduler = scheduler
        self._spacing = RollbackSpacing()
        self._hold = OutputHold(redundancy.scheme)
        self._checked = CheckedTally()
        self._worth = Worth(rig, redundancy.scheme, golden)
        self._frame_vote = FrameVote(rig, golden, redundancy, scheduler)

    def snapshot(self) -> VerdictSnapshot:
        """Return the state between two frames, for a run that is resumed."""
        spacing = self._spacing
        return VerdictSnapshot(
            spacing.not_before,
            spacing.tried,
            spacing.failures,
            spacing.seen,
            self._scheduler.frames_alone,
            self._hold.snapshot(),
            () if self._scheme.values is None else self._scheme.values.memory,
            FIRST_COMMANDS if self._scheme.primary is None else self._scheme.primary.memory,
        )

    def restore(self, snapshot: VerdictSnapshot) -> None:
        """Continue from `snapshot`."""
        self._spacing.not_before = snapshot.rollback_not_before
        self._spacing.tried = snapshot.rollback_tried
        self._spacing.failures = snapshot.rollback_failures
        self._spacing.seen = snapshot.rollback_seen
        self._scheduler.frames_alone = snapshot.frames_alone
        self._hold.restore(snapshot.hold)
        if self._scheme.values is not None and snapshot.memory:
            self._scheme.values.memory = snapshot.memory
        if self._scheme.primary is not None:
            self._scheme.primary.memory = snapshot.primary

    # --- the stages ---------------------------------------------------------------------------

    def decide(self, frame: FrameWork) -> None:
        """Vote, roll back and vote again if needed, and have recovery order repairs."""
        scheduler = self._scheduler
        verdict = scheduler.agreed = self._frame_vote.vote(frame, self._hold.held_output)
        frame.quiet = self._is_quiet(frame, verdict)
        self._read_long_outputs(frame, verdict)
        if not frame.quiet:
            golden = (self._golden.output_digest, self._golden.state_digest)
            if not frame.repeated:
                frame.executions.append(self._recorder.in_order(frame.results))
                worth = self._worth.all_of(frame.results)
                self._classifier.classify_nodes(frame.number, worth, golden)
            explained = self._damaged_agents() | frame.late_by_fault
            self._outside.note_results(frame.number, frame.results, explained)
            verdict = scheduler.agreed = self._roll_back_if_needed(frame, verdict)
        if self._memory is not None:
            self._memory.settle(verdict)
            if self._scheme.primary is not None:
                self._metrics.command_changes = self._scheme.primary.memory.changes
        scheduler.frames_alone = scheduler.frames_alone + 1 if is_alone(verdict) else 0
        self._metrics.count(verdict)
        if isinstance(self._scheme.values, CheckedVoter):
            self._checked.count(verdict, self._golden.output_digest)
            self._metrics.count_checked(self._checked)
        replicas = self._redundancy.replicas
        if frame.copies_differed and replicas is not None:
            self._metrics.count_replicas(frame.replicas, replicas.alike)
        frame.decided = verdict
        if not frame.quiet:
            if self._scheme.is_compared(verdict):
                self._spacing.reset()
            suspects = _suspects(self._rig, self._scheme, verdict, self._golden)
            how = {"rolled_back": frame.rolled_back, "lines": frame.copies_differed}
            self._classifier.classify_system(verdict, suspects=suspects, **how)
            frame.actions = self._observe(frame, verdict)
        if self._hold.in_use or not frame.quiet:
            offer = self._hold.held_output
            frame.output = delivered_output(self._rig, frame.results, verdict, offer)
            self._hold.update(verdict, frame.output)

    def record(self, frame: FrameWork) -> None:
        """Record the frame, with all replies unless it is quiet."""
        if not frame.quiet:
            self._recorder.notable(frame.verdict, frame.results, frame.executions, frame.output)
            if frame.replicas:
                self._recorder.record.replicas(frame.number, frame.replicas)
        self._recorder.record.frame(frame.verdict.record)

    def repair(self, frame: FrameWork) -> None:
        """Carry out the repairs that recovery ordered, and take checkpoints."""
        if not frame.quiet:
            frame.healed |= self._scheduler.carry_out(frame.actions)
        self._keep_checkpoints(frame.verdict, frame.healed)
        if not frame.quiet:
            self._refresh_if_alone(frame)
            self._injector.watch.poll(frame.number)

    def settle(self, frame: FrameWork) -> None:
        """Settle the upsets whose outcome is final now, and record it."""
        if not frame.quiet:
            self._settle(frame)
            self._recorder.outcomes()

    def _is_quiet(self, frame: FrameWork, verdict: Verdict) -> bool:
        """Return whether nothing is under way and all nodes agree on the correct result."""
        return (
            verdict.correct
            and _is_golden(self._scheme, verdict, self._golden)
            and verdict.kind is usual_kind(verdict.voters)
            and not any(r.miscounted for r in frame.results.values())
            and not frame.upsets
            and not frame.repeated
            and not frame.copies_differed
            and is_settled(self._recovery, self._upsets)
            and not (self._scheme.compares_others and _another_deviates(frame, verdict))
        )

    # --- the vote -----------------------------------------------------------------------------

    def _read_long_outputs(self, frame: FrameWork, verdict: Verdict) -> None:
        """Read the outputs that are too long for an answer, if this frame needs their bytes."""
        rig = self._rig
        if rig.setup.long_outputs and (self._hold.in_use or not frame.quiet):
            length = self._golden.workload.output_len
            frame.results = with_long_outputs(rig, frame.results, verdict, length)

    def _keep_checkpoints(self, verdict: Verdict, healed: AbstractSet[str] = frozenset()) -> None:
        """Take checkpoints of the state of this frame, if a rollback may use it."""
        scheme, scheduler = self._scheme, self._scheduler
        believed = is_alone(verdict) and scheme.trusts_alone(scheduler.frames_alone)
        if scheme.is_compared(verdict) or (believed and scheme.members > 1):
            scheduler.keep_checkpoints(healed)

    # --- rollback -----------------------------------------------------------------------------

    def _roll_back_if_needed(self, frame: FrameWork, verdict: Verdict) -> Verdict:
        """Roll back while there is no comparable result and attempts are left; return the verdict
        on the last execution."""
        attempts = self._redundancy.rollbacks
        able = self._able_to_go_back(frame)
        self._spacing.begin(frame.number)
        if (
            not attempts
            or self._scheme.executions > 1
            or self._spacing.must_wait(frame.number, frozenset(able))
        ):
            return verdict
        for attempt in range(attempts + 1):
            if self._scheme.is_settled(verdict):
                break
            nodes = self._to_roll_back(frame, verdict, everybody=attempt > 0)
            if not nodes:
                break
            verdict = self._roll_back(frame, nodes, restart=attempt > 0)
        return verdict

    def _able_to_go_back(self, frame: FrameWork) -> list[str]:
        serving = self._recovery.in_state(NodeState.VOTING, NodeState.REINTEGRATING)
        return [n for n in serving if can_go_back(frame.results.get(n, EXCLUDED_RESULT))]

    def _to_roll_back(self, frame: FrameWork, verdict: Verdict, *, everybody: bool) -> list[Node]:
        """Return the nodes to roll back. If one node is alone, those that failed are first (unless
        `everybody`): their new results can be compared with its own."""
        able = self._able_to_go_back(frame)
        failed = [n for n in able if frame.results[n].status != DONE]
        alone = self._scheme.members > 1 and is_alone(verdict)
        if alone and not failed:
            return []
        chosen = failed if alone and not everybody else able
        return [self._rig.by_name[name] for name in chosen]

    def _roll_back(self, frame: FrameWork, nodes: list[Node], *, restart: bool) -> Verdict:
        able = frozenset(self._able_to_go_back(frame))
        began_us = self._rig.clock.now_us()
        rollback = self._redundancy.rollback
        back = rollback.roll_back(nodes, frame.results, frame.number, restart=restart)
        spent_us = self._rig.clock.now_us() - began_us
        frame.rolled_back = True
        self._upsets.hidden_state.rearm_permanent(self._injector, nodes, frame.number + 1)
        frame.results = {**frame.results, **back.results}
        frame.executions.append(self._recorder.in_order(frame.results))
        for name, result in back.results.items():
            if result.status == DONE:
                self._scheduler.has_answered(name)
        verdict = self._frame_vote.vote(frame, self._hold.held_output)
        self._read_long_outputs(frame, verdict)
        ok = not back.failure and self._scheme.is_compared(verdict)
        if not ok:
            self._spacing.failed(frame.number, back.first_frame, able)
        how = Repaired(ok, back.detail, duration_wall_us=spent_us)
        cause = "no majority" if len(self._rig.nodes) > 1 else "the only node failed"
        if self._scheme.members > 1 and len(nodes) < len(self._recovery.in_service):
            cause = "nothing to compare with"
        for node in nodes:
            self._recorder.repair(frame.number, node.name, "rollback", cause, how, ok=ok)
        self._metrics.rollbacks += 1
        if ok:
            self._metrics.recoveries += 1
            frame.healed.update(node.name for node in nodes)
            # a checkpoint may have kept damage
            for node in nodes:
                wrong = _has_wrong_state(self._scheme, verdict, self._golden, node.index)
                self._classifier.mark_contaminated(node.name, wrong)
            for name in back.restarted:
                boots = self._rig.by_name[name].capabilities.boots
                self._classifier.on_repaired(frame.number, name, NodeState.RESTART, boots)
        return verdict

    # --- orders and outcomes --------------------------------------------------------------------

    def _observe(self, frame: FrameWork, verdict: Verdict) -> list[Action]:
        """Report to recovery what the frame shows of each node; return the repairs it orders."""
        actions: list[Action] = []
        for node in self._rig.nodes:
            result = frame.results.get(node.name)
            if result is None:
                continue
            if result.host:  # the host's fault
                self._recorder.slip(frame.number, None, 0, f"node {node.name}: {result.reason}")
            elif result.behind:
                self._recorder.slip(frame.number, node.name, 0, result.reason)
            elif result.late:  # only a slip, unless it lasts
                cut = "" if node.powered else ": its power was cut"
                detail = f"no answer by the end of the frame{cut}"
                self._recorder.slip(frame.number, node.name, 0, detail)
            if result.behind:
                cause = THE_HOST_WAS_BUSY if result.host else IT_WAS_LATE
                actions += self._recovery.resync_after_lateness(frame.number, node.name, cause)
            observed = observation(result, verdict, node.index, confirmed=frame.confirmed)
            if observed is not None:
                actions += self._recovery.observe(frame.number, node.name, observed)
        self._recorder.transitions()
        return actions

    def _refresh_if_alone(self, frame: FrameWork) -> None:
        """Refresh the only node of a rig without redundancy whose upsets are to be independent
        experiments (see RepairExecutor.refresh)."""
        if len(self._rig.nodes) > 1 or not self._upsets.planner.one_at_a_time:
            return
        node = self._rig.nodes[0]
        result = frame.results.get(node.name)
        if result is None or result.status != DONE or not self._classifier.open:
            return
        if self._worth.of(node.name, result).state_digest != self._golden.state_digest:
            how = self._redundancy.executor.refresh(node, frame.number)
            self._recorder.repair(
                frame.number, node.name, "refresh", "harness: one upset at a time", how, ok=how.ok
            )
            if how.ok:
                frame.results[node.name] = NodeResult(
                    DONE, 0, result.output_digest, self._golden.state_digest
                )

    def _settle(self, frame: FrameWork) -> None:
        """Settle the open upsets of nodes that work again or are isolated."""
        for node in self._rig.nodes:
            state = self._recovery.state(node.name)
            if state is NodeState.ISOLATED:
                self._classifier.settle(frame.number, node.name, isolated=True)
            elif state is NodeState.VOTING and not self._injector.watch.is_watched(node.name):
                if self._injector.hits(node.name, frame.number):
                    continue  # a fault of its lines, or of its timing, lasts
                if node.name in frame.healed or self._is_clean(frame, node):
                    self._classifier.settle(frame.number, node.name)

    def _damaged_agents(self) -> set[str]:
        """Return the nodes whose agent's memory holds an upset."""
        has_live_upset = self._classifier.has_live_upset
        return {n.name for n in self._rig.nodes if has_live_upset(n.name, UpsetTarget.AGENT)}

    def _is_clean(self, frame: FrameWork, node: Node) -> bool:
        result = frame.results.get(node.name)
        return (
            result is not None
            and result.status == DONE
            and self._worth.of(node.name, result).state_digest == self._golden.state_digest
        )


def _is_golden(scheme: Scheme, verdict: Verdict, golden: Golden) -> bool:
    """Return whether the states behind a correct output are right, too."""
    if scheme.values is None:
        return verdict.state == golden.state_digest
    if isinstance(scheme.values, CheckedVoter):
        return all_golden(verdict.ballots, golden)
    return scheme.is_plain(verdict, golden.state_digest)


def _another_deviates(frame: FrameWork, verdict: Verdict) -> bool:
    """Return whether a node that does not decide is not as the others."""
    failed = any(result.status != DONE for result in frame.results.values())
    return failed or bool(verdict.dissent | verdict.latent)


def _has_wrong_state(scheme: Scheme, verdict: Verdict, golden: Golden, node: int) -> bool:
    """Return whether a node that went back has a wrong state by the agreement; a doer and its
    checkers each by their own."""
    if isinstance(scheme.values, CheckedVoter):
        return verdict.ballots[node].state_digest != golden.of(node).state_digest
    return scheme.has_wrong_state(verdict, golden.state_digest)


def _suspects(rig: Rig, scheme: Scheme, verdict: Verdict, golden: Golden) -> list[str] | None:
    """Return the nodes that can have let out a wrong output, by name; None: all of them."""
    if not isinstance(scheme.values, CheckedVoter):
        return None
    return [rig.nodes[index].name for index in wrong_and_agreeing(verdict, golden)]
