"""The flight: power and heat of the spacecraft as the run goes on, in a loop with its boards.

Steps are computed ahead in blocks by the C kernel, as long as nothing that the boards do changes
what they draw; when it does, the block is cut there: its first part is computed again from its
snapshot, and a new block begins. So the result is that of single steps, at the price of blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from hil.board_types.profile import BoardProfile
from hil.plant.power import PowerAccount, PowerBlock, PowerSnapshot, PowerSystem
from hil.plant.profile import Profile
from hil.plant.sky import Sky, SkyBlock
from hil.plant.spacecraft import PlacedBoard
from hil.scenario.plant.thermal import SPACE, ZERO_C_K

__all__ = ["LEVELS", "BoardMoment", "Draw", "Flight", "Moment"]

Floats = npt.NDArray[np.float64]

LEVELS: Final = ("off", "suspend", "capped", "full")


@dataclass(frozen=True, slots=True)
class Draw:
    """What a board does, as far as its power goes.

    `on`: it has power. `activity`: share of the time that it computes. `factor`: over-current as a
    multiple of its power, 1 if there is none. `measured_w`, `measured_c`: what it reports."""

    on: bool = True
    activity: float = 1.0
    factor: float = 1.0
    measured_w: float | None = None
    measured_c: float | None = None


@dataclass(frozen=True, slots=True)
class BoardMoment:
    """A board at one moment. `duty`: the share of its speed that level and throttle leave it;
    `tripped`: it went off because it was too hot."""

    level: str
    duty: float
    throttle: int
    tripped: bool
    power_w: float | None
    die_c: float | None
    upsets_per_day: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Moment:
    """The plant at one moment; None: not modelled."""

    t_us: int
    illumination: float
    flux_per_cm2_s: float
    bus_v: float | None
    array_w: float | None
    load_w: float | None
    battery_w: float | None
    soc: float | None
    stage: int | None
    temperatures_c: Mapping[str, float]
    boards: Mapping[str, BoardMoment]


@dataclass(slots=True)
class _Block:
    """Steps computed ahead from `first` on, with what was put in to compute them."""

    first: int
    before: PowerSnapshot
    inputs: dict[str, Any]
    result: PowerBlock

    @property
    def end(self) -> int:
        return self.first + len(self.result.soc)


@dataclass(slots=True)
class Totals:
    """Sums over the flight; joules, and extremes."""

    throughput_j: float = 0.0
    missing_j: float = 0.0
    heat_throughput_j: float = 0.0
    heat_missing_j: float = 0.0
    min_soc: float = 1.0
    max_die_c: float = -ZERO_C_K

    def add(self, account: PowerAccount) -> None:
        self.throughput_j += account.throughput_j
        self.missing_j += account.residual * account.throughput_j
        self.heat_throughput_j += account.heat.throughput_j
        self.heat_missing_j += account.heat.residual * account.heat.throughput_j

    @property
    def residual(self) -> float:
        """What is missing in the sums of energy, relative to the throughput."""
        electric = abs(self.missing_j) / max(self.throughput_j, 1e-300)
        return max(electric, abs(self.heat_missing_j) / max(self.heat_throughput_j, 1e-300))


@dataclass(frozen=True, slots=True)
class _Speed:
    """The share of its speed that each level leaves a board, and each step of its throttle."""

    levels: Mapping[str, float]
    throttle: Sequence[float]

    @classmethod
    def of(cls, profile: BoardProfile) -> _Speed:
        capped, full = (profile.power.mode(m) for m in (profile.power.capped, profile.power.full))
        if capped.clock_cap_mhz is not None and full.clock_cap_mhz is not None:
            share = capped.clock_cap_mhz.value / full.clock_cap_mhz.value
        else:  # speed taken to follow the power above idle
            above = full.full_w.value - full.idle_w.value
            share = (capped.full_w.value - capped.idle_w.value) / above if above > 0 else 1.0
        levels = {"off": 0.0, "suspend": 0.0, "capped": min(1.0, max(0.001, share)), "full": 1.0}
        return cls(levels, tuple(step.value for step in profile.thermal.throttle_steps))

    def share(self, level: str, throttle: int) -> float:
        return self.levels[level] * max(0.001, self.throttle[throttle - 1] if throttle else 1.0)


class Flight:
    """The plant of one run, step by step. `system` None: only what sky and profile say."""

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
        self._given = _Given(profile, boards, step_us)
        self._speed = {b.name: _Speed.of(b.profile) for b in boards}
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
        """The end of the step that the present moment is the beginning of."""
        return (self._done + 1) * self.step_us

    def advance(self, t_us: int) -> Moment:
        """The moment at the last step that begins not after `t_us`; never back."""
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
        """When boards are next told something else, or `before_us` if that comes before, or what
        was computed ahead ends."""
        if self._system is None:
            return min(
                before_us, (self._done + self._given.constant_from(self._done)) * self.step_us
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
        """What the board is taken to do now."""
        return self._draws[name]

    def set_draw(self, name: str, draw: Draw) -> None:
        """From now on a board does something else."""
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
        """The block that the next step lies in."""
        assert self._system is not None
        if self._block is None:
            sky = self.sky.block_of(self._done)
            start = self._done - sky.first
            count = min(len(sky) - start, self._given.constant_from(self._done))
            for node, value_c in self._given.temperatures_c(self._done):
                self._system.set_temperature_c(node, value_c)
            inputs = self._inputs(sky)
            before = self._system.snapshot()
            result = self._compute(inputs, start, count)
            self._block = _Block(self._done, before, {**inputs, "start": start}, result)
        return self._block

    def _inputs(self, sky: SkyBlock) -> dict[str, Any]:
        assert self._system is not None
        activity = np.ones(len(self._loads))
        given = self._given.levels(self._done)
        command: dict[str, str] = {}
        for board in self._boards:
            draw = self._draws[board.name]
            activity[self._loads[board.name]] = draw.activity
            level = "off" if not draw.on else given.get(board.name)
            if level is not None:
                command[board.name] = self._nearest(board.name, level)
        return {"sky": sky, "activity": activity, "command": command}

    def _nearest(self, name: str, level: str) -> str:
        """The level of that name, or the next lower one that the board has."""
        assert self._system is not None
        known = [lv.name for lv in self._system.model.loads[self._loads[name]].levels]
        return next(lv for lv in LEVELS[LEVELS.index(level) :: -1] if lv in known)

    def _compute(self, inputs: Mapping[str, Any], start: int, count: int) -> PowerBlock:
        assert self._system is not None
        sky: SkyBlock = inputs["sky"]
        rows = slice(start, start + count)
        return self._system.run(
            self.step_us / 1e6,
            count,
            heat_w=None if sky.heat_w is None else sky.heat_w[rows],
            array_w=None if sky.array_w is None else sky.array_w[rows],
            activity=inputs["activity"],
            command=inputs["command"],
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
            self._consumed(self._compute(block.inputs, block.inputs["start"], used))

    def _consumed(self, result: PowerBlock) -> None:
        self.totals.add(result.account)
        self.totals.min_soc = min(self.totals.min_soc, float(np.min(result.soc)))
        assert self._system is not None
        for board in self._boards:
            column = self._system.network.node(f"{board.name}.junction")
            hottest = float(np.max(result.temperature_k[:, column])) - ZERO_C_K
            self.totals.max_die_c = max(self.totals.max_die_c, hottest)

    def finish(self) -> Totals:
        """The sums, up to the present moment."""
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
        return self._given.shown(moment, self._done)

    def _unpowered(self, moment: Moment, rates: Mapping[str, Mapping[str, float]]) -> Moment:
        levels = self._given.levels(self._done)
        temperatures = dict(self._given.temperatures_c(self._done))
        boards = {}
        for board in self._boards:
            level = levels.get(board.name, "full") if self._draws[board.name].on else "off"
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

    def _powered(self, moment: Moment, rates: Mapping[str, Mapping[str, float]]) -> Moment:
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
                word == "off"
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

    # --- to go on later ---------------------------------------------------------------------------

    def memory(self) -> dict[str, Any]:
        """What must be kept to go on later, as plain data. Ends the block."""
        self._cut()
        kept = None if self._system is None else self._system.snapshot()
        return {
            "done": self._done,
            "state": None if kept is None else kept.state.hex(),
            "temperature_k": None if kept is None else list(kept.temperature_k),
            "draws": {name: asdict(draw) for name, draw in self._draws.items()},
            "totals": asdict(self.totals),
        }

    def recall(self, memory: Mapping[str, Any]) -> None:
        """Take over what `memory` gave."""
        for name, draw in memory["draws"].items():
            self.set_draw(name, Draw(**draw))
        self._done = memory["done"]
        self._block = self._row = None
        self.totals = Totals(**memory["totals"])
        if self._system is not None:
            self._system.restore(
                PowerSnapshot(bytes.fromhex(memory["state"]), tuple(memory["temperature_k"]))
            )
        self.moment = self._moment()


class _Given:
    """What a profile says instead of the models, by step."""

    def __init__(
        self, profile: Profile | None, boards: Sequence[PlacedBoard], step_us: int
    ) -> None:
        self._profile = profile
        self._step_s = step_us / 1e6
        self._boards = boards
        names = () if profile is None else profile.names
        self._level = {} if profile is None else profile.family("level")
        self._temperature = {} if profile is None else profile.family("temperature_c")
        self._bus = "bus_w" in names
        self._scalars = [n for n in _SHOWN if n in names]
        self._ladder = _ladder(boards)

    def constant_from(self, step: int) -> int:
        """For how many steps from `step` on nothing that boards are told or set to changes."""
        if self._profile is None or not (self._level or self._bus or self._temperature):
            return _FAR
        if self._temperature:
            return 1
        now, count = self.levels(step), 1
        while count < _LOOK_AHEAD and self.levels(step + count) == now:
            count += 1
        return count

    def levels(self, step: int) -> dict[str, str]:
        """The level of every board that has one from the profile."""
        if self._profile is None or not (self._level or self._bus):
            return {}
        at = np.array([step * self._step_s])
        out: dict[str, str] = {}
        if self._bus:
            out = _fitting(self._ladder, float(self._profile.at("bus_w", at)[0]))
        for name, column in self._level.items():
            out[name] = LEVELS[int(self._profile.at(column, at)[0])]
        return out

    def temperatures_c(self, step: int) -> list[tuple[str, float]]:
        """Thermal nodes whose temperature the profile gives."""
        if self._profile is None:
            return []
        at = np.array([step * self._step_s])
        return [
            (node, float(self._profile.at(column, at)[0]))
            for node, column in self._temperature.items()
        ]

    def shown(self, moment: Moment, step: int) -> Moment:
        """The moment with what the profile says of bus and battery."""
        if self._profile is None or not self._scalars:
            return moment
        at = np.array([step * self._step_s])
        given: dict[str, Any] = {n: float(self._profile.at(n, at)[0]) for n in self._scalars}
        if "stage" in given:
            given["stage"] = int(given["stage"])
        return replace(moment, **given)


_FAR: Final = 1 << 40
_LOOK_AHEAD: Final = 600
_SHOWN: Final = ("bus_v", "array_w", "load_w", "battery_w", "soc", "stage")


def _ladder(boards: Sequence[PlacedBoard]) -> list[tuple[dict[str, str], float]]:
    """Levels of all boards and what they draw together: all full first, then less and less; the
    least important goes down first, and all the way."""
    level = {b.name: "full" for b in boards}
    out = [(dict(level), _watts(boards, level))]
    for board in sorted(boards, key=lambda b: -b.priority):
        for lower in ("capped", "off"):
            level[board.name] = lower
            out.append((dict(level), _watts(boards, level)))
    return out


def _watts(boards: Sequence[PlacedBoard], level: Mapping[str, str]) -> float:
    total = 0.0
    for board in boards:
        power = board.profile.power
        mode = {"capped": power.capped, "full": power.full}.get(level[board.name])
        total += power.off_w.value if mode is None else power.mode(mode).full_w.value
    return total


def _fitting(ladder: Sequence[tuple[dict[str, str], float]], bus_w: float) -> dict[str, str]:
    """The levels that the bus can feed; the last ones if it cannot even feed these."""
    return dict(next((level for level, watts in ladder if watts <= bus_w), ladder[-1][0]))
