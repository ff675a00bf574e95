"""The thermal cycles of a flight's boards, and the years that their solder lasts with them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from hil.plant.spacecraft import PlacedBoard
from hil.plant.survey_figures import CycleFigures
from hil.plant.survey_rows import Stretch
from hil.plant.thermal_cycles import Cycles, Rainflow

__all__ = ["FlightCycles"]

_WARM_UP_S: Final = 10_800.0
"""After the start a spacecraft warms up from one temperature, which is no cycle of its orbit. No
board of those shipped takes longer."""
_DAY_S: Final = 86_400.0
_YEAR_S: Final = 365.25 * _DAY_S


class FlightCycles:
    """Counts the thermal cycles of the boards of a flight, after it has warmed up."""

    def __init__(self, boards: Sequence[PlacedBoard], duration_s: float) -> None:
        self._boards = tuple(boards)
        self._seconds = duration_s - _WARM_UP_S
        self._flows = {board.name: Rainflow() for board in boards}
        self._added = False

    def add(self, stretch: Stretch) -> None:
        """Add the temperatures of a stretch, which follows those added before."""
        begin_s, every_s = float(stretch.sky.t_s[0]), stretch.board_every_s
        skipped = max(0, math.ceil((_WARM_UP_S - begin_s) / every_s))
        for name, values in stretch.board_c.items():
            self._flows[name].add(values[skipped:])
            self._added |= len(values) > skipped

    def figures(self) -> dict[str, CycleFigures]:
        """Return the cycles by node; none of a flight that was warming up all the time, or that has
        no temperatures."""
        if not self._added or self._seconds < _WARM_UP_S:
            return {}
        return {
            board.name: self._of(board, self._flows[board.name].cycles()) for board in self._boards
        }

    def _of(self, board: PlacedBoard, cycles: Cycles) -> CycleFigures:
        years = None
        solder = board.profile.thermal.solder
        if solder is not None and cycles.number:
            n, swing, power = solder.cycles.spread, solder.swing_k.value, solder.exponent.spread
            ends = ((n.low, power.low), (n.best, power.best), (n.high, power.high))
            used = [cycles.life_used(number, swing, exponent) for number, exponent in ends]
            span = self._seconds / _YEAR_S
            first, best, last = (span / part for part in used)
            years = (first, best, last)
        per_day = cycles.number * _DAY_S / self._seconds
        return CycleFigures(board.profile.name, per_day, cycles.largest, years)
