"""Power of real boards: one small protocol, and what stands behind it.

`make` gives the instrument that a bench file describes. Nothing is opened before it is used, so a
bench whose supply is switched off can still be looked at.
"""

from __future__ import annotations

from hil.rig.power.monitor import PowerEvent, PowerMonitor
from hil.rig.power.protocol import OverCurrent, Power, PowerReading
from hil.scenario.supply import SupplyConfig, SupplyKind

__all__ = ["OverCurrent", "Power", "PowerEvent", "PowerMonitor", "PowerReading", "make"]


def make(name: str, supply: SupplyConfig) -> Power:
    """The instrument that switches the power of node `name`."""
    # Each kind is loaded when it is wanted: PyVISA takes half a second.
    if supply.kind is SupplyKind.SCPI:
        from hil.rig.power.scpi import ScpiPower  # noqa: PLC0415

        return ScpiPower(name, supply)
    if supply.kind is SupplyKind.MANUAL:
        from hil.rig.power.manual import ManualPower  # noqa: PLC0415

        return ManualPower(name, supply)
    if supply.kind is SupplyKind.MOCK:
        from hil.rig.power.mock import MockPower  # noqa: PLC0415

        return MockPower(name, supply)
    from hil.rig.power.programs import program_power  # noqa: PLC0415

    return program_power(name, supply)
