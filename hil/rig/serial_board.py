"""Real boards on a serial port. Their power is not in our hands."""

from __future__ import annotations

from hil.errors import SetupError
from hil.rig.transport import SerialTransport


class SerialBoard:
    """A board behind any pyserial port or URL."""

    kind = "serial"
    can_cycle = False
    can_return = True

    def __init__(self, name: str, port: str, baud: int) -> None:
        self.name = name
        self.port = port
        self._baud = baud

    def connect(self) -> SerialTransport:
        """Open the port. SetupError if it is missing, in use, or not permitted."""
        return SerialTransport(self.port, self._baud)

    def condition(self, *, disconnected: bool) -> str | None:  # noqa: ARG002 (the protocol's)
        """Nothing is known of a board but what its link says."""
        return None

    def power_off(self) -> None:
        raise SetupError(f"node {self.name}: the power of a serial board cannot be switched here")

    def power_cycle(self) -> None:
        self.power_off()

    def shut_down(self) -> None:
        """The board stays as it is; only the port is closed, by its link."""
