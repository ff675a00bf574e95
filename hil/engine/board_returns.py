"""Board returns: boards that were absent return to service, and the run waits for them where its
scenario says so.

The reconnector searches for absent boards beside the run (hil.rig.reconnect). Between two frames
those that are back are repaired. A run does not wait for them, with two exceptions, both bounded by
the time that a board may take to boot (`timeouts.boot_s`), or to answer if nothing says that it
boots (`timeouts.lost_after_ms`):

    a run that is not in real time (unpaced, or faster) waits if no node is left in service, and
        before its last frames, in which a node could not vote again any more;
    every run that is not ended early waits after its last frame: whether a board returns decides
        the outcomes of its upsets, and whether it is lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from hil.engine.frame_work import FrameWork
from hil.engine.part_groups import FrameTimes, RedundancyParts, UpsetParts
from hil.engine.repair_scheduler import RepairScheduler
from hil.engine.run_recorder import RunRecorder
from hil.redundancy.recovery import NodeState
from hil.rig.node import SILENT, Node, NodeResult, power_cut_had_no_effect
from hil.rig.rig import Rig

__all__ = ["BoardReturns"]

_LOOK_S: Final = 0.1


class BoardReturns:
    """Returns the absent boards of one run to service. `scheduler` carries out their repairs. When
    `stop` returns true, no board is waited for any longer. `awaited` are the nodes for whose boards
    the run waits now; `may_wake` is that of RunControls. Not thread-safe."""

    def __init__(
        self,
        rig: Rig,
        redundancy: RedundancyParts,
        upsets: UpsetParts,
        times: FrameTimes,
        *,
        recorder: RunRecorder,
        scheduler: RepairScheduler,
        boot_s: float,
        stop: Callable[[], bool],
    ) -> None:
        self._rig = rig
        self._recovery = redundancy.recovery
        self._power_cuts = upsets.injector.power
        self._classifier = upsets.classifier
        self._times = times
        self._recorder = recorder
        self._scheduler = scheduler
        self._scheme = redundancy.scheme
        self._boot_us = int(boot_s * 1e6)
        self._stop = stop
        self.may_wake: Callable[[int, str], bool] = lambda _frame, _name: True
        self._absent_since_us: dict[str, int] = {}
        self.awaited: list[str] = []
        self._waited = False  # to the end: no board is expected any more

    # --- waiting ------------------------------------------------------------------------------

    @property
    def expected(self) -> list[str]:
        """Return the nodes whose boards are absent although nothing keeps their power off, and are
        still waited for."""
        if self._waited or not self._rig.reconnector.searches_any:
            self._absent_since_us.clear()
            return []
        rig, recovery = self._rig, self._recovery
        searched, now_us = rig.reconnector.searched_for, rig.clock.now_us()
        may_return = [
            node
            for node in rig.nodes
            if node.name in searched
            and node.powered
            and not rig.reconnector.is_listening(node.name)
            and not recovery.is_held(node.name)
            and not recovery.is_shed(node.name)
        ]
        since = {n.name: self._absent_since_us.get(n.name, now_us) for n in may_return}
        self._absent_since_us = since
        return [n.name for n in may_return if now_us - since[n.name] < self._patience_us(n)]

    def _patience_us(self, node: Node) -> int:
        """Return how long an absent board is waited for. One whose power was switched boots; one
        whose power can be switched may boot by itself, and is power-cycled if that is in vain; of
        any other nothing says that it will ever answer again, unless it is known how long it
        boots."""
        if node.name in self._scheduler.power_cycles:
            usual_us = self._boot_us
        elif node.board.can_cycle:
            usual_us = 2 * self._boot_us
        else:
            usual_us = self._rig.requests.timing.lost_after_us
        known = node.capabilities
        return max(usual_us, known.boot_timeout_us, known.stated_boot_us)

    def waits(self, frame: int) -> bool:
        """Wait a moment if the run has to before `frame`; return whether it must wait longer."""
        self.awaited = []
        if not self._rig.reconnector.searches_any or self._times.pacer.real_time:
            return False
        remaining = self._times.frame_count - self._times.nominal(frame)
        margin = self._recovery.policy.reintegrate_frames + 1 + len(self._rig.nodes)
        if self._recovery.in_service and remaining > margin:
            return False
        self.awaited = self.expected
        return bool(self.awaited) and not self._rig.reconnector.wait(_LOOK_S)

    def finish(self, frame: int, between: Callable[[], None]) -> None:
        """Wait after the last frame for the boards that may still return, and repair those that do.
        `between` is called while it waits."""
        self._restore_power(frame)
        while self._rig.reconnector.searches_any and not self._stop():
            self.awaited = self.expected
            if not self.awaited:
                break
            self._rig.reconnector.wait(_LOOK_S)
            self._repair_reconnected(frame)
            between()
        self._waited = not self._stop()
        for name in list(self._scheduler.power_cycles):
            why = "its power was cycled, and its agent has not answered since"
            self._scheduler.fail_power_cycle(frame - 1, name, why)

    def _restore_power(self, frame: int) -> None:
        """Switch the boards on whose power an upset cut so late that recovery has not seen them
        silent for long enough, and is to be back."""
        for name in self._power_cuts.not_restored(frame):
            node, search = self._rig.by_name[name], self._rig.reconnector
            if self._stop() or not node.board.can_cycle or not node.board.can_return:
                continue
            if self._scheduler.agreed is not None and name not in search.searched_for:
                self._scheduler.carry_out(self._recovery.on_power_restored_at_end(frame - 1, name))

    # --- returning to service -----------------------------------------------------------------

    def bring_back(self, work: FrameWork) -> None:
        """Repair the boards whose power has returned, or that have come back by themselves."""
        frame = work.number
        cuts = self._power_cuts
        if cuts.any_followed:
            for upset in cuts.poll():
                self._classifier.deny(upset)
        if self._rig.reconnector.searches_any:
            self._repair_reconnected(frame)
        for name in cuts.pop_due(frame, self.may_wake) if cuts.returning else ():
            if self._scheduler.agreed is not None:
                actions = self._recovery.on_power_restored(frame - 1, name)
                self._scheduler.carry_out(actions)
        self._retry_isolated(frame)

    def _retry_isolated(self, frame: int) -> None:
        """Try to repair isolated nodes if those in service are too few for an output."""
        recovery = self._recovery
        if self._everybody_serves or self._scheduler.agreed is None:
            return
        serving = sum(1 << self._rig.by_name[name].index for name in recovery.in_service)
        if not self._scheme.has_too_few(serving):
            return
        for name in recovery.in_state(NodeState.ISOLATED):
            if self._rig.by_name[name].powered and name not in self._rig.reconnector.searched_for:
                self._scheduler.carry_out(recovery.retry_isolated(frame - 1, name))

    @property
    def _everybody_serves(self) -> bool:
        return len(self._recovery.in_service) == len(self._rig.nodes)

    def _repair_reconnected(self, frame: int) -> None:
        """Repair the boards that were searched for and are back."""
        for node in self._rig.absent.take_reconnected():
            cycle = self._scheduler.power_cycles.get(node.name)
            if cycle is not None:
                cycle.answered_after_s = (self._rig.clock.now_us() - cycle.began_us) / 1e6
            self._classifier.on_returned(node.name)
            self._rig.power.is_back(node.name)
            self._verify_power_cut(frame, node)
            actions = self._recovery.on_reconnected(frame - 1, node.name)
            self._recorder.transitions()
            self._scheduler.carry_out(actions)

    def _verify_power_cut(self, frame: int, node: Node) -> None:
        """Record whether a board that is back had lost its power, by its boot id and uptime."""
        upset = self._power_cuts.on_reconnected(node)
        if upset is not None:  # its silence had another cause
            self._classifier.deny(upset)
        self._recorder.delivery_notes(frame)
        if node.power_cycle_had_no_effect:
            node.power_cycle_had_no_effect = False
            self._scheduler.fail_power_cycle(frame - 1, node.name, power_cut_had_no_effect(node))
            if upset is None:
                self._recorder.record.note(frame, power_cut_had_no_effect(node))

    # --- becoming absent ----------------------------------------------------------------------

    def look_for_isolated(self, frame: FrameWork) -> None:
        """Search for the boards of isolated nodes, or listen to their links: somebody may replace a
        cable. The upsets of those that may return wait for it."""
        if frame.quiet and not self._classifier.waiting:
            return
        for name in self._recovery.in_state(NodeState.ISOLATED):
            self._look_for(self._rig.by_name[name], frame.results.get(name))
        expected = self.expected
        for name in self._recovery.in_state(NodeState.ISOLATED):
            if name in expected:
                self._classifier.on_absent(name)
            else:
                self._classifier.on_returned(name)  # nothing to wait for: it is to be settled

    def _look_for(self, node: Node, result: NodeResult | None) -> None:
        rig = self._rig
        if not node.board.can_return or not node.powered:
            return
        if node.name in rig.reconnector.searched_for:
            return
        if result is not None and result.status == SILENT:
            rig.absent.exclude(node, cycle=False)
        else:
            rig.listen_to(node)
