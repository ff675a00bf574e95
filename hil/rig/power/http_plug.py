"""Smart plugs with a documented HTTP interface: Shelly of both generations, and Tasmota.

They switch the mains of a board's own supply. What they measure is on the mains side of it, and is
not taken for the board's voltage and current. Tried with simulated plugs only, not on hardware.
"""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import Final

from hil.rig.power.bounded_worker import BoundedWorker, Overdue
from hil.rig.power.protocol import Power
from hil.scenario.supply import PlugModel, SupplyConfig

__all__ = ["HttpPlug"]

_ANSWER_MAX: Final = 100_000


@dataclass(frozen=True, slots=True)
class _Interface:
    """The requests of one interface, and the key of the answer to `state` that says whether the
    plug is on. `{outlet}` counts from `first`."""

    on: str
    off: str
    state: str
    key: str
    first: int


_INTERFACES: Final = {
    # Shelly API reference, Gen1: "Shelly Plug/PlugS: /relay/0", parameter turn, attribute ison.
    PlugModel.SHELLY1: _Interface(
        "/relay/{outlet}?turn=on", "/relay/{outlet}?turn=off", "/relay/{outlet}", "ison", 0
    ),
    # Shelly API reference, Gen2+: Switch.Set and Switch.GetStatus by HTTP GET, attribute output.
    PlugModel.SHELLY2: _Interface(
        "/rpc/Switch.Set?id={outlet}&on=true",
        "/rpc/Switch.Set?id={outlet}&on=false",
        "/rpc/Switch.GetStatus?id={outlet}",
        "output",
        0,
    ),
    # Tasmota documentation, Commands: "with web requests", cm?cmnd=Power<x>; answers POWER<x>,
    # or POWER where there is one relay only.
    PlugModel.TASMOTA: _Interface(
        "/cm?cmnd=Power{outlet}%20On",
        "/cm?cmnd=Power{outlet}%20Off",
        "/cm?cmnd=Power{outlet}",
        "POWER{outlet}",
        1,
    ),
}


class HttpPlug(Power):
    """One outlet of a smart plug."""

    def __init__(self, node: str, supply: SupplyConfig) -> None:
        super().__init__(node, supply)
        assert supply.plug is not None
        assert supply.url is not None
        self._interface = _INTERFACES[supply.plug]
        self._outlet = supply.channel - 1 + self._interface.first
        self._url = supply.url.rstrip("/")
        self._worker = BoundedWorker(f"hil plug {self._url}")
        # A proxy of the environment is for the internet; the plug is on the bench.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    @property
    def title(self) -> str:
        return f"plug {self._url} outlet {self.supply.channel}"

    def check(self) -> None:
        self.gives_power()

    def on(self) -> None:
        with self.lock:
            self._switch(on=True)

    def off(self) -> None:
        with self.lock:
            self._switch(on=False)

    def close(self) -> None:
        super().close()
        self._worker.close()

    def gives_power(self) -> bool:
        """Return whether the plug is switched on. Raises: SetupError if it does not answer in its
        interface's words."""
        interface = self._interface
        answer = self._get(interface.state)
        for key in (interface.key.format(outlet=self._outlet), "POWER"):
            state = answer.get(key)
            if isinstance(state, bool):
                return state
            if isinstance(state, str) and state.upper() in ("ON", "OFF"):
                return state.upper() == "ON"
        raise self.failed(
            f"answered {json.dumps(answer)[:80]}; expected `{interface.key}`",
            f"is it a {self.supply.plug}, and does it have this outlet?",
        )

    def _switch(self, *, on: bool) -> None:
        self._get(self._interface.on if on else self._interface.off)
        if self.gives_power() != on:
            raise self.failed(
                f"did not switch {'on' if on else 'off'}",
                "is it locked, or has its overpower protection tripped?",
            )

    def _get(self, path: str) -> dict[str, object]:
        """Return the answer to a request. A plug that answers a byte a second is given up after
        `timeout_s`, too: the time limit of a socket is for each byte."""
        address = self._url + path.format(outlet=self._outlet)
        try:
            return self._worker.call(lambda _: self._fetch(address), self.supply.timeout_s)
        except Overdue as error:
            raise self.failed(f"does not answer: {error}", f"does `curl {address}` work?") from None

    def _fetch(self, address: str) -> dict[str, object]:
        """Return the answer of the plug. Raises: SetupError."""
        try:
            with self._opener.open(address, timeout=self.supply.timeout_s) as reply:
                raw = reply.read(_ANSWER_MAX)
            answer = json.loads(raw)
        except urllib.error.HTTPError as error:
            remedy = f"does `curl {address}` work?"
            if error.code == 401:
                remedy = "switch its password off on the bench's network, or use `kind: command`"
            error.close()
            raise self.failed(f"answered {error.code} {error.reason}", remedy) from None
        except (OSError, ValueError, http.client.HTTPException, RecursionError) as error:
            reason = error.reason if isinstance(error, urllib.error.URLError) else error
            raise self.failed(
                f"does not answer as a plug: {reason}", f"does `curl {address}` work?"
            ) from error
        if not isinstance(answer, dict):
            raise self.failed(
                f"answered {json.dumps(answer)[:80]}; expected an object",
                f"does `curl {address}` work?",
            )
        return answer
