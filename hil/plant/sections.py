"""Makes the cross-sections of the events of a run from what was observed in a beam.

    corrected             counted, never injected
    detected              the program ends with an error
    silent, of a device   a wrong result: a hit of the voted data, whatever the workload is
    silent, of a bit      shared out by the footprint: voted data; the rest of the workload, counted
                          only; all other memory, where a share of the hits crashes or hangs
    sefi                  a hang, a reboot, or the loss of a storage device
    destructive           a latch-up

On-die ECC corrects what flips a single bit, unless it was at work in the test already.

Every number of a channel may have a range. Its low ends are taken together, those of fewer silent
events, and so are its high ends: the cross-section, the shape of its curve, how many flips are of
several bits, and what a hit of other memory does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from hil.board_types.channels import (
    Channel,
    CrossSectionModel,
    DataSet,
    Effect,
    Mode,
    Observed,
    Particle,
    Unit,
)
from hil.board_types.cited import Number
from hil.board_types.profile import BoardProfile
from hil.board_types.spread import NOTHING, Spread
from hil.plant.footprint import Footprint
from hil.plant.radiation.crosssection import (
    Bendel2,
    CrossSectionCurve,
    Grade,
    Kind,
    Plateau,
    Section,
    SensitiveVolume,
    Weibull,
)
from hil.scenario.plant.radiation import RangeEnd

__all__ = ["BoardSection", "board_sections", "curve_of", "silent_share", "volume_of"]

_OF_SEFI: Final[dict[Mode | None, Kind]] = {
    None: Effect.SEFI,
    Mode.HANG: Effect.HANG,
    Mode.POWER_CYCLE: Effect.POWER_CYCLE,
    Mode.REBOOT: Effect.REBOOT,
}


@dataclass(frozen=True, slots=True)
class BoardSection:
    """One way in which a board is hit, for the rates of a run.

    `section` has a curve that saturates at 1 and no number of its own: `scale` is what it is
    multiplied by [cm2]. `low` and `high` are the same at the ends of the ranges. `channel`: its
    name in the data set, `observed`: what was seen of it in the beam."""

    channel: str
    observed: Observed
    section: Section
    low: Section
    high: Section
    scale: Spread

    def at(self, end: RangeEnd) -> Section:
        """Return the section at an end of the ranges."""
        return {RangeEnd.LOW: self.low, RangeEnd.BEST: self.section, RangeEnd.HIGH: self.high}[end]


def board_sections(
    profile: BoardProfile,
    data: DataSet,
    footprint: Footprint,
    *,
    exposed: float | None = None,
) -> list[BoardSection]:
    """Return the cross-sections of a board with a workload; `exposed`: the share of the bits that
    are the voted data's, in place of the footprint's."""
    out: list[BoardSection] = []
    for channel in data.channels:
        for kind, share, several in _shares(profile, data, channel, footprint, exposed):
            if max(share.low, share.best, share.high) <= 0.0:
                continue
            cited = channel.cited
            grade: Grade = "A" if cited.grade is None else cited.grade.value
            best = Section(
                kind,
                channel.particle,
                curve_of(channel),
                cited.origin,
                grade,
                mbu_fraction=several.best,
                volume=volume_of(channel),
            )
            low, high = (
                replace(
                    best,
                    curve=curve_of(channel, end),
                    volume=volume_of(channel, end),
                    mbu_fraction=getattr(several, end.value),
                )
                for end in (RangeEnd.LOW, RangeEnd.HIGH)
            )
            bits = 1.0 if channel.bits is None else channel.bits.value
            scale = channel.sigma.by(share.times(bits))
            out.append(BoardSection(channel.name, channel.observed, best, low, high, scale))
    return out


_ALL: Final = Spread(1.0, 1.0, 1.0)


def _shares(
    profile: BoardProfile,
    data: DataSet,
    channel: Channel,
    footprint: Footprint,
    exposed: float | None,
) -> Iterator[tuple[Kind, Spread, Spread]]:
    """Yield the kinds of events of a channel, each with its share and how many of it hit several
    bits."""
    match channel.observed:
        case Observed.CORRECTED:
            yield Effect.CORRECTED, _ALL, NOTHING
        case Observed.DETECTED:
            yield Effect.DETECTED, _ALL, NOTHING
        case Observed.SEFI:
            stored = channel.part in {device.name for device in profile.storage}
            yield (Effect.STORAGE if stored else _OF_SEFI[channel.mode]), _ALL, NOTHING
        case Observed.DESTRUCTIVE:
            yield Effect.SEL, _ALL, NOTHING
        case Observed.SILENT if channel.unit is Unit.DEVICE:
            several = NOTHING if channel.multiple is None else channel.multiple.spread
            yield Effect.SEU, _ALL if exposed is None else _ALL.times(exposed), several
        case Observed.SILENT:
            yield from _bit_shares(profile, data, channel, footprint, exposed)


def _bit_shares(
    profile: BoardProfile,
    data: DataSet,
    channel: Channel,
    footprint: Footprint,
    exposed: float | None,
) -> Iterator[tuple[Kind, Spread, Spread]]:
    assert channel.bits is not None
    several = (channel.multiple or profile.radiation.mbu_fraction).spread
    silent = silent_share(profile, channel)
    if silent != _ALL:
        yield Effect.CORRECTED, silent.rest, NOTHING
        several = _ALL
    memory = channel.bits.value
    voted = min(footprint.hit_bits / memory, 1.0) if exposed is None else exposed
    rest = min(max(footprint.bits - footprint.hit_bits, 0) / memory, 1.0 - voted)
    others = 1.0 - voted - rest
    crash = hang = NOTHING
    if data.os_memory is not None:
        crash, hang = data.os_memory.crash.spread, data.os_memory.hang.spread
    nothing = crash.plus(hang).rest
    yield Effect.SEU, silent.times(voted), several
    yield Effect.REBOOT, silent.times(others).by(crash), NOTHING
    yield Effect.HANG, silent.times(others).by(hang), NOTHING
    yield Effect.IDLE, silent.by(nothing.times(others).plus(_ALL.times(rest))), NOTHING


def silent_share(profile: BoardProfile, channel: Channel) -> Spread:
    """Return the share of the bit flips of a channel that on-die ECC leaves: those of several bits
    of a word. 1 without it, or if it was at work in the test."""
    memory = profile.memory
    if memory is None or not memory.on_die_ecc.value or channel.on_die_ecc:
        return _ALL
    return (channel.multiple or profile.radiation.mbu_fraction).spread


def volume_of(channel: Channel, end: RangeEnd = RangeEnd.BEST) -> SensitiveVolume | None:
    """Return the sensitive volume of a bit that ions upset, at an end of the ranges; None for other
    channels. A deeper one has fewer upsets."""
    if channel.unit is not Unit.BIT or channel.particle is not Particle.HEAVY_ION:
        return None
    depth = None if channel.depth_um is None else _falling(channel.depth_um, end)
    sigma = channel.sigma
    return SensitiveVolume(getattr(sigma, end.value) or sigma.high, depth)


def curve_of(channel: Channel, end: RangeEnd = RangeEnd.BEST) -> CrossSectionCurve:
    """Return the cross-section curve of a channel at an end of the ranges, with a saturated value
    of 1. The curve with more events begins sooner and rises sooner; its exponent is the smaller
    one, as most ions have small LETs."""
    if channel.model is CrossSectionModel.BENDEL:
        assert channel.bendel_a is not None
        a = _falling(channel.bendel_a, end)
        return Bendel2(a, a, scale_cm2=1.0)
    assert channel.threshold is not None
    threshold = _falling(channel.threshold, end)
    if channel.model is CrossSectionModel.WEIBULL:
        assert channel.width is not None
        assert channel.shape is not None
        return Weibull(1.0, threshold, _falling(channel.width, end), _falling(channel.shape, end))
    return Plateau(1.0, threshold)


def _falling(number: Number, end: RangeEnd) -> float:
    """Return a number of which a larger one means fewer events, at an end of the ranges."""
    spread = number.spread
    return {RangeEnd.LOW: spread.high, RangeEnd.BEST: spread.best, RangeEnd.HIGH: spread.low}[end]
