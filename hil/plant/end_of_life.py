"""The end of life of boards: when the dose of a run reaches what each of them stands.

The dose is that of `hil.plant.radiation.dose` behind the scenario's wall, summed along the run:
trapped protons and electrons, bremsstrahlung, solar events, and in active years the solar protons
of their average. Boards that are switched off get it too. What a board stands is the limit of its
profile times exp(spread x), x drawn for each board from the normal distribution.

A time of death is found to ten minutes of flight; between two such times dose grows linearly."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from statistics import NormalDist
from typing import Final

import numpy as np

from hil.plant.radiation.dose import DoseSums
from hil.plant.sky import BLOCK_STEPS, Sky, SkyBlock
from hil.plant.spacecraft import PlacedBoard
from hil.random_streams import stream
from hil.scenario.plant.wear import Wear

__all__ = ["EndOfLife"]

_PLACE_S: Final = 60.0
_PIECE_S: Final = 600.0
_YEAR_S: Final = 365.25 * 86_400.0


class EndOfLife:
    """Knows when each board of a run dies. Boards without a `tid_limit_krad` never do."""

    def __init__(
        self, sky: Sky, boards: Sequence[PlacedBoard], wear: Wear, seed: int, step_us: int
    ) -> None:
        self._sky = sky
        self._wear = wear
        self._step_us = step_us
        self.limits_krad = {
            board.name: limit.value * _tolerance(seed, number, wear.spread)
            for number, board in enumerate(boards)
            if (limit := board.profile.radiation.tid_limit_krad) is not None
        }
        self._times_us = [0]
        self._krad = [wear.before_krad]
        self._blocks = 0

    def krad(self, t_us: int) -> float:
        """Return the dose of the boards at a time of the run [krad(Si)]."""
        self._know(t_us)
        return float(np.interp(t_us, self._times_us, self._krad))

    def is_over(self, name: str, t_us: int) -> bool:
        """Return whether a board is dead at a time of the run."""
        limit = self.limits_krad.get(name)
        return limit is not None and self.krad(t_us) >= limit

    def next_us(self, t_us: int, before_us: int) -> int:
        """Return when the next board dies after a time of the run, at the latest `before_us`."""
        now, then = self.krad(t_us), self.krad(before_us)
        ahead = [limit for limit in self.limits_krad.values() if now < limit <= then]
        return min(before_us, self._reached_us(min(ahead))) if ahead else before_us

    def _reached_us(self, krad: float) -> int:
        """Return the first microsecond at which the dose is reached, which is known to be."""
        i = bisect_left(self._krad, krad)
        t0, t1 = self._times_us[i - 1 : i + 1]
        d0, d1 = self._krad[i - 1 : i + 1]
        return t0 + math.ceil((t1 - t0) * (krad - d0) / (d1 - d0))

    def _know(self, t_us: int) -> None:
        while self._times_us[-1] < t_us:
            self._add(self._sky.block_of(self._blocks * BLOCK_STEPS))
            self._blocks += 1

    def _add(self, block: SkyBlock) -> None:
        """Add the dose of a block, piece by piece."""
        step_s = self._step_us / 1e6
        stride = max(1, round(_PLACE_S / step_s))
        piece = max(1, round(_PIECE_S / step_s))
        years = self._sky.duration_s / _YEAR_S
        wall_mm = self._sky.radiation.shielding_mm_al
        for begin in range(0, len(block), piece):
            end = min(begin + piece, len(block))
            at = np.arange(begin, end, stride)
            seconds = (end - begin) * step_s
            sums = DoseSums(self._sky.radiation)
            sums.add(
                block.latitude_deg[at],
                block.longitude_deg[at],
                block.altitude_km[at],
                block.t_s[at],
                seconds / len(at),
                self._sky.phases(float(block.t_s[begin])),
            )
            krad = sum(sums.rates(years).behind(wall_mm).values()) * seconds / _YEAR_S
            krad += sums.events_krad(wall_mm)
            self._times_us.append((block.first + end) * self._step_us)
            self._krad.append(self._krad[-1] + self._wear.accel * krad)


def _tolerance(seed: int, number: int, spread: float) -> float:
    share = (stream(seed, f"end of life/node {number}").bits64() + 0.5) / 2**64
    return math.exp(spread * NormalDist().inv_cdf(share))
