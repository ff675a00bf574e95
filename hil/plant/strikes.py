"""Radiation events: when which board is hit, and how. Drawn ahead, block by block.

What hardware corrects, and what nothing uses, is drawn and counted like all else, and injected
nowhere."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hil.board_types.channels import Effect
from hil.errors import UsageError
from hil.plant.board_rates import BoardRates
from hil.plant.radiation.arrivals import Arrivals
from hil.plant.radiation.crosssection import KINDS
from hil.plant.rate_sums import RateSums, rates_of_board
from hil.plant.sky import BLOCK_STEPS, Sky
from hil.plant.spacecraft import PlacedBoard
from hil.random_streams import stream

__all__ = ["COUNTED", "Strike", "Strikes"]

COUNTED: Final = (Effect.CORRECTED, Effect.IDLE)
"""The kinds that are counted only."""


@dataclass(frozen=True, slots=True, order=True)
class Strike:
    """Board number `position` is hit at `t_us` by an event of `kind`, which is never one of
    `COUNTED`."""

    t_us: int
    position: int
    kind: Effect


class Strikes:
    """The radiation events of one run. Every board and kind has its own random stream."""

    def __init__(self, sky: Sky, names: Sequence[str], seed: int, step_us: int) -> None:
        self._sky = sky
        self._step_us = step_us
        self._arrivals = [
            (position, name, kind, Arrivals(stream(seed, f"orbit {kind}/node {position}")))
            for position, name in enumerate(names)
            for kind in KINDS
            if sky.occurs(name, kind)
        ]
        self._sums = RateSums(names)
        self._blocks = 0
        self._counted: dict[Effect, list[int]] = {kind: [] for kind in COUNTED}

    @property
    def target_weights(self) -> tuple[int, ...]:
        """Return the share of the voted data's hits of each of its targets, as whole numbers."""
        return self._sky.footprint.weights

    @property
    def known_until_us(self) -> int:
        """Return the time up to which all strikes were returned."""
        return self._blocks * BLOCK_STEPS * self._step_us

    def next_block(self) -> list[Strike]:
        """Return the strikes of the next block, in order of time.

        Raises:
            UsageError: There are too many.
        """
        block = self._sky.block_of(self._blocks * BLOCK_STEPS)
        count = min(BLOCK_STEPS, self._sky.steps - self._blocks * BLOCK_STEPS)
        if count > 0:
            self._sums.add(block, count)
        self._blocks += 1
        strikes = []
        for position, name, kind, arrivals in self._arrivals:
            try:
                times = arrivals.advance(block.rates[name][kind], step_us=self._step_us)
            except ValueError as error:
                raise UsageError(
                    f"the orbit upsets node {name} too often: {error}",
                    remedy="lower the acceleration (--accel, or `upsets.orbit.voted_accel`)",
                ) from None
            if kind in COUNTED:
                self._counted[kind] += times
            else:
                strikes += [Strike(t_us, position, kind) for t_us in times]
        for times in self._counted.values():
            times.sort()
        return sorted(strikes)

    def rates(self, boards: Sequence[PlacedBoard]) -> dict[str, BoardRates]:
        """Return the mean rates of boards, over the blocks that were drawn; empty before the
        first."""
        if not self._sums.steps:
            return {}
        return {board.name: rates_of_board(self._sky, board, self._sums) for board in boards}

    def counted(self, kind: Effect, until_us: int) -> int:
        """Return how many events of one of `COUNTED` were before `until_us`, on all boards."""
        return bisect.bisect_left(self._counted[kind], until_us)
