"""Healing: what recovery orders is carried out, and boards that are back are taken up again.

`RepairScheduler` holds what nodes are healed to: the verdict of the last frame."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Final

from hil.engine.parts import Parts
from hil.engine.recorder import RunRecorder
from hil.engine.repair_executor import Repaired
from hil.record.queries import WAS_ALONE
from hil.redundancy.electorate import is_alone
from hil.redundancy.recovery import BOARD_IS_BACK, Action, NodeState
from hil.redundancy.voting import Ballot, Verdict
from hil.rig.calls import Timing
from hil.rig.node import DONE, SILENT, Node, NodeResult, power_cut_had_no_effect
from hil.wire.messages import Sync

__all__ = ["RepairScheduler"]

_LOOK_US: Final = 100_000
_LEAST_WAIT_US: Final = 1_000


class RepairScheduler:
    """Of the run of `parts`. `agreed`: the verdict of the last frame, None before the first;
    `frames_alone`: in how many frames in a row up to it one node had no other to compare with;
    `stop` ends the wait for a board."""

    def __init__(self, parts: Parts, recorder: RunRecorder, stop: Callable[[], bool]) -> None:
        self._parts = parts
        self._recorder = recorder
        self._stop = stop
        self._waited_in_vain = False
        self._answered: set[str] = set()
        self.agreed: Verdict | None = None
        self.frames_alone = 0

    def has_answered(self, name: str) -> None:
        """The node has answered meanwhile: a repair succeeded, or it computed a frame again."""
        self._answered.add(name)

    def take_answered(self) -> set[str]:
        """Return the nodes that have answered since the last call."""
        answered, self._answered = self._answered, set()
        return answered

    # --- repairs ------------------------------------------------------------------------------

    def carry_out(self, actions: Sequence[Action], at: int | None = None) -> set[str]:
        """Carry out actions, and what is ordered instead of those that fail; who was healed.
        Nobody, while there is no frame to heal from. They are recorded with the frame of the last
        verdict, or `at`."""
        healed: set[str] = set()
        verdict = self.agreed
        if verdict is None:
            return healed
        frame = verdict.frame if at is None else at
        recovery = self._parts.recovery
        due = list(actions)
        if due:
            verdict = self._checked(verdict, frame)
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

    def _checked(self, verdict: Verdict, frame: int) -> Verdict:
        """The verdict that nodes are healed to. A node that is alone, and not believed, first goes
        back to the last state that was voted on and computes its own again: what hit it since then
        must not be given to the others."""
        parts = self._parts
        holders = self.holders
        believed = parts.rules.trusts_alone(self.frames_alone)
        if not is_alone(verdict) or believed or len(holders) != 1:
            return verdict
        node = holders[0]
        result = NodeResult(DONE, 0, verdict.output, verdict.state)
        began_us = parts.rig.clock.now_us()
        back = parts.rollback.roll_back([node], {node.name: result}, verdict.frame, restart=False)
        again = back.results.get(node.name)
        ok = again is not None and again.status == DONE
        spent_us = parts.rig.clock.now_us() - began_us
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

    def keep_checkpoints(self, healed: AbstractSet[str]) -> None:
        """Let the boards whose state is the agreed one keep a copy of it, where one is due."""
        parts, verdict = self._parts, self.agreed
        if verdict is None or not verdict.state:
            return
        timing = parts.rig.requests.timing
        if parts.deadlines:  # a board that falls silent now must not cost many frames
            left_us = max(_LEAST_WAIT_US, parts.pacer.left_us())
            timing = Timing(timing.retry_us, min(left_us, timing.lost_after_us), noise_patience=1)
        holders = [n for n in self.holders if n.link.connected]
        parts.checkpoints.take(verdict, self._with_healed(holders, healed), healed, timing)

    def _with_healed(self, holders: list[Node], healed: AbstractSet[str]) -> list[Node]:
        """And those that have just been given the agreed state, and confirmed its digest."""
        serving = self._parts.recovery.in_service
        return [
            n
            for n in self._parts.nodes
            if n in holders or (n.name in healed and n.name in serving and n.link.connected)
        ]

    def _repair(self, action: Action, verdict: Verdict, frame: int) -> Repaired:
        parts = self._parts
        node = parts.by_name[action.node]
        sources = [n for n in self.holders if n is not node]
        loads = node.loads
        believed = not is_alone(verdict) or parts.rules.trusts_alone(self.frames_alone)
        how = parts.executor.repair(action, node, verdict, sources, believed=believed)
        if how.lost and node.board.can_return:
            parts.rig.absent.exclude(node, cycle=False)
            how = replace(how, away=True)
        parts.hidden_state.rearm_permanent(parts.injector, [node], verdict.frame + 1)
        self._recorder.repair(frame, node.name, action.rung.value, action.cause, how, ok=how.ok)
        if how.ok:
            self.has_answered(node.name)
            if parts.recovery.take_was_isolated(node.name):
                parts.executor.freshen(node)
                parts.checkpoints.replace_all(node, Sync(verdict.frame, verdict.state))
            wrong = verdict.state != parts.golden.state_digest
            parts.metrics.recoveries += 1
            # A board that came back as it was has its old worker, with all that lies in it.
            as_it_was = action.cause == BOARD_IS_BACK and node.loads == loads
            rung = NodeState.RESYNC if as_it_was else action.rung
            parts.classifier.on_repaired(node.name, rung, node.capabilities.boots)
            parts.classifier.mark_contaminated(node.name, wrong)
        return how

    @property
    def holders(self) -> list[Node]:
        """The nodes in service whose state after the last frame is the agreed one."""
        verdict = self.agreed
        if verdict is None or not verdict.state:
            return []
        voting = self._parts.recovery.in_state(NodeState.VOTING, NodeState.REINTEGRATING)
        return [
            n
            for n in self._parts.nodes
            if n.name in voting
            and verdict.ballots[n.index].status == DONE
            and verdict.ballots[n.index].state_digest == verdict.state
        ]

    # --- boards that are back -----------------------------------------------------------------

    def bring_back(self, frame: int) -> None:
        """Repair the boards whose power has returned, or that have come back by themselves."""
        parts = self._parts
        if parts.rig.reconnector.searched_for:
            self._take_in(frame)
        for name in parts.injector.power.pop_due(frame):
            if self.agreed is not None:
                self.carry_out(parts.recovery.on_power_restored(frame - 1, name))
        self._try_the_isolated(frame)

    def _try_the_isolated(self, frame: int) -> None:
        """Nodes that were given up, where those in service are too few for an output."""
        parts, recovery = self._parts, self._parts.recovery
        if self.agreed is None or len(recovery.in_service) >= parts.rules.needed:
            return
        for name in recovery.in_state(NodeState.ISOLATED):
            if parts.by_name[name].powered and name not in parts.rig.reconnector.searched_for:
                self.carry_out(recovery.retry_isolated(frame - 1, name))

    def _take_in(self, frame: int) -> None:
        """Take up the boards that were looked for and are back. Where nobody is left to go on, one
        is waited for, but not longer than for an answer."""
        parts = self._parts
        if not parts.recovery.in_service and not self._waited_in_vain:
            self._waited_in_vain = not self._wait_for_a_board()
        for node in parts.rig.absent.take_reconnected():
            self._waited_in_vain = False
            self._tell_what_was_switched(frame, node)
            actions = parts.recovery.on_reconnected(frame - 1, node.name)
            self._recorder.transitions()
            self.carry_out(actions)

    def _tell_what_was_switched(self, frame: int, node: Node) -> None:
        """The board is back: what its boot id and uptime say of its power that was cut."""
        parts = self._parts
        upset = parts.injector.power.on_reconnected(node)
        if upset is not None:  # its silence had another cause
            parts.classifier.withdraw(upset)
        self._recorder.delivery_notes(frame)
        if node.power_cycle_had_no_effect:
            node.power_cycle_had_no_effect = False
            how = Repaired(False, power_cut_had_no_effect(node))
            self._recorder.repair(frame - 1, node.name, "power_cycle", "silent", how, ok=False)
            if upset is None:
                self._recorder.record.note(frame, power_cut_had_no_effect(node))

    def _wait_for_a_board(self) -> bool:
        rig = self._parts.rig
        end_us = rig.clock.now_us() + rig.requests.timing.lost_after_us
        while (left_us := end_us - rig.clock.now_us()) > 0 and not self._stop():
            if rig.reconnector.wait(min(left_us, _LOOK_US) / 1e6):
                return True
        return False

    def look_for_isolated(self, results: dict[str, NodeResult]) -> None:
        """Boards that were given up may come back another way: somebody replaces a cable."""
        rig = self._parts.rig
        for name in self._parts.recovery.in_state(NodeState.ISOLATED):
            node = self._parts.by_name[name]
            result = results.get(name)
            if not node.board.can_return or not node.powered:
                continue
            if name in rig.reconnector.searched_for:
                continue
            if result is not None and result.status == SILENT:
                rig.absent.exclude(node, cycle=False)
            else:
                rig.listen_to(node)
