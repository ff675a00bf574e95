"""Board orders: cut, restore, suspend and limit boards as the plant orders.

Each order is recorded with the board's answer; recovery sheds and readmits the node."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from hil.engine.node_power import NodePower, permille
from hil.engine.run_controls import RunControls
from hil.errors import LinkError, NodeError, SetupError
from hil.plant.moment import BoardMoment, PowerLevel
from hil.record.limit_orders import AppliedLimits, OrderedLimits
from hil.redundancy.recovery import NodeState
from hil.rig.background_call import BackgroundCall
from hil.rig.node import PowerCut
from hil.wire.messages import Limits

__all__ = ["BoardOrders"]

_POWER_IS_BACK: Final = "there is power again"


_SWITCHING_MAX_S: Final = 60.0
"""The longest that a board which may run again waits for the supply that still switches it off."""


@dataclass(frozen=True, slots=True)
class _Switching:
    """A board that its supply switches off beside the run, and why."""

    node_power: NodePower
    cause: str
    off: BackgroundCall[None]


class BoardOrders:
    """Carries out the plant's orders to the boards of one run. `sheds` counts how often a node was
    shed. Not thread-safe."""

    def __init__(self, controls: RunControls) -> None:
        self._controls = controls
        self._switching: dict[str, _Switching] = {}
        self.sheds = 0

    def cut(self, frame: int, node_power: NodePower, cause: str) -> None:
        """Cut the power of a board and shed its node; suspend the board instead if its power cannot
        be switched. `cause` is recorded."""
        node = node_power.node
        was_powered = node.powered
        node_power.suspended = False
        if was_powered and node.board.can_return:  # its supply may take seconds
            node.power_cuts.add(PowerCut.PLANT)
            off = BackgroundCall(node.board.power_off, f"switches {node.name} off")
            self._switching[node.name] = _Switching(node_power, cause, off)
            self._exclude(frame, node_power, cause)
            return
        if was_powered:
            try:
                node.board.power_off()
            except SetupError as error:
                node_power.cannot_switch = True
                self.suspend(frame, node_power, cause, power=f"not ours: {error.message}")
                return
            node.link.detach("no power")
        node.power_cuts.add(PowerCut.PLANT)
        self._shed(frame, node_power, cause, OrderedLimits(None), AppliedLimits(power="off"))

    def poll(self, frame: int) -> None:
        """Record what has been switched off since the last call; suspend the boards of which the
        power could not be switched off."""
        for name in [n for n, s in self._switching.items() if s.off.done]:
            self._switched(frame, self._switching.pop(name))

    def finish(self, frame: int) -> None:
        """Wait, at the end of the run, for the supplies that still switch, and record that."""
        for switching in self._switching.values():
            switching.off.wait(_SWITCHING_MAX_S)
        self.poll(frame)

    def _switched(self, frame: int, switching: _Switching) -> None:
        node_power, cause = switching.node_power, switching.cause
        node = node_power.node
        try:
            _ = switching.off.result
        except SetupError as error:
            node.power_cuts.discard(PowerCut.PLANT)
            node_power.cannot_switch = True
            asked = replace(node_power.limits, suspend=True)
            applied = replace(self._ask(node_power, asked), power=f"not ours: {error.message}")
            node_power.suspended = True
            self._record(frame, node_power, cause, OrderedLimits(asked), applied)
            return
        node.link.detach("no power")
        off = AppliedLimits(power="off")
        self._record(frame, node_power, cause, OrderedLimits(None), off)

    def suspend(
        self, frame: int, node_power: NodePower, cause: str, *, power: str | None = None
    ) -> None:
        """Suspend the worker of a board and shed its node. `power`: why its power could not be
        switched off, which was tried before; None if it was not."""
        asked = replace(node_power.limits, suspend=True)
        applied = replace(self._ask(node_power, asked), power=power)
        node_power.suspended = True
        self._shed(frame, node_power, cause, OrderedLimits(asked), applied)

    def suspend_again(self, node_power: NodePower) -> None:
        """Suspend a board that was suspended before the run was resumed."""
        self._ask(node_power, replace(node_power.limits, suspend=True))

    def _shed(
        self,
        frame: int,
        node_power: NodePower,
        cause: str,
        ordered: OrderedLimits,
        applied: AppliedLimits,
    ) -> None:
        self._exclude(frame, node_power, cause)
        self._record(frame, node_power, cause, ordered, applied)

    def _exclude(self, frame: int, node_power: NodePower, cause: str) -> None:
        node_power.down = cause
        self.sheds += 1
        self._controls.recovery.exclude(frame, node_power.node.name, cause)
        self._controls.carry_out(frame, ())

    def give_back(self, frame: int, node_power: NodePower) -> None:
        """Readmit a node that was shed, and have it repaired."""
        node = node_power.node
        switching = self._switching.pop(node.name, None)
        if switching is not None:  # it was given back before its supply had switched it off
            switching.off.wait(_SWITCHING_MAX_S)
            self._switched(frame, switching)
        was_suspended, node_power.suspended, node_power.down = node_power.suspended, False, ""
        node_power.cannot_switch = False
        limits = Limits()
        if was_suspended:
            limits = replace(node_power.limits, suspend=False)
            applied = self._ask(node_power, limits)
            first = NodeState.RESYNC if applied.error is None else NodeState.POWER_CYCLE
        else:
            applied, first = AppliedLimits(power="on"), NodeState.POWER_CYCLE
            node.power_cuts.discard(PowerCut.PLANT)
        self._record(frame, node_power, _POWER_IS_BACK, OrderedLimits(limits), applied)
        recovery = self._controls.recovery
        actions = recovery.readmit(frame - 1, node.name, first, _POWER_IS_BACK)
        self._controls.carry_out(frame, actions)

    def limit(self, frame: int, node_power: NodePower, at: BoardMoment) -> None:
        """Set the limits of a board if they differ from those that it has."""
        wanted = node_power.limits_at(at)
        restarted = node_power.loads != node_power.node.loads  # a restart lifts the limits
        node_power.loads = node_power.node.loads
        if wanted == node_power.limits and not (restarted and wanted != Limits()):
            return
        applied = self._ask(node_power, wanted)
        refused = applied.refused
        if {"clock", "mode"} & set(refused) and at.level == PowerLevel.CAPPED:
            # A board whose clock or mode cannot be set is slowed down by pauses.
            slower = replace(wanted, duty_permille=permille(at.duty))
            applied = replace(self._ask(node_power, slower), instead_of=refused)
        node_power.limits = wanted
        step = f", throttled by {at.throttle} steps" if at.throttle else ""
        self._record(frame, node_power, f"{at.level}{step}", OrderedLimits(wanted), applied)

    def limit_supply(self, node_power: NodePower, watts: float | None) -> None:
        """Set the power at which the bench supply of a node, if any, trips as the flight's bus
        would [W]; None leaves it as it is."""
        if watts is not None and watts != node_power.supply_w:
            node_power.supply_w = watts
            self._controls.rig.power.limit_power(node_power.node.name, watts)

    def _record(
        self,
        frame: int,
        node_power: NodePower,
        cause: str,
        ordered: OrderedLimits,
        applied: AppliedLimits,
    ) -> None:
        name = node_power.node.name
        self._controls.record.limit(frame, name, cause, ordered.text(), applied.text())

    def _ask(self, node_power: NodePower, limits: Limits) -> AppliedLimits:
        """Set limits and return those that the board reports as in force, or its error."""
        try:
            return AppliedLimits(limits=self._controls.rig.limit(node_power.node, limits))
        except (LinkError, NodeError) as error:
            return AppliedLimits(error=error.message)
