"""The solar cycle and the drift of the anomaly, by date.

Cycle: the months of the minima and maxima of the smoothed sunspot number (SILSO, version 2.0, of
the Royal Observatory of Belgium); between them the activity follows half a cosine from 0 to 1 and
back. After the last known maximum it goes on in cycles of 11 years, 5 of them rising [A]: a date in
the future is an estimate. Or the F10.7 index [sfu] decides: 70 is the minimum, and 150, the level
that AP8MAX stands for, the maximum [A].

Drift: 0.3 degrees a year westward, as the RXTE satellite saw it from 1996 to 2007 (Fuerst et al.,
Earth Planet. Sci. Lett. 281 (2009) 125), from the years of AP8's own field models on: 1960 for the
minimum, 1970 for the maximum."""

from __future__ import annotations

import math
from datetime import datetime, timezone
from typing import Final

import numpy as np

from hil.scenario.plant.radiation import SolarPhase

__all__ = ["DRIFT_DEG_PER_YEAR", "activity_of_date", "activity_of_f10_7", "drift_deg"]

DRIFT_DEG_PER_YEAR: Final = 0.3
_FIELD_YEAR: Final = {SolarPhase.MIN: 1960.0, SolarPhase.MAX: 1970.0}

# Year and month of the minima (0) and maxima (1).
_TURNS: Final = (
    (1954, 4, 0), (1958, 3, 1),
    (1964, 10, 0), (1968, 11, 1),
    (1976, 3, 0), (1979, 12, 1),
    (1986, 9, 0), (1989, 11, 1),
    (1996, 8, 0), (2001, 11, 1),
    (2008, 12, 0), (2014, 4, 1),
    (2019, 12, 0), (2024, 10, 1),
)  # fmt: skip
_FALLING_Y: Final = 6.0
_RISING_Y: Final = 5.0
_CYCLES_AHEAD: Final = 10

_QUIET_SFU: Final = 70.0
_ACTIVE_SFU: Final = 150.0


def _year(moment: datetime) -> float:
    """Return a time as a year with its fraction."""
    begin = datetime(moment.year, 1, 1, tzinfo=timezone.utc)
    end = datetime(moment.year + 1, 1, 1, tzinfo=timezone.utc)
    return moment.year + (moment - begin) / (end - begin)


def _turns() -> tuple[list[float], list[float]]:
    years = [year + (month - 0.5) / 12.0 for year, month, _ in _TURNS]
    levels = [float(level) for _, _, level in _TURNS]
    for _ in range(_CYCLES_AHEAD):
        years += [years[-1] + _FALLING_Y, years[-1] + _FALLING_Y + _RISING_Y]
        levels += [0.0, 1.0]
    return years, levels


def activity_of_date(moment: datetime) -> float:
    """Return the activity of the Sun at a date, 0 (minimum) to 1 (maximum).

    Before the first minimum, of 1954, it is 0."""
    years, levels = _turns()
    year = _year(moment)
    if year <= years[0]:
        return levels[0]
    i = min(int(np.searchsorted(years, year, side="right")) - 1, len(years) - 2)
    share = min(1.0, (year - years[i]) / (years[i + 1] - years[i]))
    blend = 0.5 - 0.5 * math.cos(math.pi * share)
    return levels[i] + (levels[i + 1] - levels[i]) * blend


def activity_of_f10_7(sfu: float) -> float:
    """Return the activity, 0 to 1, of a (smoothed) F10.7 index."""
    return min(1.0, max(0.0, (sfu - _QUIET_SFU) / (_ACTIVE_SFU - _QUIET_SFU)))


def drift_deg(moment: datetime, phase: SolarPhase) -> float:
    """Return how far the anomaly has drifted west since the field model of a phase [deg]."""
    return DRIFT_DEG_PER_YEAR * (_year(moment) - _FIELD_YEAR[phase])
