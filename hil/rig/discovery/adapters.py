"""Serial adapters by a lasting identity: /dev/ttyUSB0 is the adapter that was plugged in first.

An identity is `usb-serial:NUMBER` (the adapter's serial number; followed by `:1.1` for one port of
several) or `usb-path:1-1.2:1.0` (the USB socket). The socket is used where the serial number does
not identify the adapter: it has none, several have the same (CP2102 as shipped: 0001), or it has
characters that a bench file, a shell or a message could change.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from serial.tools import list_ports, list_ports_linux
from serial.tools.list_ports_common import ListPortInfo

from hil.errors import SetupError
from hil.scenario.words import is_adapter_name

__all__ = ["Adapter", "adapters", "find", "matching"]

BY_ID: Final = Path("/dev/serial/by-id")
DEV: Final = Path("/dev")
_DEVICES: Final = ("ttyS*", "ttyUSB*", "ttyXRUSB*", "ttyACM*", "ttyAMA*", "rfcomm*", "ttyAP*")
"""The device names that pyserial enumerates."""

_PLAIN_NUMBER: Final = re.compile(r"[A-Za-z0-9._+=#@/-]{1,64}")


@dataclass(frozen=True, slots=True)
class Adapter:
    """A serial port of this computer. `interface` distinguishes the ports of one adapter; `stable`
    is a lasting path (/dev/serial/by-id), if there is one."""

    device: str
    description: str
    serial: str | None = None
    location: str | None = None
    interface: str | None = None
    stable: str | None = None
    ports_of_adapter: int = 1
    """How many ports of one adapter have this serial number: same socket, different interfaces."""

    same_serial: int = 1
    """How many adapters have this serial number."""

    ambiguous: bool = False
    """Whether another port has the same identity, so that it identifies neither."""

    @property
    def number_doubt(self) -> str | None:
        """Return why its serial number does not identify it, in words; None if it does."""
        if not self.serial:
            return "it has no serial number"
        if not _PLAIN_NUMBER.fullmatch(self.serial):
            return "its serial number has characters that are not plain"
        if self.same_serial > 1:
            return f"{self.same_serial} adapters have the serial number {self.serial}"
        return None

    @property
    def identity(self) -> str | None:
        """Return its lasting identity; None if it has none."""
        port = f":{self.interface}" if self.interface else ""
        if self.number_doubt is None:
            name = f"usb-serial:{self.serial}{port if self.ports_of_adapter > 1 else ''}"
        else:
            name = f"usb-path:{self.location}{port}"
        return name if is_adapter_name(name) and not self.ambiguous else None

    def is_named_by(self, identity: str) -> bool:
        """Return whether `identity` names this adapter, possibly among others."""
        kind, _, name = identity.partition(":")
        if kind == "usb-serial":
            return name in {self.serial, f"{self.serial}:{self.interface}"}
        return name in {self.location, f"{self.location}:{self.interface}"}


def matching(identity: str, here: Sequence[Adapter]) -> list[Adapter]:
    """Return the adapters in `here` that `identity` names: one, unless it is ambiguous."""
    exact = [adapter for adapter in here if adapter.identity == identity]
    return exact or [adapter for adapter in here if adapter.is_named_by(identity)]


def _stable_paths() -> dict[str, str]:
    """Return the names in /dev/serial/by-id, by the device to which they lead."""
    try:
        return {str(path.resolve()): str(path) for path in sorted(BY_ID.iterdir())}
    except OSError:
        return {}


def _ports() -> list[ListPortInfo]:
    """Return all serial ports that pyserial finds."""
    try:
        return list(list_ports.comports())
    except ValueError:  # one device's description is not valid text, or not a number
        return [port for name in _DEVICES for path in DEV.glob(name) for port in _one(path)]


def _one(path: Path) -> list[ListPortInfo]:
    try:
        port = list_ports_linux.SysFS(str(path))
    except ValueError:
        return [ListPortInfo(str(path))]
    return [] if port.subsystem == "platform" else [port]


def adapters() -> list[Adapter]:
    """Return all serial ports of this computer, ordered by name."""
    stable = _stable_paths()
    ports = sorted(_ports(), key=lambda port: port.device)
    plain = [_adapter(port, stable) for port in ports]
    counted = [_counted(adapter, plain) for adapter in plain]
    names = [adapter.identity for adapter in counted]
    listed = [replace(a, ambiguous=names.count(a.identity) > 1) for a in counted]
    known = {adapter.device for adapter in listed}
    return listed + [
        Adapter(device, Path(name).name, stable=name)
        for device, name in stable.items()
        if device not in known
    ]


def _adapter(port: ListPortInfo, stable: dict[str, str]) -> Adapter:
    location, _, interface = (port.location or "").partition(":")
    return Adapter(
        port.device,
        port.description if port.description and port.description != "n/a" else port.name,
        port.serial_number or None,
        location or None,
        interface or None,
        stable.get(port.device),
    )


def _counted(adapter: Adapter, ports: Sequence[Adapter]) -> Adapter:
    """Return `adapter` with the counts of ports and adapters of the same serial number."""
    same = [other for other in ports if adapter.serial and other.serial == adapter.serial]
    if len(same) < 2:
        return adapter
    interfaces = {(other.location, other.interface) for other in same}
    sockets = {other.location for other in same}
    if len(sockets) == 1 and None not in sockets and len(interfaces) == len(same):
        return replace(adapter, ports_of_adapter=len(same))
    # udev gives the name in /dev/serial/by-id to the adapter that was plugged in last.
    return replace(
        adapter,
        ports_of_adapter=sum(other.location == adapter.location for other in same),
        same_serial=max(2, len(sockets)),
        stable=None,
    )


def find(identity: str) -> str:
    """Return the present device of an adapter. Raises: SetupError if it is not plugged in, or if
    `identity` names several."""
    here = adapters()
    candidates = matching(identity, here)
    if len(candidates) == 1:
        return candidates[0].device
    if candidates:
        choices = ", ".join(f"{a.identity or a.device} ({a.device})" for a in candidates)
        what = "ports" if candidates[0].same_serial == 1 else "ports, of several adapters"
        raise SetupError(
            f"adapter {identity} has {len(candidates)} {what}",
            remedy=f"name one in the bench file: {choices}; `hil discover -o FILE` does it",
        )
    others = ", ".join(f"{a.identity} ({a.device})" for a in here if a.identity) or "none"
    raise SetupError(
        f"adapter {identity} is not plugged in",
        remedy=f"plug it in; present: {others}; `hil discover` looks for boards on them",
    )
