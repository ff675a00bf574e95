"""Solar protons of a mission at a confidence level: SOLPRO.

King (J. Spacecraft 11 (1974) 401) and Stassinopoulos's program of it (NSSDC 75-11, 1975):
in the active years of a solar cycle the fluence of a mission is that of the number of anomalously
large events, each as August 1972, that is not exceeded with the chosen confidence. The number is a
polynomial in the months of the mission; below are those of two levels. The fit ends at 72 months;
longer missions are counted in pieces, which errs high. For less than a year the number of a year is
taken, as ECSS-E-ST-10-04C does with its own model.

It is an old model of one cycle and its spectrum is soft: above 100 MeV events with a ground-level
increase have more (see `spe`). Around solar minimum it expects no large event."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

__all__ = ["CONFIDENCE_LEVELS", "event_count", "fluence_above"]

Floats = npt.NDArray[np.float64]

_MONTHS: Final = {
    90: (-0.3518, 0.8417e-1, -0.1000e-2, 0.9956e-5),
    95: (-0.2214, 0.1149, -0.1871e-2, 0.2695e-4, -0.1116e-6),
}
CONFIDENCE_LEVELS: Final = tuple(_MONTHS)
"""In per cent."""

_LONGEST_MONTHS: Final = 72.0
_EVENT_PER_CM2: Final = 7.9e9  # above 30 MeV
_FOLDING_MEV: Final = 26.5


def event_count(years: float, confidence: int) -> int:
    """Return how many anomalously large events a mission of active years has at most.

    Raises:
        KeyError: The confidence is not one of `CONFIDENCE_LEVELS`.
    """
    months = max(12.0, 12.0 * years)
    whole, rest = divmod(months, _LONGEST_MONTHS)
    pieces = [_LONGEST_MONTHS] * int(whole) + ([max(rest, 12.0)] if rest > 0.0 else [])
    polynomial = _MONTHS[confidence]
    return sum(
        int(sum(c * piece**power for power, c in enumerate(polynomial)) + 1.0001)
        for piece in pieces
    )


def fluence_above(energy_mev: Floats, years: float, confidence: int) -> Floats:
    """Return the protons [/cm2] above an energy of a mission in active years, outside the field."""
    per_event = _EVENT_PER_CM2 * np.exp((30.0 - np.asarray(energy_mev)) / _FOLDING_MEV)
    out: Floats = event_count(years, confidence) * per_event
    return out
