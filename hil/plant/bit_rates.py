"""The rate at which radiation flips one bit of a board's memory during a flight.

Only channels of the board's profile that are silent and of one bit state it: one of a whole chip
does not tell how many bits it has. The radiation is that of `hil orbit`, without acceleration and
without the share of bits that a workload uses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hil.board_types.channels import NO_DATA, Channel, Observed, Particle, Unit
from hil.board_types.profile import BoardProfile
from hil.board_types.spread import NOTHING, Spread
from hil.errors import UsageError
from hil.plant.build import boards_of, build_plant, flown_profile
from hil.plant.data_choice import data_sets
from hil.plant.radiation.crosssection import RateUnit
from hil.plant.rate_sums import RateSums
from hil.plant.sections import curve_of, silent_share, volume_of
from hil.plant.sky import BLOCK_STEPS, Sky
from hil.plant.spacecraft import PlacedBoard
from hil.scenario import Scenario
from hil.scenario.plant.radiation import ALL_BOARDS, RangeEnd

__all__ = ["NOTHING", "BitChannel", "BitRates", "Spread", "bit_rates"]

_DAY_S: Final = 86_400.0


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

    `data`: the data set they are of; `stand_in`: why it may stand for this board, None if this
    board was in the beam.
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
    data: str
    stand_in: str | None

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
    placed = _placed(scenario, profile)
    board, data = placed.profile, placed.data_set
    flips = [c for c in data.channels if c.observed is Observed.SILENT]
    of_bits = [c for c in flips if c.unit is Unit.BIT]
    if not of_bits:
        others = [d.name for d in board.radiation.data if _has_bits(d.channels)]
        raise UsageError(
            f"the board profile {board.name} has no cross-section of a bit of memory"
            + ("" if data.name == NO_DATA else f" in its data set `{data.name}`")
            + ", so it does not say how often a bit is upset",
            remedy=f"choose one with `plant: {{radiation: {{data: {others[0]}}}}}`"
            if others
            else "add a channel `observed: silent` with `unit: bit` to a copy of it, or name "
            "another profile with --profile",
        )
    duration_s = scenario.frame_count * scenario.frame_us / 1e6
    build_plant(scenario)  # it finds what is wrong with the flight
    flown = None if plant.profile is None else flown_profile(plant)
    sky = Sky(plant, [placed], duration_s=duration_s, accel=1.0, profile=flown)
    per_day = _mean_per_day(sky, of_bits)
    channels = [
        _channel(c, rate.by(silent_share(board, c)))
        for c, rate in zip(of_bits, per_day, strict=True)
    ]
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
        whole_chip=tuple(c.name for c in flips if c.unit is Unit.DEVICE),
        notes=sky.notes,
        data=data.name,
        stand_in=None if data.stand_in is None else data.stand_in.text,
    )


def _placed(scenario: Scenario, profile: BoardProfile | None) -> PlacedBoard:
    """Return the board of the first node, or one of `profile` with the data set that the scenario
    names for it."""
    if profile is None:
        return boards_of(scenario)[0]
    assert scenario.plant is not None
    wanted = {
        name: data
        for name, data in scenario.plant.radiation.data.items()
        if name == profile.name or (name == ALL_BOARDS and data in profile.radiation.names)
    }
    return PlacedBoard("board", profile, 0, data_sets(wanted, [profile])[profile.name])


def _has_bits(channels: Sequence[Channel]) -> bool:
    return any(c.observed is Observed.SILENT and c.unit is Unit.BIT for c in channels)


def _mean_per_day(sky: Sky, channels: Sequence[Channel]) -> list[Spread]:
    """Return the mean events per day and cm2 of each channel, over the whole flight, with the
    curves of both ends of its ranges."""
    sums = RateSums(())
    for first in range(0, sky.steps, BLOCK_STEPS):
        sums.add(sky.block_of(first), min(BLOCK_STEPS, sky.steps - first))
    out = []
    for channel in channels:
        units = [
            RateUnit(channel.particle, curve_of(channel, end), volume_of(channel, end))
            for end in RangeEnd
        ]
        out.append(Spread(*(sums.mean_of(unit) * _DAY_S for unit in units)))
    return out


def _channel(channel: Channel, per_day: Spread) -> BitChannel:
    return BitChannel(
        channel.name,
        channel.part,
        channel.particle,
        channel.sigma,
        channel.sigma.by(per_day),
        channel.cited.origin,
        channel.cited.source is not None,
    )
