"""Cross-section curves: how the upset probability of a part depends on energy or LET.

A section is of a whole device, or of a bit and multiplied by their number. Every one carries its
source and a grade, because the numbers span decades:

    M   measured or computed for this project       S   read in the source itself
    S2  read where it is quoted                     R   remembered, not checked
    A   an assumption
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal, Protocol, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from hil.board_types.channels import Effect, Particle

__all__ = [
    "KINDS",
    "Bendel2",
    "CrossSectionCurve",
    "Grade",
    "Kind",
    "Plateau",
    "RateUnit",
    "Section",
    "SensitiveVolume",
    "Weibull",
    "fold",
]

Floats = npt.NDArray[np.float64]

Kind: TypeAlias = Literal[
    Effect.SEU,
    Effect.DETECTED,
    Effect.SEFI,
    Effect.HANG,
    Effect.REBOOT,
    Effect.POWER_CYCLE,
    Effect.STORAGE,
    Effect.SEL,
    Effect.CORRECTED,
    Effect.IDLE,
]
Grade: TypeAlias = Literal["M", "S", "S2", "R", "A"]

KINDS: Final = tuple(Effect)
"""What rates are given of; `mbu` is cut off from the `seu` of a section by its fraction."""


class CrossSectionCurve(Protocol):
    """Cross-section over energy (protons, MeV) or LET (heavy ions, MeV cm2/mg)."""

    @property
    def threshold(self) -> float:
        """Return the energy or LET up to which there are no upsets."""
        ...

    def __hash__(self) -> int:
        """Return the same number for equal curves: tables of them are kept."""
        ...

    def __call__(self, x: Floats) -> Floats:
        """Return the cross-section [cm2], of the shape of `x`."""
        ...


def _positive(**values: float) -> None:
    for name, value in values.items():
        if not (math.isfinite(value) and value > 0.0):
            raise ValueError(f"{name} must be a positive number, not {value}")


@dataclass(frozen=True, slots=True)
class Plateau:
    """A constant cross-section above a threshold: all that a test at one energy supports.

    The default threshold, 30 MeV, is where proton cross-sections usually have levelled off.
    """

    sigma_cm2: float
    threshold: float = 30.0

    def __post_init__(self) -> None:
        _positive(sigma_cm2=self.sigma_cm2)
        if not (math.isfinite(self.threshold) and self.threshold >= 0.0):
            raise ValueError(f"the threshold must be 0 or more, not {self.threshold}")

    def __call__(self, x: Floats) -> Floats:
        return np.where(np.asarray(x) > self.threshold, self.sigma_cm2, 0.0)


@dataclass(frozen=True, slots=True)
class Weibull:
    """The usual fit to heavy-ion tests: sigma_cm2 (1 - exp(-((x - threshold) / width)^shape)).

    Petersen et al., IEEE Trans. Nucl. Sci. 39 (1992) 1577; CREME96.
    """

    sigma_cm2: float
    threshold: float
    width: float
    shape: float

    def __post_init__(self) -> None:
        _positive(sigma_cm2=self.sigma_cm2, width=self.width, shape=self.shape)
        if not (math.isfinite(self.threshold) and self.threshold >= 0.0):
            raise ValueError(f"the threshold must be 0 or more, not {self.threshold}")

    def __call__(self, x: Floats) -> Floats:
        above = np.maximum(np.asarray(x) - self.threshold, 0.0) / self.width
        out: Floats = -self.sigma_cm2 * np.expm1(-(above**self.shape))
        return out


@dataclass(frozen=True, slots=True)
class Bendel2:
    """The two-parameter Bendel function for protons, per bit; `a_mev` is the threshold, and the
    unit of the result `scale_cm2`.

    1e-12 cm2 (B/A)^14 (1 - exp(-0.18 sqrt(y)))^4 with y = (E - A) sqrt(18/A): Stapor et al., IEEE
    Trans. Nucl. Sci. 37 (1990) 1966, in the form of CREME-MC's help pages."""

    a_mev: float
    b: float
    scale_cm2: float = 1e-12

    def __post_init__(self) -> None:
        _positive(a_mev=self.a_mev, b=self.b, scale_cm2=self.scale_cm2)

    @property
    def threshold(self) -> float:
        """Return the energy [MeV] up to which there are no upsets."""
        return self.a_mev

    @property
    def limit_cm2(self) -> float:
        """Return the cross-section [cm2] of one bit at high energies."""
        return self.scale_cm2 * (self.b / self.a_mev) ** 14

    def __call__(self, x: Floats) -> Floats:
        y = np.maximum(np.asarray(x) - self.a_mev, 0.0) * math.sqrt(18.0 / self.a_mev)
        out: Floats = self.limit_cm2 * (-np.expm1(-0.18 * np.sqrt(y))) ** 4
        return out


@dataclass(frozen=True, slots=True)
class SensitiveVolume:
    """The box in which an ion upsets one bit: its face and its depth; None: the usual one."""

    face_cm2: float
    depth_um: float | None = None


@dataclass(frozen=True, slots=True)
class RateUnit:
    """The part of a section that decides its rate beside its numbers: the particle, the curve, and
    for ions the sensitive volume of a bit."""

    particle: Particle
    curve: CrossSectionCurve
    volume: SensitiveVolume | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """One way in which a part is upset by one kind of particle.

    `bits` is 1 for a curve of the whole device; a share of its bits need not be whole.
    `mbu_fraction` of the upsets of a `seu` section hit several bits. `volume`: of one bit that ions
    upset; without it, the cross-section counts in the same way from all sides.

    Raises:
        ValueError: A number is out of range, or the source is missing.
    """

    kind: Kind
    particle: Particle
    curve: CrossSectionCurve
    source: str
    grade: Grade
    bits: float = 1
    mbu_fraction: float = 0.0
    volume: SensitiveVolume | None = None

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise ValueError(f"a section is not of {self.kind}: that is a share of seu")
        if self.particle not in (Particle.PROTON, Particle.HEAVY_ION):
            raise ValueError(f"a section is for proton or heavy_ion, not {self.particle}")
        if not self.source.strip():
            raise ValueError(f"the {self.kind} section has no source")
        if not self.bits > 0:
            raise ValueError(f"a section is of more than no bits, not {self.bits}")
        if not 0.0 <= self.mbu_fraction <= 1.0:
            raise ValueError(f"mbu_fraction is 0..1, not {self.mbu_fraction}")
        if self.mbu_fraction and self.kind != Effect.SEU:
            raise ValueError(f"only upsets (seu) can be of several bits, not {self.kind}")

    @property
    def unit(self) -> RateUnit:
        """Return what its rate depends on beside its numbers."""
        return RateUnit(self.particle, self.curve, self.volume)


def fold(sigma_cm2: Floats, above: Floats) -> Floats:
    """Return events per time: cross-sections between grid points times the flux between them.

    `above` (..., E) is the integral flux above E grid points; `sigma_cm2` (E,) the cross-section
    from each to the next, the last from there to infinity. Shape (...,). Summed in order, without
    a linear algebra library, whose sums depend on the machine.
    """
    total = sigma_cm2[-1] * above[..., -1]
    for i in range(len(sigma_cm2) - 1):
        total = total + sigma_cm2[i] * (above[..., i] - above[..., i + 1])
    out: Floats = np.asarray(total)
    return out
