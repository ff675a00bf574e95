"""The coupling: what the plant orders is carried out on the boards; what they do is told to it.

Once per step of the plant, between two frames. What a board's level comes to:

    full, capped   runs; its agent is told the duty (or clock, or power mode) that is left to it
    suspend        its worker stands still; the node is shed until it may run again
    off            its power is cut, or if that is not ours, it is suspended; shed likewise

A node that may run again is healed and brought back by recovery: after a suspension by a resync,
after a cut by a power cycle. The plant gives back only the power that it has taken itself: a board
that an upset switched off stays off, and is not the plant's to shed. An over-current (a latch-up)
and a chip that is too hot have their power cut here, as a board's supervisor would."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from hil.engine.node_power import NodePower
from hil.engine.plant_rows import PlantRows
from hil.engine.power_orders import PowerOrders
from hil.engine.run_controls import RunControls
from hil.plant.build import BuiltPlant
from hil.plant.flight import FlightSnapshot
from hil.plant.moment import BoardMoment
from hil.redundancy.recovery import NodeState
from hil.rig.node import NodeResult
from hil.scenario import BoardKind, Scenario
from hil.scenario.plant.flight import Feedback
from hil.upsets.upset import Upset
from hil.upsets.words import NodeEffect
from hil.wire.messages import Health

__all__ = ["NodePowerSnapshot", "PlantCoupling", "PlantSnapshot"]

_SOFTWARE: Final = frozenset({BoardKind.INPROC, BoardKind.PROCESS})
_RAISED: Final = 1.2
"""Power over what was expected, from which on a latch-up is seen."""


@dataclass(frozen=True, slots=True)
class NodePowerSnapshot:
    """What the plant ordered of one node; the fields are those of NodePower."""

    down: str
    suspended: bool
    until_us: int | None
    hot: bool


@dataclass(frozen=True, slots=True)
class PlantSnapshot:
    """The plant between two frames: the flight, what was counted, when the next row of the record
    is due [us], and what was ordered of each node."""

    flight: FlightSnapshot
    sheds: int
    latch_ups: int
    too_hot: int
    row_at_us: int
    nodes: Mapping[str, NodePowerSnapshot]


class PlantCoupling:
    """Between the plant of a scenario and the rig of its run."""

    def __init__(self, controls: RunControls, scenario: Scenario, built: BuiltPlant) -> None:
        assert scenario.plant is not None
        self._controls = controls
        self._plant = scenario.plant
        self.flight = built.flight
        profiles = {board.name: board.profile for board in built.boards}
        kinds = {node.name: node.board for node in scenario.rig.nodes}
        self._node_powers = {
            node.name: NodePower(node, profiles[node.name], kinds[node.name] in _SOFTWARE)
            for node in controls.rig.nodes
        }
        self._end_us = scenario.frame_count * scenario.frame_us
        self._rows = PlantRows(
            built,
            lambda: controls.record,
            lambda name: self._node_powers[name].steps_per_s(),
            every_us=max(self._plant.step_us, round(self._plant.record_every_s * 1e6), 1),
            end_us=self._end_us,
        )
        self._shown: dict[str, tuple[str, int]] = {}
        self._orders = PowerOrders(controls)
        self._latch_ups = 0
        self._too_hot = 0

    # --- asked by the loop ----------------------------------------------------------------------

    @property
    def next_us(self) -> int:
        """Not before this has `turn` anything to do."""
        return self.flight.next_us

    def quiet_until_us(self) -> int:
        """Until then boards are told nothing new, if they go on as they do; while one is kept
        without power for a while that end is not known ahead."""
        if any(c.until_us is not None or c.hot or c.latched for c in self._node_powers.values()):
            return self.flight.next_us
        return self.flight.next_change_us(self._end_us)

    @property
    def reported(self) -> bool:
        """Power and temperature come from the boards: no two runs are the same."""
        return self._plant.feedback is Feedback.REPORTED

    def saw(self, results: dict[str, NodeResult]) -> None:
        """The results of a frame, for how fast boards are."""
        for name, result in results.items():
            if result.step_us:
                self._node_powers[name].step_us.append(result.step_us)

    def heard(self, name: str, health: Health) -> None:
        """What a board's sensors say."""
        self._node_powers[name].health = health

    def latch_up(self, upset: Upset) -> None:
        """From now on a board draws too much, until its power is cut."""
        node_power = self._node_powers[upset.plan.node]
        if not node_power.node.powered or node_power.down:
            upset.refuse("the board has no power")
        elif node_power.latched is not None:
            upset.refuse("it is latched already")
        else:
            node_power.latched = upset
            self._latch_ups += 1
            self._tell(node_power)

    # --- one turn -------------------------------------------------------------------------------

    def step(self, frame: int, t_us: int) -> None:
        """Bring the plant to `t_us`, before `frame`, and boards to what it orders."""
        moment = self._rows.advance(frame, t_us)
        changed = False
        for name, node_power in self._node_powers.items():
            at = moment.boards[name]
            changed |= self._shown.get(name) != (at.level, at.throttle)
            self._shown[name] = (at.level, at.throttle)
            self._release(node_power)
            self._protect(frame, t_us, node_power, at)
            self._apply(frame, node_power, at)
            self._tell(node_power)
        if changed:
            self._rows.moment(frame, moment)
        self._rows.orbit(t_us)

    def _release(self, node_power: NodePower) -> None:
        """A latch-up ends with the power of its board, whoever has cut it."""
        upset = node_power.latched
        if upset is not None and node_power.cut_by_upset:
            node_power.latched = None
            self._judge_latch_up(upset)

    def _protect(self, frame: int, t_us: int, node_power: NodePower, at: BoardMoment) -> None:
        """Cut the power of a board that draws too much or is too hot; give it back in time."""
        watch = self._plant.latch_up
        if node_power.latched is not None and at.power_w is not None and not node_power.down:
            expected = node_power.expected_w(at)
            if at.power_w > _RAISED * expected:
                node_power.latched.confirm_power_rise()
            if watch.trip_factor is not None and at.power_w > watch.trip_factor * expected:
                node_power.latched.assessment.detected_frame = frame
                node_power.until_us = t_us + round(watch.off_s * 1e6)
                self._orders.cut(
                    frame,
                    node_power,
                    f"over-current: {at.power_w:.1f} W where {expected:.1f} W is the most",
                )
        if at.tripped and not node_power.hot and not node_power.down:
            node_power.hot = True
            self._too_hot += 1
            self._orders.cut(frame, node_power, f"its chip was too hot: {at.die_c:.0f} °C")
        if node_power.hot and at.die_c is not None:
            node_power.hot = at.die_c >= node_power.profile.thermal.throttle_clear_c.value
        if node_power.until_us is not None and t_us >= node_power.until_us:
            node_power.until_us = None

    def _apply(self, frame: int, node_power: NodePower, at: BoardMoment) -> None:
        kept_down = node_power.kept_down
        if not node_power.down and not kept_down and not self._is_on(node_power):
            return  # `off` is what the plant was told of this board, not what it orders
        if at.level == "off" or kept_down:
            if not node_power.down or (node_power.suspended and at.level == "off"):
                self._orders.cut(frame, node_power, self._why(at))
        elif at.level == "suspend":
            if not node_power.down:
                self._orders.suspend(frame, node_power, self._why(at))
        elif node_power.down:
            self._give_back(frame, node_power)
        if not node_power.down and node_power.node.link.connected:
            self._orders.limit(frame, node_power, at)
            trip = self._plant.latch_up.trip_factor
            watts = None if trip is None else trip * node_power.expected_w(at)
            self._orders.limit_supply(node_power, watts)

    def _is_on(self, node_power: NodePower) -> bool:
        """Whether the board has power, and the plant's moment was computed with that."""
        return node_power.node.powered and self.flight.draw(node_power.node.name).on

    def _why(self, at: BoardMoment) -> str:
        moment = self.flight.moment
        if moment.soc is None:
            return f"the plant says {at.level}"
        if moment.stage == 255:
            return f"brown-out: the bus broke down at {100 * moment.soc:.0f} % charge"
        return f"power is short: battery at {100 * moment.soc:.0f} %, {at.level}"

    def _give_back(self, frame: int, node_power: NodePower) -> None:
        """The node may run again: a latch-up that it had is over."""
        node = node_power.node
        upset, node_power.latched = node_power.latched, None
        booted = None if node.hello is None else node.hello.boot_id
        if upset is not None:
            self._judge_latch_up(upset)
        self._orders.give_back(frame, node_power)
        if upset is not None and node.hello is not None and node.hello.boot_id != booted:
            upset.assessment.effect = NodeEffect.REBOOT

    def _judge_latch_up(self, upset: Upset) -> None:
        """Its power was cut, so it is over: what it came to, the repair will show."""
        if upset.report.verified:
            upset.assume_injected("")
            upset.assessment.effect = NodeEffect.DETECTED
        else:
            upset.fail("the board's power did not rise")
        self._controls.follow(upset)

    # --- what the plant is told -----------------------------------------------------------------

    def _tell(self, node_power: NodePower) -> None:
        node = node_power.node
        idle = self._controls.recovery.state(node.name) is NodeState.ISOLATED
        before = self.flight.draw(node.name)
        self.flight.set_draw(
            node.name,
            replace(
                before,
                on=node_power.is_on,
                activity=0.0 if idle else self._plant.activity,
                factor=self._factor(node_power),
                measured_w=node_power.measured_w() if self.reported else None,
                measured_c=node_power.measured_c() if self.reported else None,
            ),
        )

    def _factor(self, node_power: NodePower) -> float:
        if node_power.cut_by_upset:
            return 0.0
        return self._plant.latch_up.current_factor if node_power.latched else 1.0

    # --- the end, and going on later --------------------------------------------------------------

    def measured(self, frame: int, t_us: int) -> dict[str, float]:
        """Figures of the flight up to `t_us`, where the run ended before `frame`, by the names
        that `expect:` has behind `plant.`. Quiet frames at the end had no turn: they are flown
        here, and recorded."""
        self._rows.advance(frame, t_us)
        totals = self.flight.finish()
        return {
            "min_soc": totals.min_soc,
            "max_die_c": totals.max_die_c,
            "sheds": self._orders.sheds,
            "latch_ups": self._latch_ups,
            "too_hot": self._too_hot,
            "energy_residual": totals.residual,
        }

    def snapshot(self) -> PlantSnapshot:
        """Return what is needed to continue later. Ends the block of the flight."""
        return PlantSnapshot(
            self.flight.snapshot(),
            sheds=self._orders.sheds,
            latch_ups=self._latch_ups,
            too_hot=self._too_hot,
            row_at_us=self._rows.row_at_us,
            nodes={
                name: NodePowerSnapshot(c.down, c.suspended, c.until_us, c.hot)
                for name, c in self._node_powers.items()
            },
        )

    def restore(self, snapshot: PlantSnapshot) -> None:
        """Continue from `snapshot`; boards hear their limits again in the next step."""
        self.flight.restore(snapshot.flight)
        self._orders.sheds = snapshot.sheds
        self._latch_ups, self._too_hot = snapshot.latch_ups, snapshot.too_hot
        self._rows.row_at_us = snapshot.row_at_us
        for name, node in snapshot.nodes.items():
            node_power = self._node_powers[name]
            node_power.down, node_power.suspended = node.down, node.suspended
            node_power.until_us, node_power.hot = node.until_us, node.hot
            if node_power.suspended:
                self._orders.suspend_again(node_power)
