"""Makes the cross-sections of the events of a run from what was observed in a beam.

    corrected             counted, never injected
    detected              the program ends with an error
    silent, of a device   a wrong result: a hit of the voted data, whatever the workload is
    silent, of a bit      shared out by the footprint: voted data; the rest of the workload, counted
                          only; all other memory, where a share of the hits crashes or hangs
    sefi                  a hang, a reboot, or the loss of a storage device
    destructive           a latch-up

On-die ECC corrects what flips a single bit, unless it was at work in the test already."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
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
from hil.board_types.profile import BoardProfile
from hil.board_types.spread import Spread
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
    multiplied by [cm2], from low to high. `channel`: its name in the data set, `observed`: what was
    seen of it in the beam."""

    channel: str
    observed: Observed
    section: Section
    scale: Spread


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
            if share <= 0.0:
                continue
            cited = channel.cited
            grade: Grade = "A" if cited.grade is None else cited.grade.value
            section = Section(
                kind,
                channel.particle,
                curve_of(channel),
                cited.origin,
                grade,
                mbu_fraction=several,
                volume=volume_of(channel),
            )
            bits = 1.0 if channel.bits is None else channel.bits.value
            scale = channel.sigma.times(bits * share)
            out.append(BoardSection(channel.name, channel.observed, section, scale))
    return out


def _shares(
    profile: BoardProfile,
    data: DataSet,
    channel: Channel,
    footprint: Footprint,
    exposed: float | None,
) -> Iterator[tuple[Kind, float, float]]:
    """Yield the kinds of events of a channel, each with its share and how many of it hit several
    bits."""
    match channel.observed:
        case Observed.CORRECTED:
            yield Effect.CORRECTED, 1.0, 0.0
        case Observed.DETECTED:
            yield Effect.DETECTED, 1.0, 0.0
        case Observed.SEFI:
            stored = channel.part in {device.name for device in profile.storage}
            yield (Effect.STORAGE if stored else _OF_SEFI[channel.mode]), 1.0, 0.0
        case Observed.DESTRUCTIVE:
            yield Effect.SEL, 1.0, 0.0
        case Observed.SILENT if channel.unit is Unit.DEVICE:
            several = 0.0 if channel.multiple is None else channel.multiple.value
            yield Effect.SEU, 1.0 if exposed is None else exposed, several
        case Observed.SILENT:
            yield from _bit_shares(profile, data, channel, footprint, exposed)


def _bit_shares(
    profile: BoardProfile,
    data: DataSet,
    channel: Channel,
    footprint: Footprint,
    exposed: float | None,
) -> Iterator[tuple[Kind, float, float]]:
    assert channel.bits is not None
    several = (channel.multiple or profile.radiation.mbu_fraction).value
    silent = silent_share(profile, channel)
    if silent < 1.0:
        yield Effect.CORRECTED, 1.0 - silent, 0.0
        several = 1.0
    memory = channel.bits.value
    voted = min(footprint.hit_bits / memory, 1.0) if exposed is None else exposed
    rest = min(max(footprint.bits - footprint.hit_bits, 0) / memory, 1.0 - voted)
    others = 1.0 - voted - rest
    crash = hang = 0.0
    if data.os_memory is not None:
        crash, hang = data.os_memory.crash.value, data.os_memory.hang.value
    yield Effect.SEU, silent * voted, several
    yield Effect.REBOOT, silent * others * crash, 0.0
    yield Effect.HANG, silent * others * hang, 0.0
    yield Effect.IDLE, silent * (rest + others * (1.0 - crash - hang)), 0.0


def silent_share(profile: BoardProfile, channel: Channel) -> float:
    """Return the share of the bit flips of a channel that on-die ECC leaves: those of several bits
    of a word. 1 without it, or if it was at work in the test."""
    memory = profile.memory
    if memory is None or not memory.on_die_ecc.value or channel.on_die_ecc:
        return 1.0
    return (channel.multiple or profile.radiation.mbu_fraction).value


def volume_of(channel: Channel) -> SensitiveVolume | None:
    """Return the sensitive volume of a bit that ions upset; None for other channels."""
    if channel.unit is not Unit.BIT or channel.particle is not Particle.HEAVY_ION:
        return None
    depth = None if channel.depth_um is None else channel.depth_um.value
    return SensitiveVolume(channel.sigma.best, depth)


def curve_of(channel: Channel) -> CrossSectionCurve:
    """Return the cross-section curve of a channel, with a saturated value of 1."""
    if channel.model is CrossSectionModel.BENDEL:
        assert channel.bendel_a is not None
        return Bendel2(channel.bendel_a.value, channel.bendel_a.value, scale_cm2=1.0)
    assert channel.threshold is not None
    if channel.model is CrossSectionModel.WEIBULL:
        assert channel.width is not None
        assert channel.shape is not None
        return Weibull(1.0, channel.threshold.value, channel.width.value, channel.shape.value)
    return Plateau(1.0, channel.threshold.value)
