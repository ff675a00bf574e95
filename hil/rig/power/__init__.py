"""Power of real boards: one small protocol, and the instruments that implement it.

`make` returns the instrument that a bench file describes. An instrument is opened when it is first
used, so that a bench whose supply is switched off can still be listed.

protocol            what all instruments can do
scpi, dialects, output, visa_session    bench supplies, through PyVISA
instrument, bounded_worker, resource_lock    one connection, thread and owner for a resource
http_plug, programs, labgrid_power    smart plugs, programs, places of labgrid
manual, mock        a person, a simulation
monitor, over_current    reads supplies beside the run, and detects latch-ups
bench_supplies      the supplies of a bench without a run
"""

from __future__ import annotations

from hil.board_types.supply_limits import SupplyRange
from hil.rig.power.monitor import PowerEvent, PowerMonitor
from hil.rig.power.protocol import OverCurrent, Power, PowerPoll, PowerReading
from hil.scenario.supply import SupplyConfig, SupplyKind

__all__ = [
    "OverCurrent",
    "Power",
    "PowerEvent",
    "PowerMonitor",
    "PowerPoll",
    "PowerReading",
    "make",
]


def make(name: str, supply: SupplyConfig, stands: SupplyRange | None = None) -> Power:
    """Return the instrument that switches the power of node `name`, whose board `stands` these
    voltages; None if that is not known."""
    power = _of_kind(name, supply)
    power.stands = stands
    return power


def _of_kind(name: str, supply: SupplyConfig) -> Power:
    # Each kind is imported only when it is used: PyVISA takes half a second.
    if supply.kind in (SupplyKind.SCPI, SupplyKind.TEMPLATE):
        from hil.rig.power.scpi import ScpiPower  # noqa: PLC0415

        return ScpiPower(name, supply)
    if supply.kind is SupplyKind.HTTP:
        from hil.rig.power.http_plug import HttpPlug  # noqa: PLC0415

        return HttpPlug(name, supply)
    if supply.kind is SupplyKind.LABGRID:
        from hil.rig.power.labgrid_power import LabgridPower  # noqa: PLC0415

        return LabgridPower(name, supply)
    if supply.kind is SupplyKind.MANUAL:
        from hil.rig.power.manual import ManualPower  # noqa: PLC0415

        return ManualPower(name, supply)
    if supply.kind is SupplyKind.MOCK:
        from hil.rig.power.mock import MockPower  # noqa: PLC0415

        return MockPower(name, supply)
    from hil.rig.power.programs import program_power  # noqa: PLC0415

    return program_power(name, supply)
