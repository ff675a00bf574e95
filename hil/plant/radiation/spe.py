"""Solar particle events: a burst of protons that comes over the poles, after the model of King.

Fluence above E: 7.9e9 exp((30 - E) / 26.5) /cm2, E in MeV, the anomalously large event of August
1972 (King, J. Spacecraft 11 (1974) 401; SOLPRO). It was fitted from 10 to 200 MeV and is continued
beyond. Its course in time, rise in 3 h and decay in 18 h, is an assumption, as is how far a storm
opens the Earth's field. Heavy ions of the event are not modelled."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

__all__ = ["KING_1972_PER_CM2", "KING_FOLDING_MEV", "SolarParticleEvent"]

Floats = npt.NDArray[np.float64]

KING_1972_PER_CM2: Final = 7.9e9  # above 30 MeV
KING_FOLDING_MEV: Final = 26.5


@dataclass(frozen=True, slots=True)
class SolarParticleEvent:
    """One event. `strength` 1 is August 1972, the largest that King had; most are below 0.1.

    `onset_s` counts from the start of the run and may be negative. `storm_factor` multiplies the
    cut-off rigidity everywhere: below 1 the protons come further down than on a quiet day.

    Raises:
        ValueError: A number is out of range.
    """

    onset_s: float
    strength: float = 1.0
    rise_h: float = 3.0
    decay_h: float = 18.0
    storm_factor: float = 0.8

    def __post_init__(self) -> None:
        for name in ("onset_s", "strength", "rise_h", "decay_h", "storm_factor"):
            if not math.isfinite(getattr(self, name)):
                raise ValueError(f"{name} of a solar particle event must be a number")
        if self.strength < 0.0:
            raise ValueError(f"strength must not be negative, is {self.strength}")
        if not 0.0 < self.rise_h < self.decay_h:
            raise ValueError(
                f"an event rises faster than it decays: rise_h {self.rise_h} must be positive and "
                f"less than decay_h {self.decay_h}"
            )
        if not 0.0 < self.storm_factor <= 1.0:
            raise ValueError(f"storm_factor is above 0 and at most 1, not {self.storm_factor}")

    def fluence_above(self, energy_mev: Floats) -> Floats:
        """Return the protons [/cm2] above an energy in the whole event, outside the field."""
        out: Floats = (
            self.strength
            * KING_1972_PER_CM2
            * np.exp((30.0 - np.asarray(energy_mev, dtype=np.float64)) / KING_FOLDING_MEV)
        )
        return out

    def course_per_s(self, t_s: Floats) -> Floats:
        """Return the part of the fluence per second at `t_s` (N,) from the run's start.

        Integrates to 1: (exp(-t/decay) - exp(-t/rise)) / (decay - rise).
        """
        rise_s, decay_s = 3600.0 * self.rise_h, 3600.0 * self.decay_h
        since = np.maximum(np.asarray(t_s, dtype=np.float64) - self.onset_s, 0.0)
        out: Floats = (np.exp(-since / decay_s) - np.exp(-since / rise_s)) / (decay_s - rise_s)
        return out
