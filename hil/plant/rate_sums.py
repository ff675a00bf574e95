"""Sums of the rates of a flight, added block by block, and the rates of each board from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hil.board_types.channels import Effect
from hil.board_types.spread import NOTHING, Spread
from hil.plant.board_rates import BoardRates, ChannelRate
from hil.plant.radiation.crosssection import KINDS, RateUnit
from hil.plant.sky import Sky, SkyBlock
from hil.plant.spacecraft import PlacedBoard
from hil.scenario.plant.radiation import RangeEnd

__all__ = ["RateSums", "rates_of_board"]

_MIB_BITS: Final = 8 << 20
_DAY_S: Final = 86_400.0


class RateSums:
    """Sums of unit rates, and of the rates of the nodes `names`, over the steps of a flight."""

    def __init__(self, names: Sequence[str]) -> None:
        self.steps = 0
        self._events = {name: dict.fromkeys(KINDS, 0.0) for name in names}
        self._units: dict[RateUnit, float] = {}

    def add(self, block: SkyBlock, count: int) -> None:
        """Add the first `count` steps of a block."""
        self.steps += count
        for unit, rate in block.unit_rates.items():
            self._units[unit] = self._units.get(unit, 0.0) + float(rate[:count].sum())
        known: dict[int, float] = {}  # equal boards share their arrays
        for name, events in self._events.items():
            for kind in KINDS:
                rate = block.rates[name][kind]
                if id(rate) not in known:
                    known[id(rate)] = float(rate[:count].sum())
                events[kind] += known[id(rate)]

    def per_day(self, board: str) -> dict[Effect, float]:
        """Return the mean events of a board per day by kind, acceleration included."""
        return {kind: total / self.steps * _DAY_S for kind, total in self._events[board].items()}

    def mean_of(self, unit: RateUnit) -> float:
        """Return the mean unit rate [1/s] of a particle and curve."""
        return self._units[unit] / self.steps


def rates_of_board(sky: Sky, board: PlacedBoard, sums: RateSums) -> BoardRates:
    """Return the mean rates of a board in the flight that `sums` were added up over."""
    data = board.data_set
    channels = []
    for one in sky.sections[board.name]:
        ends = [one.at(end) for end in RangeEnd]
        per_day = Spread(*(sums.mean_of(section.unit) * _DAY_S for section in ends)).by(one.scale)
        several = Spread(*(section.mbu_fraction for section in ends))
        for kind, part in ((one.section.kind, several.rest), (Effect.MBU, several)):
            if part != NOTHING:
                channels.append(ChannelRate(one.channel, one.observed, kind, per_day.by(part)))
    footprint, accelerated = sky.footprint, sums.per_day(board.name)
    return BoardRates(
        profile=board.profile.name,
        data=data.name,
        title=data.title,
        stand_in=None if data.stand_in is None else data.stand_in.text,
        memory_bits=board.profile.memory_mib.value * _MIB_BITS,
        voted_bytes=footprint.hit_bits // 8 if footprint.sizes else None,
        estimate=sky.estimate.value,
        accel=sky.accel,
        voted_accel=sky.voted_accel,
        channels=tuple(channels),
        stated={
            kind: accelerated[kind] / sky.acceleration(kind)
            for kind in Effect
            if sky.states(board.name, kind)
        },
    )
