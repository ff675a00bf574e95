"""Solar particle events: a burst of protons and ions that comes over the poles.

An event has the spectrum of one of two models. `return_years`: SAPPHIRE's event that is exceeded
once in so many years (`sapphire`), with its ions (`solar_ions`); its peak and its tail of protons
beyond 500 MeV are those of measured events. `strength`: the model of King (J. Spacecraft 11 (1974)
401; SOLPRO), 7.9e9 exp((30 - E) / 26.5) /cm2 above E MeV for August 1972, a large and soft event:
above 100 MeV others had more, and November 1960 was larger as a whole. It was fitted from 10 to 200
MeV, has no tail beyond, and no ions.

The course in time, one rise and one decay, is an assumption. With its usual time constants the
fluence of an event arrives as if its peak lasted 9.7 hours, which is what SAPPHIRE's fluences and
peaks have between 10 and 60 MeV (9 to 12 hours; 8 above 100 MeV), so that both are met. How far a
storm opens the Earth's field is an assumption too."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from hil.plant.radiation import sapphire, solar_ions
from hil.plant.radiation.let_spectrum import LetSpectrum

__all__ = ["KING_1972_PER_CM2", "KING_FOLDING_MEV", "SolarParticleEvent"]

Floats = npt.NDArray[np.float64]

KING_1972_PER_CM2: Final = 7.9e9  # above 30 MeV
KING_FOLDING_MEV: Final = 26.5


@dataclass(frozen=True, slots=True)
class SolarParticleEvent:
    """One event.

    With `return_years` it is SAPPHIRE's, and `strength` multiplies it; without, `strength` 1 is
    King's August 1972. `onset_s` counts from the start of the run and may be negative.
    `storm_factor` multiplies the cut-off rigidity everywhere: below 1 the particles come further
    down than on a quiet day.

    Raises:
        ValueError: A number is out of range.
    """

    onset_s: float
    strength: float = 1.0
    rise_h: float = 1.0
    decay_h: float = 7.0
    storm_factor: float = 0.8
    return_years: int | None = None

    def __post_init__(self) -> None:
        for name in ("onset_s", "strength", "rise_h", "decay_h", "storm_factor"):
            if not math.isfinite(getattr(self, name)):
                raise ValueError(f"{name} of a solar particle event must be a number")
        if self.strength < 0.0:
            raise ValueError(f"strength must not be negative, is {self.strength}")
        if self.return_years is not None and self.return_years not in sapphire.RETURN_YEARS:
            known = ", ".join(str(years) for years in sapphire.RETURN_YEARS)
            raise ValueError(f"return_years is one of {known}, not {self.return_years}")
        if not 0.0 < self.rise_h < self.decay_h:
            raise ValueError(
                f"an event rises faster than it decays: rise_h {self.rise_h} must be positive and "
                f"less than decay_h {self.decay_h}"
            )
        if not 0.0 < self.storm_factor <= 1.0:
            raise ValueError(f"storm_factor is above 0 and at most 1, not {self.storm_factor}")

    def fluence_above(self, energy_mev: Floats) -> Floats:
        """Return the protons [/cm2] above an energy in the whole event, outside the field."""
        energy = np.asarray(energy_mev, dtype=np.float64)
        if self.return_years is not None:
            return self.strength * sapphire.event_fluence_above(energy, self.return_years)
        king: Floats = KING_1972_PER_CM2 * np.exp((30.0 - energy) / KING_FOLDING_MEV)
        return self.strength * king

    def ions(self, wall_mm: float) -> LetSpectrum | None:
        """Return the ions [/cm2] of the whole event by LET and cut-off, behind a wall.

        None for King's event, of which none are known. Multiply by `strength`.
        """
        if self.return_years is None:
            return None
        return solar_ions.event_let_spectrum(self.return_years, wall_mm)

    def course_per_s(self, t_s: Floats) -> Floats:
        """Return the part of the fluence per second at `t_s` (N,) from the run's start.

        Integrates to 1: (exp(-t/decay) - exp(-t/rise)) / (decay - rise).
        """
        rise_s, decay_s = 3600.0 * self.rise_h, 3600.0 * self.decay_h
        since = np.maximum(np.asarray(t_s, dtype=np.float64) - self.onset_s, 0.0)
        out: Floats = (np.exp(-since / decay_s) - np.exp(-since / rise_s)) / (decay_s - rise_s)
        return out
