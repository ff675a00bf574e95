"""The sums of a survey: what the figures of a flight are made of, added block by block."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from hil.plant.rate_sums import RateSums
from hil.plant.sky import SAA_FLUX, SkyBlock
from hil.plant.spacecraft import PlacedBoard

__all__ = ["Runs", "SurveySums"]

Floats = npt.NDArray[np.float64]


class Runs:
    """The runs of consecutive steps in which a condition holds: how many, the longest, and all."""

    def __init__(self) -> None:
        self.count = 0
        self.longest = 0
        self.steps = 0
        self._open = 0  # steps of the run that the last block ended in

    def add(self, mask: npt.NDArray[np.bool_]) -> None:
        """Add the steps (N,) that follow those added before."""
        if not len(mask):
            return
        edges = np.diff(np.concatenate([[0], mask.astype(np.int8), [0]]))
        begins, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
        lengths = ends - begins
        self.steps += int(lengths.sum())
        self.count += len(begins)
        if self._open and mask[0]:  # it began in the block before, and was counted there
            lengths[0] += self._open
            self.count -= 1
        self._open = int(lengths[-1]) if mask[-1] else 0
        self.longest = max(self.longest, int(lengths.max(initial=0)))


class SurveySums:
    """Sums, extremes and runs of the sky over a flight."""

    def __init__(self, boards: Sequence[PlacedBoard]) -> None:
        self.steps = 0
        self.dark = Runs()
        self.anomaly = Runs()
        self.peak_flux_per_cm2_s = 0.0
        self._light = 0.0
        self._flux = 0.0
        self._beta = (math.inf, -math.inf)
        self.rates = RateSums([board.name for board in boards])

    def add(self, block: SkyBlock, count: int) -> None:
        """Add the first `count` steps of a block; it follows the one added before."""
        if not count:
            return
        self.steps += count
        light, flux = block.illumination[:count], block.flux_per_cm2_s[:count]
        beta = block.beta_deg[:count]
        self._light += float(light.sum())
        self._flux += float(flux.sum())
        self._beta = (min(self._beta[0], float(beta.min())), max(self._beta[1], float(beta.max())))
        self.peak_flux_per_cm2_s = max(self.peak_flux_per_cm2_s, float(flux.max()))
        self.dark.add(light < 0.5)
        self.anomaly.add(flux >= SAA_FLUX)
        self.rates.add(block, count)

    @property
    def sunlit(self) -> float | None:
        """Return the mean illumination; None if no source states it."""
        return None if math.isnan(self._light) else self._light / self.steps

    @property
    def beta_deg(self) -> tuple[float, float] | None:
        """Return the lowest and the highest beta angle [deg]; None if no source states it."""
        return None if math.isnan(self._beta[0]) or math.isinf(self._beta[0]) else self._beta

    @property
    def mean_flux_per_cm2_s(self) -> float:
        """Return the mean proton flux [/cm2/s]."""
        return self._flux / self.steps
