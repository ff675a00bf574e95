"""The values that a flight profile prescribes in place of the models, by step.

A profile may prescribe the levels of boards, the power of the bus, temperatures, and what is shown
of bus and battery (`hil.plant.profile`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt

from hil.plant.moment import LEVELS, Moment, PowerLevel
from hil.plant.profile import Profile
from hil.plant.spacecraft import PlacedBoard

__all__ = ["Prescribed"]

Floats = npt.NDArray[np.float64]

_FAR: Final = 1 << 40
_LOOK_AHEAD: Final = 600
_SHOWN: Final = ("bus_v", "array_w", "load_w", "battery_w", "soc", "stage")


class Prescribed:
    """The values that a flight profile prescribes in place of the models, by step."""

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
        self._scalars = {n for n in _SHOWN if n in names}
        self._ladder = _ladder(boards)

    def constant_from(self, step: int) -> int:
        """Return for how many steps from `step` on the prescribed levels and temperatures do not
        change.
        """
        if self._profile is None or not (self._level or self._bus or self._temperature):
            return _FAR
        if self._temperature:
            return 1
        now, count = self.levels(step), 1
        while count < _LOOK_AHEAD and self.levels(step + count) == now:
            count += 1
        return count

    def levels(self, step: int) -> dict[str, str]:
        """Return the level of every board for which the profile prescribes one."""
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
        """Return the thermal nodes whose temperature [C] the profile prescribes."""
        if self._profile is None:
            return []
        at = np.array([step * self._step_s])
        return [
            (node, float(self._profile.at(column, at)[0]))
            for node, column in self._temperature.items()
        ]

    def column(self, name: str, t_s: Floats) -> Floats | None:
        """Return the values (N,) at `t_s` (N,) of a column of bus or battery; None if the profile
        does not prescribe it."""
        if self._profile is None or name not in self._scalars:
            return None
        return self._profile.at(name, t_s)

    def shown(self, moment: Moment, step: int) -> Moment:
        """Return the moment with the profile's values of bus and battery."""
        profile = self._profile
        if profile is None or not self._scalars:
            return moment
        at = np.array([step * self._step_s])

        def value(name: str, modelled: float | None) -> float | None:
            return float(profile.at(name, at)[0]) if name in self._scalars else modelled

        stage = value("stage", moment.stage)
        return replace(
            moment,
            bus_v=value("bus_v", moment.bus_v),
            array_w=value("array_w", moment.array_w),
            load_w=value("load_w", moment.load_w),
            battery_w=value("battery_w", moment.battery_w),
            soc=value("soc", moment.soc),
            stage=None if stage is None else int(stage),
        )


def _ladder(boards: Sequence[PlacedBoard]) -> list[tuple[dict[str, str], float]]:
    """Return levels of all boards and their power together [W], from all at full to all off.

    The least important board is lowered first, and all the way.
    """
    level: dict[str, str] = {b.name: PowerLevel.FULL for b in boards}
    out = [(dict(level), _watts(boards, level))]
    for board in sorted(boards, key=lambda b: -b.priority):
        for lower in (PowerLevel.CAPPED, PowerLevel.OFF):
            level[board.name] = lower
            out.append((dict(level), _watts(boards, level)))
    return out


def _watts(boards: Sequence[PlacedBoard], level: Mapping[str, str]) -> float:
    total = 0.0
    for board in boards:
        power = board.profile.power
        modes: dict[str, str] = {PowerLevel.CAPPED: power.capped, PowerLevel.FULL: power.full}
        mode = modes.get(level[board.name])
        total += power.off_w.value if mode is None else power.mode(mode).full_w.value
    return total


def _fitting(ladder: Sequence[tuple[dict[str, str], float]], bus_w: float) -> dict[str, str]:
    """Return the levels that the bus can feed; the last ones if it cannot even feed these."""
    return dict(next((level for level, watts in ladder if watts <= bus_w), ladder[-1][0]))
