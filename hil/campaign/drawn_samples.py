"""The faults of a sample that boards draw by themselves: a few bytes for all of a request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hil.campaign.ranges import Range
from hil.campaign.regions import TargetRegion
from hil.campaign.sampling import FaultTable, TargetDraw
from hil.wire.draws import DRAW_PARTS_MAX, DRAWS_MAX, DrawPart, DrawTarget

__all__ = ["DrawnFaults", "SampleDraws"]


@dataclass(frozen=True, slots=True)
class SampleDraws:
    """The draws of the faults of a stage, by target; `before`: for each frame, how many faults of
    each target are of earlier ones."""

    draws: tuple[TargetDraw, ...]
    before: Mapping[int, tuple[int, ...]]

    @property
    def possible(self) -> bool:
        """Return whether boards can draw so."""
        fit = all(draw.parts <= DRAW_PARTS_MAX for draw in self.draws)
        return fit and 0 < len(self.draws) <= DRAWS_MAX


class DrawnFaults:
    """`faults` of one frame, in the order of the time in them, the first of which is unit `first`:
    of each target, consecutive parts of its draw."""

    def __init__(
        self,
        how: SampleDraws,
        regions: Sequence[TargetRegion],
        faults: FaultTable,
        first: int,
    ) -> None:
        frame = int(faults.frame[0])
        self._first = first
        self._which: list[int] = np.unique(faults.target).tolist()
        self._places = [np.flatnonzero(faults.target == which) for which in self._which]
        self._part = [
            faults.number[places] - how.draws[which].first
            for which, places in zip(self._which, self._places, strict=True)
        ]
        self.targets: list[DrawTarget] = []
        for which in self._which:
            region, draw = regions[which], how.draws[which]
            size = (draw.faults, how.before[frame][which], draw.parts)
            where = (region.space, region.first, region.length)
            self.targets.append(DrawTarget(draw.key, *size, *where))

    def parts(self, units: Range) -> list[DrawPart]:
        """Return what is to be drawn of each target, so that it is these units."""
        return list(self._parts(units.first - self._first, units.end - self._first))

    def _parts(self, begin: int, end: int) -> Iterator[DrawPart]:
        for places, part in zip(self._places, self._part, strict=True):
            first, after = np.searchsorted(places, (begin, end)).tolist()
            yield DrawPart(int(part[first]) if first < after else 0, after - first)
