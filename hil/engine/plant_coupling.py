"""The plant coupling: applies the plant's orders to the boards, and reports their power to it.

It works once per step of the plant, between two frames. The plant gives each board a level:

    full, capped   it runs; its agent gets the duty (or clock, or power mode) that it may use
    suspend        its worker is suspended; the node is shed until it may run again
    off            its power is cut, or it is suspended if its power cannot be switched; it is shed

Recovery repairs a node that may run again: after a suspension by a resync, after a cut by a power
cycle. The plant restores only power that it has cut itself: a board that an upset switched off
stays off, and the plant does not shed it. The coupling also cuts the power of a board that draws
too much (a latch-up) or whose chip is too hot, as the supervisor of a board would. A board that has
got the dose it stands is dead: its power is cut for the rest of the run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from hil.board_types.channels import Effect
from hil.engine.board_orders import BoardOrders
from hil.engine.node_power import NodePower
from hil.engine.plant_rows import PlantRows
from hil.engine.run_controls import RunControls
from hil.plant.board_rates import VOTED
from hil.plant.build import BuiltPlant
from hil.plant.flight import FlightSnapshot
from hil.plant.moment import BoardMoment, PowerLevel
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
"""The ratio of power to expected power from which on a latch-up is detected."""


@dataclass(frozen=True, slots=True)
class NodePowerSnapshot:
    """The plant's orders to one node; the fields are those of NodePower."""

    down: str
    suspended: bool
    until_us: int | None
    hot: bool


@dataclass(frozen=True, slots=True)
class PlantSnapshot:
    """The plant between two frames: the flight, the counters, when the next row of the record is
    due [us], and the orders to each node."""

    flight: FlightSnapshot
    sheds: int
    latch_ups: int
    too_hot: int
    row_at_us: int
    nodes: Mapping[str, NodePowerSnapshot]


class PlantCoupling:
    """Couples the plant of a scenario to the rig of its run. Not thread-safe."""

    def __init__(self, controls: RunControls, scenario: Scenario, built: BuiltPlant) -> None:
        assert scenario.plant is not None
        self._controls = controls
        self._plant = scenario.plant
        self._built = built
        self.flight = built.flight
        profiles = {board.name: board.profile for board in built.boards}
        kinds = {node.name: node.board for node in scenario.rig.nodes}
        self._node_powers = {
            node.name: NodePower(node, profiles[node.name], kinds[node.name] in _SOFTWARE)
            for node in controls.rig.nodes
        }
        self._end_us = scenario.frame_count * scenario.frame_us
        self.rows = PlantRows(
            built,
            lambda: controls.record,
            lambda name: self._node_powers[name].steps_per_s(),
            every_us=max(self._plant.step_us, round(self._plant.record_every_s * 1e6), 1),
            frame_us=scenario.frame_us,
            end_us=self._end_us,
        )
        self._shown: dict[str, tuple[str, int]] = {}
        self._orders = BoardOrders(controls)
        self._latch_ups = 0
        self._too_hot = 0
        self._end_of_life = built.end_of_life
        self._follows_flux = scenario.rig.follows is not None

    # --- asked by the loop ----------------------------------------------------------------------

    @property
    def next_us(self) -> int:
        """Return when `step` is due next [us of simulated time]."""
        return self.flight.next_us

    @property
    def flux_per_cm2_s(self) -> float:
        """Return the present flux of protons [1/cm2/s]."""
        return self.flight.moment.flux_per_cm2_s

    @property
    def solar_flux_per_cm2_s(self) -> float:
        """Return the present flux of protons of solar particle events [1/cm2/s]."""
        block = self._built.sky.block_of(self.flight.done)
        return float(block.solar_flux_per_cm2_s[self.flight.done - block.first])

    @property
    def corrected(self) -> int:
        """Return the errors that the memories of all boards have corrected up to now."""
        now_us = self.flight.done * self.flight.step_us
        return self._built.strikes.counted(Effect.CORRECTED, now_us)

    def quiet_until_us(self) -> int:
        """Return until when no board gets a new order if all continue as now [us of simulated
        time]. While the power of one is cut for protection, or if the scheme follows the flux,
        that is known only up to the next step."""
        if any(c.until_us is not None or c.hot or c.latched for c in self._node_powers.values()):
            return self.flight.next_us
        if self._follows_flux:
            return self.flight.next_us
        until_us = self.flight.next_change_us(self._end_us)
        if self._end_of_life is not None:
            now_us = self.flight.done * self.flight.step_us
            return self._end_of_life.next_us(now_us, until_us)
        return until_us

    @property
    def reported(self) -> bool:
        """Return whether power and temperature are measured by the boards, so that no two runs are
        the same."""
        return self._plant.feedback is Feedback.REPORTED

    def note_results(self, results: dict[str, NodeResult]) -> None:
        """Take the durations of a frame's steps, for the speed of boards."""
        for name, result in results.items():
            if result.step_us:
                self._node_powers[name].step_us.append(result.step_us)
        self._orders.poll(self._controls.next_frame - 1)

    def note_health(self, name: str, health: Health) -> None:
        """Take the health of a node's board, with what its sensors measure."""
        self._node_powers[name].health = health

    def latch_up(self, upset: Upset) -> None:
        """Begin a latch-up: the board draws too much until its power is cut."""
        node_power = self._node_powers[upset.plan.node]
        if not node_power.node.powered or node_power.down:
            upset.refuse("the board has no power")
        elif node_power.latched is not None:
            upset.refuse("it is latched already")
        else:
            node_power.latched = upset
            self._latch_ups += 1
            self._set_draw(node_power)

    # --- one step -------------------------------------------------------------------------------

    def step(self, frame: int, t_us: int) -> None:
        """Advance the plant to `t_us`, before `frame`, and apply its orders to the boards."""
        moment = self.rows.advance(frame, t_us)
        changed = False
        for name, node_power in self._node_powers.items():
            at = moment.boards[name]
            changed |= self._shown.get(name) != (at.level, at.throttle)
            self._shown[name] = (at.level, at.throttle)
            self._release(node_power)
            self._wear_out(frame, t_us, node_power)
            self._protect(frame, t_us, node_power, at)
            self._apply(frame, node_power, at)
            self._set_draw(node_power)
        if changed:
            self.rows.moment(frame, moment)
        self.rows.orbit(t_us)

    def _release(self, node_power: NodePower) -> None:
        """End a latch-up whose board has lost its power to an upset."""
        upset = node_power.latched
        if upset is not None and node_power.cut_by_other:
            node_power.latched = None
            self._judge_latch_up(upset)

    def _wear_out(self, frame: int, t_us: int, node_power: NodePower) -> None:
        """Kill a board that has got the dose it stands: nothing restores its power any more. It is
        found dead again in the first step of a run that is resumed."""
        end, name = self._end_of_life, node_power.node.name
        if end is None or node_power.worn_out or not end.is_over(name, t_us):
            return
        node_power.worn_out = True
        upset, node_power.latched = node_power.latched, None
        if upset is not None:
            self._judge_latch_up(upset)
        if not node_power.down or node_power.suspended:
            cause = f"end of life: {end.krad(t_us):.3g} krad, all that it stands"
            self._orders.cut(frame, node_power, cause)

    def _protect(self, frame: int, t_us: int, node_power: NodePower, at: BoardMoment) -> None:
        """Cut the power of a board that draws too much or is too hot; end that when it may run."""
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
        """Cut, suspend, limit or restore a board, as the plant orders."""
        kept_down = node_power.kept_down
        if not node_power.down and not kept_down and not self._is_on(node_power):
            return  # the level is `off` because the board has no power, not by an order
        if at.level == PowerLevel.OFF or kept_down:
            may_switch = node_power.suspended and not node_power.cannot_switch
            if not node_power.down or (may_switch and at.level == PowerLevel.OFF):
                self._orders.cut(frame, node_power, self._why(at))
        elif at.level == PowerLevel.SUSPEND:
            if not node_power.down:
                self._orders.suspend(frame, node_power, self._why(at))
        elif node_power.down and self._controls.may_wake(frame, node_power.node.name):
            self._give_back(frame, node_power)
        if not node_power.down and node_power.node.link.connected:
            self._orders.limit(frame, node_power, at)
            trip = self._plant.latch_up.trip_factor
            watts = None if trip is None else trip * node_power.expected_w(at)
            self._orders.limit_supply(node_power, watts)

    def _is_on(self, node_power: NodePower) -> bool:
        """Return whether the board has power and the plant has computed its moment with that."""
        return node_power.node.powered and self.flight.draw(node_power.node.name).on

    def _why(self, at: BoardMoment) -> str:
        moment = self.flight.moment
        if moment.soc is None:
            return f"the plant says {at.level}"
        if moment.stage == 255:
            return f"brown-out: the bus broke down at {100 * moment.soc:.0f} % charge"
        return f"power is short: battery at {100 * moment.soc:.0f} %, {at.level}"

    def _give_back(self, frame: int, node_power: NodePower) -> None:
        """Readmit a node that was cut or suspended; a latch-up that it had is over."""
        node = node_power.node
        upset, node_power.latched = node_power.latched, None
        booted = None if node.hello is None else node.hello.boot_id
        if upset is not None:
            self._judge_latch_up(upset)
        self._orders.give_back(frame, node_power)
        if upset is not None and node.hello is not None and node.hello.boot_id != booted:
            upset.assessment.effect = NodeEffect.REBOOT

    def _judge_latch_up(self, upset: Upset) -> None:
        """Set the result of a latch-up that has ended with its board's power; its outcome follows
        from the repair of the node."""
        if upset.report.verified:
            upset.assume_injected("")
            upset.assessment.effect = NodeEffect.DETECTED
        else:
            upset.fail("the board's power did not rise")
        self._controls.follow(upset)

    # --- reports to the plant -------------------------------------------------------------------

    def _set_draw(self, node_power: NodePower) -> None:
        """Report the activity and the power of a board to the plant."""
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
        if node_power.cut_by_other:
            return 0.0
        return self._plant.latch_up.current_factor if node_power.latched else 1.0

    # --- the end, and snapshots -------------------------------------------------------------------

    def finish(self, frame: int) -> None:
        """Complete the orders to boards that are under way at the end of the run."""
        self._orders.finish(frame)

    def measured(self, frame: int, t_us: int) -> dict[str, float]:
        """Return the metrics of the plant up to `t_us`, where the run ended before `frame`, by
        their names in `expect:` after `plant.`. Advances the plant over quiet frames at the end."""
        self.rows.advance(frame, t_us)
        totals = self.flight.finish()
        strikes = self._built.strikes
        rates = list(strikes.rates(self._built.boards).values())

        def mean(values: Iterable[float]) -> float:
            return sum(values) / len(rates) if rates else 0.0

        return {
            "upsets_per_day": mean(r.upsets.best for r in rates),
            "voted_per_day": mean(r.of(*VOTED).best for r in rates),
            "voted_flown_per_day": mean(r.flown(*VOTED) for r in rates),
            "voted_accel": self._built.sky.acceleration(Effect.SEU),
            "corrected": strikes.counted(Effect.CORRECTED, t_us),
            "idle": strikes.counted(Effect.IDLE, t_us),
            "min_soc": totals.min_soc,
            "max_die_c": totals.max_die_c,
            "sheds": self._orders.sheds,
            "latch_ups": self._latch_ups,
            "too_hot": self._too_hot,
            "worn_out": sum(c.worn_out for c in self._node_powers.values()),
            "energy_residual": totals.residual,
        }

    def snapshot(self) -> PlantSnapshot:
        """Return the state of the coupling and of the plant, for a run that is resumed. Ends the
        block of the flight."""
        return PlantSnapshot(
            self.flight.snapshot(),
            sheds=self._orders.sheds,
            latch_ups=self._latch_ups,
            too_hot=self._too_hot,
            row_at_us=self.rows.row_at_us,
            nodes={
                name: NodePowerSnapshot(c.down, c.suspended, c.until_us, c.hot)
                for name, c in self._node_powers.items()
            },
        )

    def restore(self, snapshot: PlantSnapshot) -> None:
        """Continue from `snapshot`; boards get their limits again in the next step."""
        self.flight.restore(snapshot.flight)
        self._orders.sheds = snapshot.sheds
        self._latch_ups, self._too_hot = snapshot.latch_ups, snapshot.too_hot
        self.rows.row_at_us = snapshot.row_at_us
        for name, node in snapshot.nodes.items():
            node_power = self._node_powers[name]
            node_power.down, node_power.suspended = node.down, node.suspended
            node_power.until_us, node_power.hot = node.until_us, node.hot
            if node_power.suspended:
                self._orders.suspend_again(node_power)
