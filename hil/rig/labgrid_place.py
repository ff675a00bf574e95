"""Places of a labgrid coordinator: who has one, and the serial port and power switch that it has.

All goes through the program `labgrid-client`, whose commands are labgrid's documented interface: a
coordinator that hangs costs a bounded time, and neither labgrid nor gRPC is loaded into a run. Its
coordinator is that of labgrid's own settings (`LG_COORDINATOR`)."""

from __future__ import annotations

import ast
import getpass
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hil.clock import HOST, Clock
from hil.errors import SetupError
from hil.extras import install_command
from hil.json_values import JsonObject
from hil.rig.lock_file import HeldLock, LockInUse
from hil.rig.power.programs import run_group
from hil.scenario.supply import SupplyConfig, SupplyKind

__all__ = ["LabgridPlace", "PlaceLock", "PlaceState"]

_TIMEOUT_S: Final = 30.0
_EXPORT_US: Final = 20_000_000
"""How long an exporter may take to start the port server of a place that was acquired."""
_POLL_US: Final = 300_000
_SERIAL: Final = "NetworkSerialPort"
_POWER: Final = re.compile(r"\w*(Power|PDU)\w*(Port|Switch)?")
_RESOURCE: Final = re.compile(
    r"^(?:Acquired|Matching) resource '(?P<name>.*)' \(.*\):\n(?P<data>(?:  .*\n?)+)", re.MULTILINE
)
_PLACE: Final = re.compile(r"^Place '(?P<name>.*)':$", re.MULTILINE)
_ACQUIRED: Final = re.compile(r"^  acquired: (?P<owner>.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class PlaceState:
    """The state of a place: `owner` has acquired it (HOST/USER; empty: nobody), `ports` are the
    URLs of its serial ports that can be opened now, of `port_count` that it has; `has_power`: it
    has something that switches power."""

    owner: str
    ports: tuple[str, ...]
    port_count: int
    has_power: bool


class LabgridPlace:
    """The place `name` of the coordinator."""

    def __init__(self, name: str, clock: Clock = HOST) -> None:
        self.name = name
        self._clock = clock
        self._port = ""

    # --- what the coordinator says ----------------------------------------------------------------

    def state(self) -> PlaceState:
        """Ask the coordinator for the present state. Raises: SetupError if it does not answer, or
        has no such place."""
        text = self.call("show")
        place = _PLACE.search(text)
        acquired = _ACQUIRED.search(text)
        if place is None or acquired is None:
            raise self._failed(f"`labgrid-client show` printed {text[:80]!r}", "is it labgrid 26?")
        if place["name"] != self.name:  # a part of a name is enough for labgrid
            raise self._failed("there is no place of that name", f"is it {place['name']}?")
        ports: list[str] = []
        count, has_power = 0, False
        for resource in _RESOURCE.finditer(text):
            entry = self._entry(resource["data"])
            kind = str(entry.get("cls"))
            if kind == _SERIAL:
                count += 1
                ports += _url_of(entry)
            has_power |= _POWER.fullmatch(kind) is not None
        owner = acquired["owner"].strip()
        return PlaceState("" if owner == "None" else owner, tuple(ports), count, has_power)

    def _entry(self, text: str) -> JsonObject:
        try:
            entry = ast.literal_eval(text.strip())
        except (ValueError, SyntaxError):
            entry = None
        if not isinstance(entry, dict):
            raise self._failed(f"its resource {text[:80]!r} is not understood", "is it labgrid 26?")
        return entry

    def supply(self) -> SupplyConfig | None:
        """Return the supply that the place is for its board; None if it switches no power.

        Raises: SetupError."""
        if not self.state().has_power:
            return None
        return SupplyConfig(kind=SupplyKind.LABGRID, place=self.name, timeout_s=_TIMEOUT_S)

    def port(self) -> str:
        """Return the URL of the place's serial port, which its exporter serves once it is acquired.

        Raises: SetupError if the place is not acquired, or does not have exactly one serial port,
        or that is not served within 20 s."""
        end_us = self._clock.now_us() + _EXPORT_US
        while not self._port:
            state = self.state()
            if state.owner != own_name():
                raise self._failed(
                    f"it is acquired by {state.owner or 'nobody'}, not by {own_name()}",
                    "a run acquires it at its start; was it released meanwhile?",
                )
            if state.port_count != 1:
                raise self._failed(
                    f"it has {state.port_count} serial ports ({_SERIAL}); expected one",
                    f"labgrid-client -p {self.name} add-match EXPORTER/GROUP/{_SERIAL}",
                )
            if state.ports:
                self._port = state.ports[0]
            elif self._clock.now_us() >= end_us:
                raise self._failed(
                    "its exporter does not serve the serial port",
                    "is the board's adapter plugged in there, and ser2net installed?",
                )
            else:
                self._clock.sleep_us(_POLL_US)
        return self._port

    def forget_port(self) -> None:
        """Ask for the port again when it is needed: it could not be opened."""
        self._port = ""

    # --- what is asked of it ----------------------------------------------------------------------

    def acquire(self) -> bool:
        """Acquire the place, and return whether that was necessary: this user may have acquired it
        before, and keeps it then.

        Raises: LockInUse with the owner if somebody else has it; SetupError."""
        owner = self.state().owner
        if owner == own_name():
            return False
        if owner:
            raise LockInUse(_owner_text(owner))
        try:
            self.call("acquire")
        except SetupError:
            owner = self.state().owner
            if owner and owner != own_name():  # quicker than this
                raise LockInUse(_owner_text(owner)) from None
            raise
        except BaseException:
            self.release()  # the order may have arrived
            raise
        return True

    def release(self) -> None:
        """Release the place. Raises: SetupError."""
        self._port = ""
        self.call("release")

    def call(self, *words: str, timeout_s: float = _TIMEOUT_S) -> str:
        """Run a command of labgrid-client on this place and return what it printed. Raises:
        SetupError if it fails, or does not end within `timeout_s` [s]."""
        program = _program()
        try:
            done = run_group([program, "-p", self.name, *words], timeout_s)
        except OSError as error:
            raise self._failed(f"{program}: {error.strerror}", "is it executable?") from error
        except subprocess.TimeoutExpired:
            raise self._failed(
                f"`labgrid-client {' '.join(words)}` did not end within {timeout_s:g} s",
                "do the coordinator and the exporter of the place run?",
            ) from None
        if done.returncode != 0:
            said = (done.stderr.strip() or done.stdout.strip() or "it printed nothing").splitlines()
            raise self._failed(
                f"`labgrid-client {' '.join(words)}` failed: {said[-1]}",
                f"try `labgrid-client -p {self.name} show`; its coordinator is that of "
                "$LG_COORDINATOR",
            )
        return done.stdout

    def _failed(self, what: str, remedy: str) -> SetupError:
        return SetupError(f"labgrid place {self.name}: {what}", remedy=remedy)


class PlaceLock:
    """Holds a place until `release`, against other processes of this computer as well: to labgrid,
    all programs of one user on one computer are one.

    Raises: LockInUse with the owner; SetupError."""

    def __init__(self, name: str, run: str = "") -> None:
        self._place = LabgridPlace(name)
        self._lock = HeldLock("labgrid", f"{os.environ.get('LG_COORDINATOR', '')} {name}", run)
        try:
            self._is_ours = self._place.acquire()
        except BaseException:
            self._lock.release()
            raise

    def release(self) -> None:
        """Release the place, unless this user had acquired it before. Idempotent. Raises nothing:
        what cannot be released stays acquired, which labgrid shows."""
        is_ours, self._is_ours = self._is_ours, False
        if is_ours:
            try:
                self._place.release()
            except SetupError:
                pass
        self._lock.release()


def own_name() -> str:
    """Return the name under which labgrid knows this user on this computer."""
    host = os.environ.get("LG_HOSTNAME") or socket.gethostname()
    return f"{host}/{os.environ.get('LG_USERNAME') or getpass.getuser()}"


def _owner_text(owner: str) -> str:
    host, _, user = owner.partition("/")
    return f"{user or '?'} on {host}, who has acquired it in labgrid"


def _program() -> str:
    beside = Path(sys.executable).parent / "labgrid-client"
    program = str(beside) if beside.exists() else shutil.which("labgrid-client")
    if program is None:
        raise SetupError(
            "there is no program labgrid-client, which places of labgrid need",
            remedy=install_command("labgrid"),
        )
    return program


def _url_of(entry: JsonObject) -> Sequence[str]:
    """Return the URL of a serial port; empty if it is not served now."""
    params = entry.get("params")
    if not isinstance(params, dict) or not entry.get("avail"):
        return ()
    host, port = params.get("host"), params.get("port")
    if not isinstance(host, str) or not isinstance(port, int):
        return ()
    place = f"{f'[{host}]' if ':' in host else host}:{port}"
    if params.get("protocol") == "raw":
        return (f"socket://{place}",)
    # As labgrid opens it: adapters without modem lines do not confirm that they were set.
    return (f"rfc2217://{place}?ign_set_control",)
