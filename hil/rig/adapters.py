"""Serial adapters by what they are, not by the number that they got: /dev/ttyUSB0 is whoever was
plugged in first.

An identity is `usb-serial:NUMBER` (the adapter's serial number; with `:1.1` behind it for one port
of several) or `usb-path:1-1.2:1.0` (the USB socket, for adapters that have no number).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from serial.tools import list_ports
from serial.tools.list_ports_common import ListPortInfo

from hil.errors import SetupError

BY_ID: Final = Path("/dev/serial/by-id")


@dataclass(frozen=True, slots=True)
class Adapter:
    """A serial port that is there. `interface` tells the ports of one adapter apart; `stable` is a
    path that stays (/dev/serial/by-id), if there is one."""

    device: str
    description: str
    serial: str | None = None
    location: str | None = None
    interface: str | None = None
    stable: str | None = None
    shared: bool = False
    """Another port has the same serial number."""

    @property
    def identity(self) -> str | None:
        """What it is known by wherever it is; None if nothing is known."""
        if self.serial:
            port = f":{self.interface}" if self.shared and self.interface else ""
            return f"usb-serial:{self.serial}{port}"
        if self.location:
            port = f":{self.interface}" if self.interface else ""
            return f"usb-path:{self.location}{port}"
        return None

    def answers_to(self, identity: str) -> bool:
        """Whether it is the one that is meant."""
        kind, _, name = identity.partition(":")
        if kind == "usb-serial":
            return name in {self.serial, f"{self.serial}:{self.interface}"}
        return name in {self.location, f"{self.location}:{self.interface}"}


def _stable_paths() -> dict[str, str]:
    """Devices by what their names in /dev/serial/by-id lead to."""
    try:
        return {str(path.resolve()): str(path) for path in sorted(BY_ID.iterdir())}
    except OSError:
        return {}


def adapters() -> list[Adapter]:
    """All serial ports of this computer, in the order of their names."""
    stable = _stable_paths()
    ports = sorted(list_ports.comports(), key=lambda port: port.device)
    serials = [port.serial_number for port in ports if port.serial_number]
    found = [_adapter(port, stable, serials) for port in ports]
    known = {adapter.device for adapter in found}
    return found + [
        Adapter(device, Path(name).name, stable=name)
        for device, name in stable.items()
        if device not in known
    ]


def _adapter(port: ListPortInfo, stable: dict[str, str], serials: list[str]) -> Adapter:
    location, _, interface = (port.location or "").partition(":")
    return Adapter(
        port.device,
        port.description if port.description and port.description != "n/a" else port.name,
        port.serial_number or None,
        location or None,
        interface or None,
        stable.get(port.device),
        serials.count(port.serial_number or "") > 1,
    )


def find(identity: str) -> str:
    """The device of an adapter now. SetupError if it is not there, or if several could be meant."""
    here = adapters()
    fitting = [adapter for adapter in here if adapter.answers_to(identity)]
    if len(fitting) == 1:
        return fitting[0].device
    if fitting:
        choices = ", ".join(f"{a.identity} ({a.device})" for a in fitting)
        raise SetupError(
            f"adapter {identity} has {len(fitting)} ports",
            remedy=f"say which one in the bench file: {choices}",
        )
    others = ", ".join(f"{a.identity} ({a.device})" for a in here if a.identity) or "none"
    raise SetupError(
        f"adapter {identity} is not plugged in",
        remedy=f"plug it in; there are: {others}; `hil discover` looks for boards on them",
    )
