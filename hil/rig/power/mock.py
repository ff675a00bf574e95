"""A simulated supply for tests: it keeps its settings and measures a simulated load."""

from __future__ import annotations

from hil.rig.power.protocol import OverCurrent, Power, PowerReading
from hil.scenario.supply import SupplyConfig


class MockPower(Power):
    """A supply without hardware. `is_on`, `volts` and `limit_a` are its settings; `load_a` is the
    current that the simulated board draws [A]; `cycles` counts off-to-on changes."""

    def __init__(self, node: str, supply: SupplyConfig) -> None:
        super().__init__(node, supply)
        self.is_on = True
        self.volts = supply.voltage_v or 5.0
        self.limit_a = supply.current_limit_a
        self.load_a = 0.5
        self.cycles = 0

    @property
    def title(self) -> str:
        return "mock supply"

    def on(self) -> None:
        self.cycles += not self.is_on
        self.is_on = True

    def off(self) -> None:
        self.is_on = False

    def read(self) -> PowerReading:
        amps = self.load_a if self.limit_a is None else min(self.load_a, self.limit_a)
        return PowerReading(self.volts if self.is_on else 0.0, amps if self.is_on else 0.0)

    def limit(self, volts: float | None, amps: float | None) -> bool:
        self.volts = self.volts if volts is None else volts
        self.limit_a = self.limit_a if amps is None else amps
        return True

    def watch(self) -> OverCurrent | None:
        amps, latchup_a = self.read().amps, self.supply.latchup_a
        if amps is None or not self.is_on:
            return None
        if self.limit_a is not None and amps >= self.limit_a:
            cut = OverCurrent(amps, self.limit_a)
        elif latchup_a is not None and amps >= latchup_a:
            cut = OverCurrent(amps, latchup_a, micro=True)
        else:
            return None
        self.off()
        return cut
