"""The flight: power and heat of the spacecraft during a run, coupled to its boards.

Steps are computed ahead in blocks by the C kernel, while nothing that the boards do changes their
power. When it does, the block is cut there: its first part is computed again from its snapshot, and
a new block begins. So the result is that of single steps, at the cost of blocks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from hil.board_types.channels import Effect
from hil.errors import UsageError
from hil.plant.board_speed import BoardSpeed
from hil.plant.energy_totals import Totals
from hil.plant.moment import LEVELS, BoardMoment, Draw, Moment, PowerLevel
from hil.plant.power import PowerSystem
from hil.plant.power_block import PowerBlock, PowerSnapshot
from hil.plant.prescribed import Prescribed
from hil.plant.profile import Profile
from hil.plant.sky import Sky, SkyBlock
from hil.plant.spacecraft import PlacedBoard
from hil.scenario.plant.thermal import SPACE, ZERO_C_K

__all__ = ["Flight", "FlightSnapshot"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Inputs:
    """The inputs of a computation from row `start` of the `sky` on.

    `activity` (loads,): 0 idle to 1 busy. `command`: the level that is asked for, by board.
    """

    sky: SkyBlock
    start: int
    activity: Floats
    command: Mapping[str, str]


@dataclass(slots=True)
class _Block:
    """Steps computed ahead from step `first`, with the inputs of the computation."""

    first: int
    before: PowerSnapshot
    inputs: _Inputs
    result: PowerBlock

    @property
    def end(self) -> int:
        return self.first + len(self.result.soc)


@dataclass(frozen=True, slots=True)
class FlightSnapshot:
    """The state of a Flight after `done` steps, from which it continues. `power`: None without a
    power system; `totals` is a copy that no flight adds to."""

    done: int
    power: PowerSnapshot | None
    draws: Mapping[str, Draw]
    totals: Totals


class Flight:
    """The plant of one run, step by step. Without a `system`: only what sky and profile state."""

    def __init__(
        self,
        sky: Sky,
        boards: Sequence[PlacedBoard],
        *,
        step_us: int,
        system: PowerSystem | None = None,
        profile: Profile | None = None,
        activity: float = 1.0,
    ) -> None:
        self.sky = sky
        self.step_us = step_us
        self.totals = Totals()
        self._boards = tuple(boards)
        self._system = system
        self._prescribed = Prescribed(profile, boards, step_us)
        self._speed = {b.name: BoardSpeed.of(b.profile) for b in boards}
        self._draws = {b.name: Draw(activity=activity) for b in boards}
        self._done = 0  # steps before the present moment
        self._block: _Block | None = None
        self._row: tuple[PowerBlock, int] | None = None  # the present moment in what was computed
        if system is not None:
            self._loads = {load.name: i for i, load in enumerate(system.model.loads)}
            self._columns = [self._loads[b.name] for b in boards]
        self.moment = self._moment()

    # --- the way on -----------------------------------------------------------------------------

    @property
    def next_us(self) -> int:
        """Return the end of the current step in microseconds."""
        return (self._done + 1) * self.step_us

    def advance(self, t_us: int) -> Moment:
        """Advance to the last step that begins at or before `t_us` and return its moment; never
        back.
        """
        wanted = t_us // self.step_us
        while self._done < wanted:
            self._done = self._towards(wanted)
        if self.moment.t_us != self._done * self.step_us:
            self.moment = self._moment()
        return self.moment

    def _towards(self, wanted: int) -> int:
        if self._system is None:
            return wanted
        block = self._ahead()
        done = min(wanted, block.end)
        self._row = (block.result, done - block.first - 1)
        if done == block.end:
            self._consumed(block.result)
            self._block = None
        return done

    def next_change_us(self, before_us: int) -> int:
        """Return when the state of a board changes next.

        At the latest `before_us`, or the end of the steps that are computed ahead.
        """
        if self._system is None:
            return min(
                before_us, (self._done + self._prescribed.constant_from(self._done)) * self.step_us
            )
        block = self._ahead()
        at = self._done - block.first
        level = block.result.level[at:, self._columns]
        throttle = block.result.throttle[at:, self._columns]
        now = self._row
        present = (
            (level[0], throttle[0])
            if now is None
            else (now[0].level[now[1], self._columns], now[0].throttle[now[1], self._columns])
        )
        changed = np.any((level != present[0]) | (throttle != present[1]), axis=1)
        steps = int(np.argmax(changed)) + 1 if np.any(changed) else len(level)
        return min(before_us, (self._done + steps) * self.step_us)

    def draw(self, name: str) -> Draw:
        """Return what the board is currently taken to draw."""
        return self._draws[name]

    def set_draw(self, name: str, draw: Draw) -> None:
        """Change what a board draws, from the present moment on."""
        if draw == self._draws[name]:
            return
        self._cut()
        self._draws[name] = draw
        if self._system is None:
            return
        load = self._system.model.loads[self._loads[name]]
        for level in load.levels[1:]:
            idle, busy = level.idle_w, level.busy_w
            if draw.measured_w is not None and level is load.levels[-1]:
                idle = busy = draw.measured_w
            self._system.set_power(name, level.name, idle * draw.factor, busy * draw.factor)
        if draw.measured_c is not None:
            self._system.set_temperature_c(load.node, draw.measured_c)

    # --- blocks -----------------------------------------------------------------------------------

    def _ahead(self) -> _Block:
        """Return the block that contains the next step."""
        assert self._system is not None
        if self._block is None:
            sky = self.sky.block_of(self._done)
            start = self._done - sky.first
            count = min(len(sky) - start, self._prescribed.constant_from(self._done))
            for node, value_c in self._prescribed.temperatures_c(self._done):
                self._system.set_temperature_c(node, value_c)
            inputs = self._inputs(sky, start)
            before = self._system.snapshot()
            self._block = _Block(self._done, before, inputs, self._compute(inputs, count))
        return self._block

    def _inputs(self, sky: SkyBlock, start: int) -> _Inputs:
        assert self._system is not None
        activity = np.ones(len(self._loads))
        given = self._prescribed.levels(self._done)
        command: dict[str, str] = {}
        for board in self._boards:
            draw = self._draws[board.name]
            activity[self._loads[board.name]] = draw.activity
            level = PowerLevel.OFF if not draw.on else given.get(board.name)
            if level is not None:
                command[board.name] = self._nearest(board.name, level)
        return _Inputs(sky, start, activity, command)

    def _nearest(self, name: str, level: str) -> str:
        """Return the level of that name, or the next lower one that the board has."""
        assert self._system is not None
        known = [lv.name for lv in self._system.model.loads[self._loads[name]].levels]
        return next(lv for lv in LEVELS[LEVELS.index(level) :: -1] if lv in known)

    def _compute(self, inputs: _Inputs, count: int) -> PowerBlock:
        assert self._system is not None
        sky = inputs.sky
        rows = slice(inputs.start, inputs.start + count)
        return self._system.run(
            self.step_us / 1e6,
            count,
            heat_w=None if sky.heat_w is None else sky.heat_w[rows],
            array_w=None if sky.array_w is None else sky.array_w[rows],
            activity=inputs.activity,
            command=inputs.command,
        )

    def _cut(self) -> None:
        """End the block at the present moment."""
        block, self._block = self._block, None
        if block is None:
            return
        assert self._system is not None
        self._system.restore(block.before)
        used = self._done - block.first
        if used:
            self._consumed(self._compute(block.inputs, used))

    def _consumed(self, result: PowerBlock) -> None:
        self.totals.add(result.account)
        self.totals.min_soc = min(self.totals.min_soc, float(np.min(result.soc)))
        assert self._system is not None
        for board in self._boards:
            column = self._system.network.node(f"{board.name}.junction")
            hottest = float(np.max(result.temperature_k[:, column])) - ZERO_C_K
            self.totals.max_die_c = max(self.totals.max_die_c, hottest)

    def finish(self) -> Totals:
        """Return the sums of energy up to the present moment."""
        self._cut()
        return self.totals

    # --- the present ------------------------------------------------------------------------------

    def _moment(self) -> Moment:
        sky = self.sky.block_of(self._done)
        row = self._done - sky.first
        rates = {
            b.name: {k: float(r[row]) * 86_400.0 for k, r in sky.rates[b.name].items()}
            for b in self._boards
        }
        moment = Moment(
            self._done * self.step_us,
            float(sky.illumination[row]),
            float(sky.flux_per_cm2_s[row]),
            None,
            None,
            None,
            None,
            None,
            None,
            {},
            {},
        )
        moment = (
            self._unpowered(moment, rates) if self._system is None else self._powered(moment, rates)
        )
        return self._prescribed.shown(moment, self._done)

    def _unpowered(self, moment: Moment, rates: Mapping[str, Mapping[Effect, float]]) -> Moment:
        levels = self._prescribed.levels(self._done)
        temperatures = dict(self._prescribed.temperatures_c(self._done))
        boards = {}
        for board in self._boards:
            on = self._draws[board.name].on
            level = levels.get(board.name, PowerLevel.FULL) if on else PowerLevel.OFF
            boards[board.name] = BoardMoment(
                level,
                self._speed[board.name].share(level, 0),
                0,
                False,
                None,
                temperatures.get(f"{board.name}.junction"),
                rates[board.name],
            )
        return replace(moment, temperatures_c=temperatures, boards=boards)

    def _powered(self, moment: Moment, rates: Mapping[str, Mapping[Effect, float]]) -> Moment:
        system = self._system
        assert system is not None
        state = system.state
        kelvins = system.temperature_k
        boards = {}
        if self._row is None:
            top = [len(load.levels) - 1 for load in system.model.loads]
            level, throttle = np.array(top), np.zeros(len(top), dtype=int)
            power: Floats | None = None
            bus_v, array_w, load_w, amperes = state.bus_v, None, None, 0.0
            soc, stage = state.soc, state.stage
        else:
            rows, at = self._row
            level, throttle, power = rows.level[at], rows.throttle[at], rows.board_w[at]
            bus_v, array_w = float(rows.bus_v[at]), float(rows.array_w[at])
            load_w, amperes = float(rows.load_w[at]), float(rows.battery_a[at])
            soc, stage = float(rows.soc[at]), int(rows.stage[at])
            kelvins = rows.temperature_k[at]
        for board in self._boards:
            index = self._loads[board.name]
            load = system.model.loads[index]
            word = load.levels[int(level[index])].name
            step = int(throttle[index])
            boards[board.name] = BoardMoment(
                word,
                self._speed[board.name].share(word, step),
                step,
                word == PowerLevel.OFF
                and kelvins[system.network.node(load.node)] - ZERO_C_K >= load.throttle_c,
                None if power is None else float(power[index]),
                float(kelvins[system.network.node(load.node)]) - ZERO_C_K,
                rates[board.name],
            )
        temperatures = {
            name: float(k) - ZERO_C_K
            for name, k in zip(system.network.names, kelvins, strict=True)
            if name != SPACE
        }
        return replace(
            moment,
            bus_v=bus_v,
            array_w=array_w,
            load_w=load_w,
            battery_w=amperes * bus_v,
            soc=soc,
            stage=stage,
            temperatures_c=temperatures,
            boards=boards,
        )

    # --- to continue later ------------------------------------------------------------------------

    def snapshot(self) -> FlightSnapshot:
        """Return what is needed to continue later. Ends the block."""
        self._cut()
        power = None if self._system is None else self._system.snapshot()
        return FlightSnapshot(self._done, power, dict(self._draws), replace(self.totals))

    def restore(self, snapshot: FlightSnapshot) -> None:
        """Continue from `snapshot`.

        Raises:
            UsageError: The snapshot is of another satellite or version.
        """
        if (snapshot.power is None) is not (self._system is None):
            raise UsageError("the snapshot is that of another satellite, or of another version")
        for name, draw in snapshot.draws.items():
            self.set_draw(name, draw)
        self._done = snapshot.done
        self._block = self._row = None
        self.totals = replace(snapshot.totals)
        if self._system is not None and snapshot.power is not None:
            self._system.restore(snapshot.power)
        self.moment = self._moment()
