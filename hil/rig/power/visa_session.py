"""One open connection to an instrument, through PyVISA (an extra).

PyVISA's resource manager is one for the whole process: it is opened once for each library and never
closed by an error of one instrument, which would close the connections of all others.
"""

from __future__ import annotations

import socket
import threading
from typing import Any, Final

from hil.clock import HOST
from hil.errors import SetupError
from hil.extras import install_command
from hil.rig.power.bounded_worker import CallTime
from hil.rig.power.dialects import Dialect
from hil.scenario.supply import FlowControl, Parity, SupplyConfig
from hil.scenario.visa_names import is_serial_resource

__all__ = ["Garbage", "NoAnswer", "VisaSession"]

_SETTLED_S: Final = 0.15
"""An answer without a terminator is complete when nothing more comes for this long."""
_IDENTITY_MAX: Final = 100
_CHUNK: Final = 4096
_ANSWER_MAX: Final = 16_384

_managers: dict[str, Any] = {}
_managers_guard: Final = threading.Lock()


class NoAnswer(Exception):
    """The instrument did not answer, or its connection is broken; the message is one line."""


class Garbage(Exception):
    """An answer that cannot be one to the question: later ones may be out of step, too."""


def _visa() -> Any:
    try:
        import pyvisa  # noqa: PLC0415 (an extra, and slow to load)
    except ImportError:
        raise SetupError(
            "scpi supplies need PyVISA, which is not installed",
            remedy=install_command("visa"),
        ) from None
    return pyvisa


def _manager(library: str) -> Any:
    pyvisa = _visa()
    with _managers_guard:
        if library not in _managers:
            _managers[library] = pyvisa.ResourceManager(library)
        return _managers[library]


class VisaSession:
    """A connection, used by one thread at a time. Every request has the time that is left of its
    turn, at most `most_s` [s]."""

    def __init__(self, supply: SupplyConfig, turn: CallTime) -> None:
        """Open the instrument. Raises: NoAnswer; SetupError if PyVISA is missing."""
        self._dialect: Dialect | None = None
        self._turn = turn
        try:
            self._resource = _manager(supply.backend or "@py").open_resource(
                supply.resource,
                open_timeout=_milliseconds(turn.left_s),
                timeout=_milliseconds(turn.left_s),
                read_termination="\n",
                write_termination="\n",
                **_line_settings(supply),
            )
            _send_at_once(self._resource)
        except SetupError:
            raise
        except Exception as error:
            raise NoAnswer(_first_line(error)) from error

    @property
    def left_s(self) -> float:
        """Return the time that is left of the turn [s]."""
        return self._turn.left_s

    def begin(self, turn: CallTime) -> None:
        """Begin a turn of requests."""
        self._turn = turn

    def speak(self, dialect: Dialect) -> None:
        """Use the terminators and pauses of `dialect` from now on."""
        self._dialect = dialect
        if not dialect.end:
            self._resource.write_termination = ""
            self._resource.read_termination = ""

    def write(self, command: str) -> None:
        """Send a command. Raises: NoAnswer, Abandoned."""
        self._prepare()
        try:
            self._resource.write(command)
        except Exception as error:
            raise NoAnswer(f"`{command}`: {_first_line(error)}") from error
        if self._dialect is not None and self._dialect.pause_s:
            HOST.sleep_us(self._dialect.pause_s * 1e6)

    def query(self, command: str, most_s: float = 1e9) -> str:
        """Send a query and return its answer, without the terminator. Raises: NoAnswer,
        Abandoned; Garbage for an answer that is not text."""
        self._prepare(most_s)
        try:
            if self._dialect is not None and self._dialect.answer_bytes:
                self._resource.write(command)
                return self._unterminated(command)
            self._resource.write(command)
            return self._line(command)
        except UnicodeDecodeError as error:
            raise Garbage(f"bytes that are not text: {error.object[:20]!r}") from error
        except (Garbage, NoAnswer):
            raise
        except Exception as error:
            raise NoAnswer(f"`{command}`: {_first_line(error)}") from error

    def query_byte(self, command: str) -> int:
        """Send a query that is answered by one byte, and return it. Raises: NoAnswer, Abandoned."""
        self._prepare()
        try:
            self._resource.write(command)
            return int(self._resource.read_bytes(1, break_on_termchar=False)[0])
        except Exception as error:
            raise NoAnswer(f"`{command}`: {_first_line(error)}") from error

    def identity_without_terminator(self, most_s: float) -> str:
        """Ask *IDN? of an instrument whose commands and answers have no terminator. Raises:
        NoAnswer, Abandoned."""
        self._prepare(most_s)
        self._resource.write_termination = self._resource.read_termination = ""
        try:
            self._resource.write("*IDN?")
            return self._until_silence(_IDENTITY_MAX)
        except Exception as error:
            raise NoAnswer(_first_line(error)) from error

    def close(self) -> None:
        """Close this connection, and no other. Never fails."""
        try:
            self._resource.close()
        except Exception:  # noqa: BLE001, S110 (the instrument is gone: nothing to close)
            pass

    def _prepare(self, most_s: float = 1e9) -> None:
        self._turn.check()
        left_s = min(self._turn.left_s, most_s)
        if left_s <= 0:
            raise NoAnswer("its time is over")
        self._resource.timeout = _milliseconds(left_s)

    def _line(self, command: str) -> str:
        """Return what comes, up to its terminator. PyVISA's own `read` has no limit: what sends
        without end would fill the memory. Raises: Garbage; what PyVISA raises."""
        from pyvisa import constants  # noqa: PLC0415 (an extra)

        more, resource, raw = constants.StatusCode.success_max_count_read, self._resource, b""
        status = more
        while status == more:
            if len(raw) > _ANSWER_MAX:
                raise Garbage(
                    f"`{command}` was answered by more than {_ANSWER_MAX // 1024} KiB without an "
                    f"end: {raw[:20]!r}"
                )
            with resource.ignore_warning(resource.session, more):
                chunk, status = resource.visalib.read(resource.session, _CHUNK)
            raw += chunk
        if status < 0 or not raw:  # not all libraries raise an exception for it
            raise NoAnswer(f"`{command}`: no answer")
        return raw.decode("ascii").strip()

    def _unterminated(self, command: str) -> str:
        assert self._dialect is not None
        if command == "*IDN?":
            return self._until_silence(_IDENTITY_MAX)
        expected = self._dialect.answer_bytes
        raw: bytes = self._resource.read_bytes(expected, break_on_termchar=False)
        if command == self._dialect.ask_amps.format(channel=1):
            self._discard_rest(_IDENTITY_MAX)
        return raw.decode("ascii").strip()

    def _discard_rest(self, most: int) -> None:
        """Discard what still comes, until nothing more does, at most so many bytes."""
        self._resource.timeout = _milliseconds(_SETTLED_S)
        for _ in range(most):
            try:
                self._resource.read_bytes(1, break_on_termchar=False)
            except Exception:  # noqa: BLE001 (PyVISA's timeout)
                return

    def _until_silence(self, most: int) -> str:
        """Return what comes, until nothing more does."""
        raw = bytearray(self._resource.read_bytes(1, break_on_termchar=False))
        self._resource.timeout = _milliseconds(_SETTLED_S)
        while len(raw) < most:
            try:
                raw += self._resource.read_bytes(1, break_on_termchar=False)
            except Exception:  # noqa: BLE001 (PyVISA's timeout: the answer is complete)
                break
        return raw.decode("ascii", errors="replace").strip("\0\r\n ")


def _line_settings(supply: SupplyConfig) -> dict[str, Any]:
    """Return PyVISA's settings of the instrument's serial line; none for any other interface."""
    if supply.resource is None or not is_serial_resource(supply.resource):
        return {}
    from pyvisa import constants  # noqa: PLC0415 (an extra)

    stop_bits = {1: constants.StopBits.one, 2: constants.StopBits.two}
    parity = {
        Parity.NONE: constants.Parity.none,
        Parity.EVEN: constants.Parity.even,
        Parity.ODD: constants.Parity.odd,
    }
    flow = {
        FlowControl.NONE: constants.ControlFlow.none,
        FlowControl.RTS_CTS: constants.ControlFlow.rts_cts,
        FlowControl.DTR_DSR: constants.ControlFlow.dtr_dsr,
        FlowControl.XON_XOFF: constants.ControlFlow.xon_xoff,
    }
    return {
        "baud_rate": supply.baud or 9600,
        "data_bits": supply.data_bits or 8,
        "parity": parity[supply.parity or Parity.NONE],
        "stop_bits": stop_bits[supply.stop_bits or 1],
        "flow_control": flow[supply.flow or FlowControl.NONE],
    }


def _send_at_once(resource: Any) -> None:
    """Switch Nagle's algorithm off: a query after a command waited 40 ms for an acknowledgement.

    PyVISA-py 0.8 leaves it on and cannot set its own attribute for it, so that its socket is taken;
    other libraries have it off already."""
    try:
        interface = resource.visalib.sessions[resource.session].interface
    except (AttributeError, KeyError, TypeError):
        return
    if isinstance(interface, socket.socket):
        interface.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _milliseconds(seconds: float) -> int:
    return max(1, int(seconds * 1000))


def _first_line(error: Exception) -> str:
    """Return an exception of PyVISA as one line."""
    text = str(error).strip().splitlines()
    return text[0].rstrip(".") if text else type(error).__name__
