"""Reads the console port of a board beside a run, in a thread of its own.

The port is opened again as often as it is lost, or missing. Nothing is ever written to it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from hil.clock import Clock
from hil.errors import HilError, SetupError
from hil.rig.console.node_console import NodeConsole
from hil.rig.console.port import ConsolePort
from hil.rig.console.text_rate import TEXT_MAX, TextRate
from hil.rig.transport import SerialTransport, TransportLost
from hil.scenario.console import same_port

__all__ = ["PortReader"]

_FIRST_PAUSE_S: Final = 0.1
_PAUSE_MAX_S: Final = 2.0
_SLICE_US: Final = 100_000
_CLOSING_S: Final = 2.0
_NOTES_MAX: Final = 20
_REST_S: Final = 0.005


class PortReader:
    """Passes what arrives on `port`, the console port of `node`, on to `console`, from now on.
    `links` returns the present ports of all links of the run by node: the port must be none of
    them. That the port is missing, or lost, is a note; nothing is raised."""

    def __init__(
        self,
        node: str,
        port: ConsolePort,
        console: NodeConsole,
        links: Callable[[], dict[str, str]],
        clock: Clock,
    ) -> None:
        self._node = node
        self._port = port
        self._console = console
        self._links = links
        self._clock = clock
        self._stop = threading.Event()
        self._noted = ""
        self._notes = 0
        self._told_of_loss = False
        self._rate = TextRate(self._pass_on, clock)
        self._thread = threading.Thread(target=self._run, name=f"hil console {node}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End reading. A thread that hangs in opening a port ends when that fails."""
        self._stop.set()
        self._thread.join(_CLOSING_S)

    # --- in the thread ------------------------------------------------------------------------

    def _run(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while not self._stop.is_set():
            try:
                transport = self._open()
                pause_s = _FIRST_PAUSE_S
                if self._noted:
                    self._note(f"console port {self._port.name} is open", "")
                try:
                    self._read(transport)
                finally:
                    self._rate.flush()
                    transport.close()
            except (TransportLost, HilError) as error:
                why = error.message if isinstance(error, HilError) else str(error)
                if why != self._noted:
                    self._note(f"nothing is read from its console: {why}", why)
            self._stop.wait(pause_s)
            pause_s = min(1.5 * pause_s, _PAUSE_MAX_S)

    def _open(self) -> SerialTransport:
        device = self._port.device
        for node, link in self._links().items():
            if same_port(device, link):
                raise SetupError(f"{device} is the port of node {node}")
        return self._port.open()

    def _read(self, transport: SerialTransport) -> None:
        while not self._stop.is_set():
            if transport.fd is not None:
                self._clock.readable([transport.fd], _SLICE_US)
            data = transport.read()
            if data:
                self._rate.push(data)
            if self._rate.is_over:
                self._rate.look()
                self._stop.wait(_REST_S)  # what nobody reads costs no time

    def _pass_on(self, data: bytes, missing: int) -> None:
        if missing and not self._told_of_loss:
            self._told_of_loss = True
            self._console.note(
                f"node {self._node}: text of its console port is lost: more than "
                f"{TEXT_MAX >> 10} KiB in a second"
            )
        self._console.on_port(data, missing)

    def _note(self, text: str, noted: str) -> None:
        self._noted = noted
        self._notes += 1
        if self._notes <= _NOTES_MAX:
            more = "; what follows is not noted" if self._notes == _NOTES_MAX else ""
            self._console.note(f"node {self._node}: {text}{more}")
