"""Radiation upsets: when which board is hit, and how. Drawn ahead, block by block."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hil.board_types.channels import Effect
from hil.errors import UsageError
from hil.plant.radiation.arrivals import Arrivals
from hil.plant.radiation.crosssection import KINDS
from hil.plant.sky import BLOCK_STEPS, Sky
from hil.random_streams import stream

__all__ = ["Strike", "Strikes"]


@dataclass(frozen=True, slots=True, order=True)
class Strike:
    """Board number `position` is hit at `t_us`; `kind` is seu, mbu, sefi or sel."""

    t_us: int
    position: int
    kind: Effect


class Strikes:
    """The radiation upsets of one run. Every board and kind has its own random stream."""

    def __init__(self, sky: Sky, names: Sequence[str], seed: int, step_us: int) -> None:
        self._sky = sky
        self._step_us = step_us
        self._arrivals = [
            (position, name, kind, Arrivals(stream(seed, f"orbit {kind}/node {position}")))
            for position, name in enumerate(names)
            for kind in KINDS
        ]
        self._blocks = 0

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
        self._blocks += 1
        strikes = []
        for position, name, kind, arrivals in self._arrivals:
            try:
                times = arrivals.advance(block.rates[name][kind], step_us=self._step_us)
            except ValueError as error:
                raise UsageError(
                    f"the orbit upsets node {name} too often: {error}",
                    remedy="lower the acceleration (--accel)",
                ) from None
            strikes += [Strike(t_us, position, kind) for t_us in times]
        return sorted(strikes)
