"""The flight: power and heat of the spacecraft during a run, coupled to its boards.

Steps are computed ahead in blocks by the C kernel, while nothing that the boards do changes their
power. When it does, the block is cut there: its first part is computed again from its snapshot, and
a new block begins. So the result is that of single steps, at the cost of blocks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

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

_MOST_PARTS: Final = 36_000
"""Parts of steps that are computed at once: they are held in memory."""


def _in_parts(values: Floats | None, rows: slice, parts: int) -> Floats | None:
    """Return `rows` of (N, M) with each row repeated for every part of its step."""
    if values is None:
        return None
    return values[rows] if parts == 1 else np.repeat(values[rows], parts, axis=0)


def _nearest(system: PowerSystem, load: int, level: str) -> str:
    """Return the level of that name, or the next lower one that the load has."""
    known = [lv.name for lv in system.model.loads[load].levels]
    return next(lv for lv in LEVELS[LEVELS.index(level) :: -1] if lv in known)


def _set_power(system: PowerSystem, number: int, draw: Draw) -> None:
    """Give a load the power, and its node the temperature, that its board draws or reports."""
    load = system.model.loads[number]
    for level in load.levels[1:]:
        idle, busy = level.idle_w, level.busy_w
        if draw.measured_w is not None and level is load.levels[-1]:
            idle = busy = draw.measured_w
        system.set_power(load.name, level.name, idle * draw.factor, busy * draw.factor)
    if draw.measured_c is not None:
        system.set_temperature_c(load.node, draw.measured_c)


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
        self.system = system
        self._parts = 1 if system is None else system.network.parts_of(step_us / 1e6)
        self.prescribed = Prescribed(profile, boards, step_us)
        self._speed = {b.name: BoardSpeed.of(b.profile) for b in boards}
        self._draws = {b.name: Draw(activity=activity) for b in boards}
        self.done = 0
        """Steps before the present moment."""
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
        return (self.done + 1) * self.step_us

    def advance(self, t_us: int) -> Moment:
        """Advance to the last step that begins at or before `t_us` and return its moment; never
        back.
        """
        wanted = t_us // self.step_us
        while self.done < wanted:
            self.done = self._towards(wanted)
        if self.moment.t_us != self.done * self.step_us:
            self.moment = self._moment()
        return self.moment

    def _towards(self, wanted: int) -> int:
        if self.system is None:
            return wanted
        block = self._ahead()
        done = min(wanted, block.end)
        self._row = (block.result, done - block.first - 1)
        if done == block.end:
            self._consumed(block.result)
            self._block = None
        return done

    def advance_rows(self, until: int) -> tuple[PowerBlock, slice]:
        """Advance by the steps that are computed ahead, at most to step `until`; return the block
        that holds them and their rows in it. `moment` is not renewed. Only with a power system."""
        block, begin = self._ahead(), self.done
        self.done = self._towards(until)
        return block.result, slice(begin - block.first, self.done - block.first)

    def next_change_us(self, before_us: int) -> int:
        """Return when the state of a board changes next.

        At the latest `before_us`, or the end of the steps that are computed ahead.
        """
        if self.system is None:
            return min(
                before_us, (self.done + self.prescribed.constant_from(self.done)) * self.step_us
            )
        block = self._ahead()
        at = self.done - block.first
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
        return min(before_us, (self.done + steps) * self.step_us)

    def draw(self, name: str) -> Draw:
        """Return what the board is currently taken to draw."""
        return self._draws[name]

    def set_draw(self, name: str, draw: Draw) -> None:
        """Change what a board draws, from the present moment on."""
        if draw == self._draws[name]:
            return
        self._cut()
        self._draws[name] = draw
        if self.system is None:
            return
        _set_power(self.system, self._loads[name], draw)

    # --- blocks -----------------------------------------------------------------------------------

    def _ahead(self) -> _Block:
        """Return the block that contains the next step."""
        assert self.system is not None
        if self._block is None:
            sky = self.sky.block_of(self.done)
            start = self.done - sky.first
            count = min(len(sky) - start, self.prescribed.constant_from(self.done))
            count = min(count, max(1, _MOST_PARTS // self._parts))
            for node, value_c in self.prescribed.temperatures_c(self.done):
                self.system.set_temperature_c(node, value_c)
            inputs = self._inputs(sky, start)
            before = self.system.snapshot()
            self._block = _Block(self.done, before, inputs, self._compute(inputs, count))
        return self._block

    def _inputs(self, sky: SkyBlock, start: int) -> _Inputs:
        assert self.system is not None
        activity = np.ones(len(self._loads))
        given = self.prescribed.levels(self.done)
        command: dict[str, str] = {}
        for board in self._boards:
            draw = self._draws[board.name]
            activity[self._loads[board.name]] = draw.activity
            level = PowerLevel.OFF if not draw.on else given.get(board.name)
            if level is not None:
                command[board.name] = _nearest(self.system, self._loads[board.name], level)
        return _Inputs(sky, start, activity, command)

    def _compute(self, inputs: _Inputs, count: int) -> PowerBlock:
        """Compute `count` steps, each in so many parts that it is stable and exact."""
        assert self.system is not None
        sky, parts = inputs.sky, self._parts
        rows = slice(inputs.start, inputs.start + count)
        return self.system.run(
            self.step_us / 1e6 / parts,
            count * parts,
            heat_w=_in_parts(sky.heat_w, rows, parts),
            array_w=_in_parts(sky.array_w, rows, parts),
            activity=inputs.activity,
            command=inputs.command,
            every=parts,
        )

    def _cut(self) -> None:
        """End the block at the present moment."""
        block, self._block = self._block, None
        if block is None:
            return
        assert self.system is not None
        self.system.restore(block.before)
        used = self.done - block.first
        if used:
            self._consumed(self._compute(block.inputs, used))

    def _consumed(self, result: PowerBlock) -> None:
        self.totals.add(result.account)
        self.totals.min_soc = min(self.totals.min_soc, float(np.min(result.soc)))
        assert self.system is not None
        for board in self._boards:
            column = self.system.network.node(f"{board.name}.junction")
            hottest = float(np.max(result.temperature_k[:, column])) - ZERO_C_K
            self.totals.max_die_c = max(self.totals.max_die_c, hottest)

    def finish(self) -> Totals:
        """Return the sums of energy up to the present moment."""
        self._cut()
        return self.totals

    # --- the present ------------------------------------------------------------------------------

    def _moment(self) -> Moment:
        sky = self.sky.block_of(self.done)
        row = self.done - sky.first
        rates = {
            b.name: {k: float(r[row]) * 86_400.0 for k, r in sky.rates[b.name].items()}
            for b in self._boards
        }
        moment = Moment(
            self.done * self.step_us,
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
            self._unpowered(moment, rates) if self.system is None else self._powered(moment, rates)
        )
        return self.prescribed.shown(moment, self.done)

    def _unpowered(self, moment: Moment, rates: Mapping[str, Mapping[Effect, float]]) -> Moment:
        levels = self.prescribed.levels(self.done)
        temperatures = dict(self.prescribed.temperatures_c(self.done))
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
        system = self.system
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
        power = None if self.system is None else self.system.snapshot()
        return FlightSnapshot(self.done, power, dict(self._draws), replace(self.totals))

    def restore(self, snapshot: FlightSnapshot) -> None:
        """Continue from `snapshot`.

        Raises:
            UsageError: The snapshot is of another satellite or version.
        """
        if (snapshot.power is None) is not (self.system is None):
            raise UsageError("the snapshot is that of another satellite, or of another version")
        for name, draw in snapshot.draws.items():
            self.set_draw(name, draw)
        self.done = snapshot.done
        self._block = self._row = None
        self.totals = replace(snapshot.totals)
        if self.system is not None and snapshot.power is not None:
            self.system.restore(snapshot.power)
        self.moment = self._moment()
