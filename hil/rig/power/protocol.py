"""What every instrument that switches a board's power can do, and what it says of itself."""

from __future__ import annotations

import abc
import threading
from dataclasses import dataclass
from typing import Final

from hil.errors import SetupError
from hil.scenario.supply import SupplyConfig

LEAST_V: Final = 0.5
"""Less is no power."""


@dataclass(frozen=True, slots=True)
class PowerReading:
    """What an instrument measures; None: it cannot."""

    volts: float | None
    amps: float | None

    @property
    def watts(self) -> float | None:
        return None if self.volts is None or self.amps is None else self.volts * self.amps


@dataclass(frozen=True, slots=True)
class OverCurrent:
    """The board drew its limit, as a latch-up does, and was cut off."""

    amps: float
    limit_a: float


class Power(abc.ABC):
    """The power of one node. SetupError from every method, with the instrument's name and what to
    try; an instrument that fails is a failure of the bench, not an observation.

    The loop and the reconnector's thread may call methods; one at a time gets through."""

    def __init__(self, node: str, supply: SupplyConfig) -> None:
        self.node = node
        self.supply = supply
        self.lock = threading.RLock()
        self._wake = threading.Event()

    @property
    @abc.abstractmethod
    def title(self) -> str:
        """The instrument, as people know it."""

    def check(self) -> None:  # noqa: B027 (there may be nothing to look at)
        """Whether it could be used, without switching anything: a run that needs it in hours says
        now that it is not there."""

    @abc.abstractmethod
    def on(self) -> None:
        """Give power. Idempotent."""

    @abc.abstractmethod
    def off(self) -> None:
        """Cut the power. Idempotent."""

    def cycle(self) -> None:
        """Off, a while, and on."""
        with self.lock:
            self.off()
            self._wake.wait(self.supply.off_s)
            self.on()

    def read(self) -> PowerReading:
        """What it measures now."""
        return PowerReading(None, None)

    def gives_power(self) -> bool | None:
        """Whether it gives power now; None: it cannot tell."""
        volts = self.read().volts
        return None if volts is None else volts > LEAST_V

    def limit(self, volts: float | None, amps: float | None) -> bool:  # noqa: ARG002
        """Set voltage and current limit (None: as it is). False: this instrument has none."""
        return False

    def watch(self) -> OverCurrent | None:
        """Look for a latch-up: a board that draws its current limit is cut off, and told of."""
        return None

    def hurry(self) -> None:
        """The run ends: a power cycle that is under way gives the power back now."""
        self._wake.set()

    def close(self) -> None:
        """Leave the board as it is, and let go of the instrument. Idempotent."""
        self.hurry()

    def failed(self, what: str, remedy: str) -> SetupError:
        """An error that names the instrument."""
        return SetupError(f"node {self.node}: {self.title}: {what}", remedy=remedy)
