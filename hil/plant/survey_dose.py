"""The dose of a flight: what its places and its wall give its boards, and how long they last."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from hil.plant.radiation.dose import SOLAR_CONFIDENCE, DoseRates, DoseSums, Phases
from hil.plant.sky import Sky, SkyBlock
from hil.plant.spacecraft import PlacedBoard
from hil.plant.survey_figures import DoseFigures, DoseLimit

__all__ = ["CURVE_MM", "FlightDose"]

Floats = npt.NDArray[np.float64]

CURVE_MM: Final = (
    *(0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0),
    *(9.0, 10.0, 12.0, 14.0, 16.0, 18.0, 20.0, 25.0, 30.0, 40.0, 50.0),
)
"""The thicknesses of the depth-dose curve: those of SPENVIS, and beyond."""

_SPACING_S: Final = 60.0
_AT_ONCE: Final = 1000
_YEAR_S: Final = 365.25 * 86_400.0


class FlightDose:
    """Collects the places of a flight, one a minute, and returns its dose."""

    def __init__(self, sky: Sky, step_s: float) -> None:
        self._sky = sky
        self._environment = sky.radiation
        self._stride = max(1, round(_SPACING_S / step_s))
        self._step_s = step_s
        self._duration_s = sky.duration_s
        self._sums = DoseSums(sky.radiation)
        self._places = 0
        self._pieces: list[tuple[Floats, ...]] = []
        self._waiting = 0
        self._phases: Phases = ()

    def add(self, block: SkyBlock, count: int) -> None:
        """Add the first `count` steps of a block, where the flight has a place."""
        first = -block.first % self._stride
        at = np.arange(first, count, self._stride)
        columns = (block.latitude_deg[at], block.longitude_deg[at], block.altitude_km[at])
        if not len(at) or np.any(np.isnan(np.stack(columns))):
            return
        self._places += len(at)
        phases = self._sky.phases(float(block.t_s[len(block) // 2]))
        if phases != self._phases or self._waiting >= _AT_ONCE:
            self._flush()
        self._phases = phases
        self._waiting += len(at)
        self._pieces.append((*columns, block.t_s[at]))

    def _flush(self) -> None:
        """Add the places that wait, many at once: that is faster."""
        if self._pieces:
            latitude, longitude, altitude, t_s = map(
                np.concatenate, zip(*self._pieces, strict=True)
            )
            each_s = self._stride * self._step_s
            self._sums.add(latitude, longitude, altitude, t_s, each_s, self._phases)
        self._pieces.clear()
        self._waiting = 0

    def figures(self, boards: Sequence[PlacedBoard]) -> DoseFigures | None:
        """Return the dose; None for a flight without places."""
        if not self._places:
            return None
        self._flush()
        years = self._duration_s / _YEAR_S
        rates = self._sums.rates(years)
        wall_mm = self._environment.shielding_mm_al
        behind = rates.behind(wall_mm)
        total = sum(behind.values())
        events = self._sums.events_krad(wall_mm)
        given = self._environment.protons
        curves = _curves(rates)
        return DoseFigures(
            wall_mm_al=wall_mm,
            krad_per_year=total,
            by_source=behind,
            depth_mm_al=CURVE_MM,
            krad_per_year_by_depth=tuple(
                float(x) for x in np.sum(np.stack(list(curves.values())), axis=0)
            ),
            curves={source: tuple(float(x) for x in curve) for source, curve in curves.items()},
            protons_per_cm2_year=rates.protons_per_cm2_year,
            solar_confidence_percent=SOLAR_CONFIDENCE if self._sums.active else None,
            flight_krad=total * years + events,
            duration_d=self._duration_s / 86400.0,
            events_krad=events,
            limits=tuple(_limits(boards, total, years, events)),
            unlimited={
                board.name: board.profile.name
                for board in boards
                if board.profile.radiation.tid_limit_krad is None
            },
            protons_of=None if given is None else given.file,
            proton_energies_mev=() if given is None else tuple(map(float, given.energies_mev)),
        )


def _curves(rates: DoseRates) -> dict[str, Floats]:
    rows = [rates.behind(mm) for mm in CURVE_MM]
    return {source: np.array([row[source] for row in rows]) for source in rows[0]}


def _limits(
    boards: Sequence[PlacedBoard], krad_per_year: float, years: float, events_krad: float
) -> list[DoseLimit]:
    """Return when boards reach their limits, by the dose of each year and that of the flight's
    solar particle events."""

    def reached(limit_krad: float) -> float | None:
        left = limit_krad - events_krad
        if left <= 0.0:
            return 0.0
        return left / krad_per_year if krad_per_year > 0.0 else None

    out = []
    for board in boards:
        limit = board.profile.radiation.tid_limit_krad
        if limit is None:
            continue
        krad = limit.spread
        soonest, best, latest = reached(krad.low), reached(krad.best), reached(krad.high)
        within = best is not None and best <= years
        name, profile = board.name, board.profile.name
        out.append(DoseLimit(name, profile, krad, soonest, best, latest, within))
    return out
