"""Real boards on a serial port, and their power where something can switch it."""

from __future__ import annotations

from hil.clock import HOST
from hil.errors import SetupError
from hil.rig.console.port import ConsolePort
from hil.rig.discovery import adapters
from hil.rig.labgrid_place import LabgridPlace
from hil.rig.low_latency import LowLatency
from hil.rig.power import Power
from hil.rig.pty_identity import PtyIdentity
from hil.rig.tcp_transport import open_port
from hil.rig.transport import PortError, Transport


class SerialBoard:
    """A board on any pyserial port or URL, or on an adapter that is found by its identity.

    `baud`: the rate at which its agent starts, `fast_baud`: the one to raise the line to [bit/s];
    `serial`: its own serial number, `power`: the instrument that switches it, `boot_s`: how long it
    may take from power-on until its agent answers [s], if these are known. `console` may be set to
    a second port, on which it prints, `token_file` to the file with the token of a tcp:// port,
    `place` to the place of labgrid that has the port; `low_latency` sets its ports to that while
    they are open."""

    kind = "serial"
    can_return = True
    hold_up_us = 2_000_000
    """How long capacitors on the board and in its supply may keep it running [us]."""

    def __init__(
        self,
        name: str,
        port: str,
        baud: int,
        *,
        fast_baud: int | None = None,
        adapter: str | None = None,
        serial: str | None = None,
        power: Power | None = None,
        boot_s: float | None = None,
    ) -> None:
        self.name = name
        self.port = port
        self.fast_baud = fast_baud
        self.adapter = adapter
        self.serial = serial
        self.power = power
        self.boot_s = boot_s
        self.console: ConsolePort | None = None
        self.low_latency = LowLatency()
        self.token_file: str | None = None
        self.place: LabgridPlace | None = None
        self.can_cycle = power is not None
        self._baud = baud
        self._pty = PtyIdentity()
        self._off_since_us: int | None = None

    def connect(self) -> Transport:
        """Open the port. Raises: SetupError if it is missing, in use, or not permitted."""
        if self.adapter is not None:
            self.port = adapters.find(self.adapter)
        if self.place is not None:
            self.port = self.place.port()
        self._pty.check(self.port)
        try:
            return open_port(self.port, self._baud, self.token_file, self.low_latency)
        except PortError:
            if self.place is not None:
                self.place.forget_port()  # an exporter that was started again has another one
            raise

    def take_remark(self) -> str:
        """Return what this user may not set at its port, once; empty if nothing new."""
        return self.low_latency.take_remark()

    def condition(self, *, disconnected: bool) -> str | None:  # noqa: ARG002 (the protocol's)
        """Return None: nothing is known of the board beyond its link."""
        return None

    def _switch(self) -> Power:
        if self.power is None:
            raise SetupError(
                f"node {self.name}: nothing is known that switches its power",
                remedy="add `power:` to the board in the bench file (boards/README.md)",
            )
        return self.power

    def power_off(self) -> None:
        power = self._switch()
        with power.lock:
            power.off()
            self._off_since_us = HOST.now_us()

    def power_cycle(self) -> None:
        power = self._switch()
        with power.lock:  # a switching that has begun beside the run ends first
            since_us, self._off_since_us = self._off_since_us, None
            been_off_s = 0.0 if since_us is None else (HOST.now_us() - since_us) / 1e6
            # Somebody may have switched it on since: only what the supply measures counts.
            is_off = bool(been_off_s) and power.gives_power() is False
            power.cycle(been_off_s if is_off else 0.0)

    def shut_down(self) -> None:
        """Release the power instrument. The board keeps running, and its link closes the port."""
        if self.power is not None:
            self.power.close()
