"""The console port of a board: a second port, on which it prints."""

from __future__ import annotations

from dataclasses import dataclass, field

from hil.rig.discovery import adapters
from hil.rig.pty_identity import PtyIdentity
from hil.rig.transport import SerialTransport
from hil.scenario.words import is_adapter_name

__all__ = ["ConsolePort"]


@dataclass(frozen=True, slots=True)
class ConsolePort:
    """The port on which a board prints. `name`: a port, or the identity of an adapter; `baud`: its
    rate [bit/s]."""

    name: str
    baud: int
    _pty: PtyIdentity = field(default_factory=PtyIdentity, repr=False, compare=False)

    @property
    def device(self) -> str:
        """Return the port, wherever its adapter is now. Raises: SetupError if the adapter is not
        plugged in."""
        return adapters.find(self.name) if is_adapter_name(self.name) else self.name

    def open(self) -> SerialTransport:
        """Open the port. Raises: SetupError if it is missing, in use, or not permitted."""
        device = self.device
        self._pty.check(device)
        return SerialTransport(device, self.baud)
