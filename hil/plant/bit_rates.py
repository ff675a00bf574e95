"""The rate at which radiation flips one bit of a board's memory during a flight.

Only channels of the board's profile whose cross-section is that of one bit say it: one of a whole
chip does not tell how many bits it has. The radiation is that of `hil orbit`, without acceleration
and without the share of bits that a workload uses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from hil.board_types.channels import Channel, CrossSectionModel, Effect, Particle, Radiation
from hil.board_types.cited import Number
from hil.board_types.profile import BoardProfile
from hil.errors import UsageError
from hil.plant.build import boards_of, build_plant, flown_profile
from hil.plant.radiation.crosssection import KINDS, Bendel2
from hil.plant.sky import BLOCK_STEPS, Sky
from hil.plant.spacecraft import PlacedBoard
from hil.scenario import Scenario
from hil.scenario.plant.flight import PlantConfig

__all__ = ["NOTHING", "BitChannel", "BitRates", "Spread", "bit_rates"]

Floats = npt.NDArray[np.float64]

_DAY_S: Final = 86_400.0
_NO_MBU: Final = Number(value=0.0, assumption="each event counts once, whatever it flips")


@dataclass(frozen=True, slots=True)
class Spread:
    """A number with its range: the best value, and the ends that its source gives; both are the
    best value where it gives none."""

    low: float
    best: float
    high: float

    def times(self, factor: float) -> Spread:
        """Return the spread multiplied by a number that is 0 or more."""
        return Spread(self.low * factor, self.best * factor, self.high * factor)

    def plus(self, other: Spread) -> Spread:
        """Return the sum of two spreads whose ends are taken together."""
        return Spread(self.low + other.low, self.best + other.best, self.high + other.high)


NOTHING: Final = Spread(0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class BitChannel:
    """One channel that flips bits of the memory `memory`. `sigma_cm2`: saturated, of one bit;
    `per_day`: upsets of one bit per day; `origin`: where the cross-section comes from; `measured`:
    a source states it, it is not an assumption."""

    name: str
    memory: str
    particle: Particle
    sigma_cm2: Spread
    per_day: Spread
    origin: str
    measured: bool


@dataclass(frozen=True, slots=True)
class BitRates:
    """The upsets of one bit of the board `profile` in the flight `scenario`.

    `channels`: those of the memory that is upset most, the others' names are in `other_memories`.
    `whole_chip`: the channels that flip bits of a chip as a whole, which say nothing of one bit.
    `activity`: the share of the time that a board computes in this flight; `frame_s`: from step to
    step."""

    scenario: str
    profile: str
    duration_s: float
    frame_s: float
    activity: float
    shielding_mm_al: float
    channels: tuple[BitChannel, ...]
    other_memories: tuple[str, ...]
    whole_chip: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def per_day(self) -> Spread:
        """Return the upsets of one bit per day, by all channels."""
        return _sum([channel.per_day for channel in self.channels])

    @property
    def sigma_cm2(self) -> Spread:
        """Return the saturated cross-section of one bit, of all channels of protons."""
        return _sum([c.sigma_cm2 for c in self.channels if c.particle is not Particle.HEAVY_ION])


def _sum(spreads: Sequence[Spread]) -> Spread:
    total = NOTHING
    for spread in spreads:
        total = total.plus(spread)
    return total


def bit_rates(scenario: Scenario, profile: BoardProfile | None = None) -> BitRates:
    """Return how often a bit of a board is upset in the flight of `scenario`; without `profile` the
    board of its first node.

    Raises:
        UsageError: The scenario has no plant, or the profile no cross-section of a bit.
        ConfigError: As `hil.plant.build.build_plant`.
    """
    plant = scenario.plant
    if plant is None:
        raise UsageError(
            f"the scenario {scenario.name} has no plant: it does not fly",
            remedy="name one with `plant:`, such as leo-iss-day",
        )
    board = boards_of(scenario)[0].profile if profile is None else profile
    flips = [c for c in board.radiation.channels if c.effect in (Effect.SEU, Effect.MBU)]
    of_bits = [c for c in flips if c.bits is not None]
    if not of_bits:
        raise UsageError(
            f"the board profile {board.name} has no cross-section of a bit of memory, so it does "
            "not say how often a bit is upset",
            remedy="add a channel `effect: seu` with `bits:` to a copy of it, or name another "
            "profile with --profile",
        )
    duration_s = scenario.frame_count * scenario.frame_us / 1e6
    build_plant(scenario)  # it finds what is wrong with the flight
    placed = [PlacedBoard(f"channel {c.name}", _only(board, c), i) for i, c in enumerate(of_bits)]
    sky = _sky(plant, placed, duration_s)
    rates = _mean_per_day(sky, [b.name for b in placed])
    channels = [_channel(c, rate) for c, rate in zip(of_bits, rates, strict=True)]
    totals: dict[str, float] = {}
    for channel in channels:
        totals[channel.memory] = totals.get(channel.memory, 0.0) + channel.per_day.best
    worst = max(totals, key=totals.__getitem__)
    return BitRates(
        scenario=scenario.name,
        profile=board.name,
        duration_s=duration_s,
        frame_s=scenario.frame_us / 1e6,
        activity=plant.activity,
        shielding_mm_al=plant.radiation.shielding_mm_al,
        channels=tuple(c for c in channels if c.memory == worst),
        other_memories=tuple(memory for memory in totals if memory != worst),
        whole_chip=tuple(c.name for c in flips if c.bits is None),
        notes=sky.notes,
    )


def _only(board: BoardProfile, channel: Channel) -> BoardProfile:
    """Return the board with one channel alone."""
    radiation = Radiation(channels=(channel,), mbu_fraction=_NO_MBU)
    return board.model_copy(update={"radiation": radiation})


def _sky(plant: PlantConfig, boards: Sequence[PlacedBoard], duration_s: float) -> Sky:
    whole = plant.radiation.model_copy(update={"exposed": 1.0})
    flown = plant.model_copy(update={"radiation": whole})
    profile = None if plant.profile is None else flown_profile(plant)
    return Sky(flown, boards, duration_s=duration_s, accel=1.0, profile=profile)


def _mean_per_day(sky: Sky, names: Sequence[str]) -> list[float]:
    """Return the mean upsets per day of each board, over the whole flight."""
    totals = [0.0] * len(names)
    for first in range(0, sky.steps, BLOCK_STEPS):
        block = sky.block_of(first)
        count = min(BLOCK_STEPS, sky.steps - first)
        for number, name in enumerate(names):
            for kind in KINDS:
                rates: Floats = block.rates[name][kind][:count]
                totals[number] += float(rates.sum())
    return [total / sky.steps * _DAY_S for total in totals]


def _channel(channel: Channel, per_day: float) -> BitChannel:
    assert channel.bits is not None
    low = high = 1.0
    if channel.model is CrossSectionModel.BENDEL:  # the range of its parameters is no factor
        assert channel.bendel_a is not None
        cited = channel.bendel_b
        assert cited is not None
        best = Bendel2(channel.bendel_a.value, cited.value).limit_cm2
    else:
        cited = channel.sigma_cm2
        assert cited is not None
        best = cited.value
        low = 1.0 if cited.low is None else cited.low / best
        high = 1.0 if cited.high is None else cited.high / best
    one = per_day / channel.bits.value
    return BitChannel(
        channel.name,
        channel.target,
        channel.particle,
        Spread(low * best, best, high * best),
        Spread(low * one, one, high * one),
        cited.origin,
        cited.source is not None,
    )
