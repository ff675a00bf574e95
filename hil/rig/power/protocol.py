"""The protocol of all instruments that switch a board's power, and their readings."""

from __future__ import annotations

import abc
import threading
from dataclasses import dataclass
from typing import Final

from hil.board_types.supply_limits import SupplyRange
from hil.errors import SetupError
from hil.scenario.supply import SupplyConfig

LEAST_V: Final = 0.5
"""[V] An output below this counts as switched off."""
PROTECTION_LOST: Final = "over-current protection lost"
"""The beginning of what is recorded when a board has no over-current protection any more."""
PROTECTION_WORKS: Final = "over-current protection works again"
"""The beginning of what is recorded when it has it again."""


@dataclass(frozen=True, slots=True)
class PowerReading:
    """The reading of an instrument [V, A]; None for a quantity that it cannot measure."""

    volts: float | None
    amps: float | None

    @property
    def watts(self) -> float | None:
        """Return the power [W]; None unless both voltage and current are known."""
        return None if self.volts is None or self.amps is None else self.volts * self.amps


@dataclass(frozen=True, slots=True)
class OverCurrent:
    """A board that drew its current limit, as in a latch-up, and was switched off. `micro`: it drew
    the threshold for micro-latch-ups, which is `limit_a` then."""

    amps: float
    limit_a: float
    micro: bool = False

    @property
    def text(self) -> str:
        """Return what happened, in words."""
        what = "micro-latch-up" if self.micro else "over-current"
        limit = f"{'threshold' if self.micro else 'limit'} {self.limit_a:g} A"
        return f"{what}: {self.amps:.2f} A ({limit}), cut off by its supply"


@dataclass(frozen=True, slots=True)
class PowerPoll:
    """The result of one poll: what was measured, the over-current that was cut, and a fault of the
    supply that it has seen itself, such as a trip of its own; empty without one."""

    reading: PowerReading
    cut: OverCurrent | None = None
    fault: str = ""


class Power(abc.ABC):
    """Switches and measures the power of one node.

    Raises: SetupError from every method, with the instrument's name and a remedy, if the instrument
    fails: that is a failure of the bench, not an observation. Thread-safe: the loop, the power
    monitor and the reconnector call methods, and a lock serialises them. `stands`: the voltages
    that its board stands, None if that is not known."""

    stands: SupplyRange | None = None

    def __init__(self, node: str, supply: SupplyConfig) -> None:
        self.node = node
        self.supply = supply
        self.lock = threading.RLock()
        self._wake = threading.Event()

    @property
    @abc.abstractmethod
    def title(self) -> str:
        """Return the name of the instrument for messages."""

    @property
    def instrument(self) -> str:
        """Return the name of the instrument, which other nodes may share: one thread polls it."""
        return f"{self.title} of {self.node}"

    @property
    def protects(self) -> bool:
        """Return whether it switches a board off that draws an over-current."""
        return self.supply.current_limit_a is not None

    @property
    def keeps_its_state(self) -> bool:
        """Return whether the power stays as it was switched when the instrument is released."""
        return True

    def check(self) -> None:  # noqa: B027 (there may be nothing to check)
        """Check that the instrument can be used, and switch nothing: a run that needs it hours
        later fails at its start. Raises: SetupError if it cannot."""

    @abc.abstractmethod
    def on(self) -> None:
        """Switch the power on. Idempotent."""

    @abc.abstractmethod
    def off(self) -> None:
        """Switch the power off. Idempotent."""

    def cycle(self, been_off_s: float = 0.0) -> None:
        """Switch the power off, wait for the supply's `off_s`, and switch it on. `been_off_s`: for
        how long it has been off already."""
        with self.lock:
            self.off()
            self._wake.wait(max(0.0, self.supply.off_s - been_off_s))
            try:
                self.on()
            except SetupError as error:
                raise SetupError(
                    f"{error.message}; its power was switched off, and may be off still",
                    remedy=error.remedy,
                ) from error

    def read(self) -> PowerReading:
        """Measure voltage and current now."""
        return PowerReading(None, None)

    def gives_power(self) -> bool | None:
        """Return whether the output is on now; None if the instrument cannot measure it."""
        volts = self.read().volts
        return None if volts is None else volts > LEAST_V

    def limit(self, volts: float | None, amps: float | None) -> bool:  # noqa: ARG002
        """Set the voltage [V] and the current limit [A]; None leaves a value as it is. Returns
        False if this instrument has no limits."""
        return False

    def watch(self) -> OverCurrent | None:
        """Check for a latch-up: switch a board off that draws its current limit, and return the
        measurement; None if there is no latch-up."""
        return None

    def poll(self) -> PowerPoll:
        """Check for a latch-up and measure, as `watch` and `read` do, at once where possible."""
        cut = self.watch()
        return PowerPoll(self.read(), cut)

    def cut_short(self) -> None:
        """End the off time of a running power cycle at once, because the run ends."""
        self._wake.set()

    def close(self) -> None:
        """Release the instrument and leave the board's power as it is. Idempotent."""
        self.cut_short()

    def failed(self, what: str, remedy: str) -> SetupError:
        """Return an error that names the node and the instrument."""
        return SetupError(f"node {self.node}: {self.title}: {what}", remedy=remedy)
