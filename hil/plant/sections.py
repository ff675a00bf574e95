"""Makes the cross-sections for rates of the channels of a board profile.

A channel names what was seen in the beam; the rig can inject four kinds. `sdc` (a wrong result) is
counted as `seu`: it begins as a flipped bit, and how many of those show is what the run measures,
so this errs on the low side. `due` and `crash` are `sefi`: the board needs a restart."""

from __future__ import annotations

from typing import Final

from hil.board_types.channels import Channel, CrossSectionModel, Effect, Particle
from hil.board_types.profile import BoardProfile
from hil.plant.radiation.crosssection import (
    Bendel2,
    CrossSectionCurve,
    Grade,
    Kind,
    Plateau,
    Section,
    Weibull,
)

__all__ = ["curve_of", "sections_of"]

_KIND: Final[dict[Effect, Kind]] = {
    Effect.SEU: Effect.SEU,
    Effect.MBU: Effect.SEU,
    Effect.SDC: Effect.SEU,
    Effect.DUE: Effect.SEFI,
    Effect.SEFI: Effect.SEFI,
    Effect.CRASH: Effect.SEFI,
    Effect.SEL: Effect.SEL,
}


def sections_of(profile: BoardProfile, *, exposed: float = 1.0) -> list[Section]:
    """Return the cross-sections of a board; `exposed` is the share of upset bits that a workload
    uses.
    """
    mbu = profile.radiation.mbu_fraction.value
    sections = [_section(channel, mbu, exposed) for channel in profile.radiation.channels]
    return [section for section in sections if section is not None]


def _section(channel: Channel, mbu_fraction: float, exposed: float) -> Section | None:
    kind = _KIND[channel.effect]
    bits = 1.0 if channel.bits is None else channel.bits.value
    share = exposed if kind is Effect.SEU else 1.0
    if bits * share <= 0.0:
        return None
    several = {Effect.MBU: 1.0, Effect.SEU: mbu_fraction}.get(channel.effect, 0.0)
    origin = channel.sigma_cm2 or channel.bendel_a
    source = origin.origin if origin is not None else channel.name
    grade: Grade = "A" if origin is None or origin.grade is None else origin.grade.value
    heavy = channel.particle is Particle.HEAVY_ION
    particle = Particle.HEAVY_ION if heavy else Particle.PROTON  # neutrons count as protons
    return Section(
        kind, particle, curve_of(channel), source, grade, bits=bits * share, mbu_fraction=several
    )


def curve_of(channel: Channel) -> CrossSectionCurve:
    """Return the cross-section curve of a channel: per device, or per bit if it has `bits`."""
    if channel.model is CrossSectionModel.BENDEL:
        assert channel.bendel_a is not None
        assert channel.bendel_b is not None
        return Bendel2(channel.bendel_a.value, channel.bendel_b.value)
    assert channel.sigma_cm2 is not None
    assert channel.threshold is not None
    sigma = channel.sigma_cm2.value
    if channel.model is CrossSectionModel.WEIBULL:
        assert channel.width is not None
        assert channel.shape is not None
        return Weibull(sigma, channel.threshold.value, channel.width.value, channel.shape.value)
    return Plateau(sigma, channel.threshold.value)
