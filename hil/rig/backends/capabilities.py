"""Capabilities: what a board can do or report beyond the protocol that all boards have.

`hil.rig.node.Board` is common to all boards. Each capability is a protocol here, and a node
determines once which of them its board has. A kind of board gains a capability by having the
protocol's members; no caller looks for attributes itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from hil.rig.backends.stderr_reader import StderrSink
from hil.rig.console.port import ConsolePort
from hil.rig.power.protocol import Power
from hil.rig.processor_use import ProcessorUse
from hil.rig.transport import LineRate, Transport
from hil.scenario.words import PatternKind, RamPart


@runtime_checkable
class Batchable(Protocol):
    """A board in this process: many frames of several such boards can be run in one call."""

    handle: Any
    """The board as a `hil_inproc_t *`."""


@dataclass(frozen=True, slots=True)
class RamHit:
    """One upset of a board's memory, as it was read back. `bit` of `space` bits was hit; `before`,
    `after` and `wanted` are the bytes at `address` before, after, and as requested."""

    address: int
    bit: int
    space: int
    before: bytes
    after: bytes
    wanted: bytes
    boot: int
    """How often the board had booted when it was hit."""

    @property
    def verified(self) -> bool:
        """Return whether the memory contained the requested bytes afterwards."""
        return self.after == self.wanted


@runtime_checkable
class RamAccess(Protocol):
    """A board whose whole memory can be changed from outside, its operating system's included."""

    def hit_ram(self, kind: PatternKind, bit: int, width: int, value: int, part: RamPart) -> RamHit:
        """Change bits of the memory and read them back. Raises: SetupError if the board has no
        power or its memory cannot be reached."""


@runtime_checkable
class OnPort(Protocol):
    """A board on a port with a name for people."""

    port: str


@runtime_checkable
class FastLine(Protocol):
    """A board whose line can be raised above the rate at which its agent starts."""

    fast_baud: int | None
    """The rate to raise the line to [bit/s]; None if its line stays at its rate."""


@runtime_checkable
class Numbered(Protocol):
    """A board whose own serial number may be known before it answers."""

    serial: str | None


@runtime_checkable
class Remarks(Protocol):
    """A board with remarks on its port, such as a setting that is not permitted."""

    def take_remark(self) -> str:
        """Return the remark since the last call; empty if there is none."""


@runtime_checkable
class Supplied(Protocol):
    """A board whose power an instrument may switch."""

    power: Power | None


@runtime_checkable
class ReportsPower(Protocol):
    """A board of which this computer knows whether it has power."""

    @property
    def has_power(self) -> bool:
        """Return whether the board has power now."""


@runtime_checkable
class HoldsUp(Protocol):
    """A board that capacitors may keep running after its power is cut."""

    @property
    def hold_up_us(self) -> int:
        """Return the longest time that it keeps running [us]."""


@runtime_checkable
class BootsSystem(Protocol):
    """A board whose operating system boots under this computer's observation."""

    @property
    def boot_timeout_us(self) -> int:
        """Return the longest time from power-on to its first answer [us]."""

    @property
    def boots(self) -> int:
        """Return how often its operating system has been started."""

    def boot_failure(self) -> str | None:
        """Return why the present boot has failed for certain; None if it may still succeed."""


@runtime_checkable
class BootsUnseen(Protocol):
    """A board of which only its owner knows how long it boots."""

    boot_s: float | None
    """The longest time from power-on until its agent answers [s]; None if nothing is said."""


@runtime_checkable
class PrintsOnPort(Protocol):
    """A board that may have a second port, on which it prints."""

    console: ConsolePort | None


@runtime_checkable
class UsesProcessor(Protocol):
    """A board that is a process of this computer."""

    @property
    def processor_use(self) -> ProcessorUse | None:
        """Return the processor time of its process; None without power."""


@dataclass(frozen=True, slots=True)
class UnexpectedExits:
    """The ends of a board's processes that this program did not end. `first`: how the first of them
    ended, in words."""

    count: int = 0
    first: str = ""


@runtime_checkable
class ReportsEnds(Protocol):
    """A board whose processes may be ended by other programs of this computer."""

    @property
    def unexpected_exits(self) -> UnexpectedExits:
        """Return how its processes ended that this program did not end."""


@runtime_checkable
class ReportsAddresses(Protocol):
    """A board of which this computer can read the memory layout of the agents."""

    fixed_addresses: bool | None
    """Whether all its agents in this run were loaded at the same addresses as in another run; None:
    not known."""


@runtime_checkable
class WritesErrors(Protocol):
    """A board whose processes write to a stderr that this computer reads."""

    stderr_sink: StderrSink | None
    """Takes that text from the board's next start on."""


@runtime_checkable
class KnownExecutable(Protocol):
    """A board whose agent's executable file this computer has."""

    def read_executable(self) -> bytes:
        """Return the content of that file. Raises: OSError."""


@runtime_checkable
class KnownBootFiles(Protocol):
    """A board whose operating system this computer has given to it."""

    @property
    def booted_files(self) -> tuple[tuple[str, str, str], ...]:
        """Return what each of its files is, its name, and its SHA-256."""


class Capabilities:
    """The capabilities of one board, with defaults for those that it lacks.

    `batch` and `ram` are the board itself, or None. The other values are read from the board at
    each access. As thread-safe as the board itself."""

    def __init__(self, board: object) -> None:
        self.batch = board if isinstance(board, Batchable) else None
        self.ram = board if isinstance(board, RamAccess) else None
        self._port = board if isinstance(board, OnPort) else None
        self._line = board if isinstance(board, FastLine) else None
        self._numbered = board if isinstance(board, Numbered) else None
        self._supplied = board if isinstance(board, Supplied) else None
        self._powered = board if isinstance(board, ReportsPower) else None
        self._held_up = board if isinstance(board, HoldsUp) else None
        self._system = board if isinstance(board, BootsSystem) else None
        self._unseen = board if isinstance(board, BootsUnseen) else None
        self._printing = board if isinstance(board, PrintsOnPort) else None
        self._processor = board if isinstance(board, UsesProcessor) else None
        self._ends = board if isinstance(board, ReportsEnds) else None
        self._addresses = board if isinstance(board, ReportsAddresses) else None
        self._remarks = board if isinstance(board, Remarks) else None
        self._errors = board if isinstance(board, WritesErrors) else None
        self._executable = board if isinstance(board, KnownExecutable) else None
        self._booted = board if isinstance(board, KnownBootFiles) else None

    @property
    def port(self) -> str | None:
        """Return the name of its port; None for a board without one."""
        return None if self._port is None else self._port.port

    @property
    def fast_baud(self) -> int:
        """Return the rate to raise its line to [bit/s]; 0: its line stays at its rate."""
        return 0 if self._line is None else self._line.fast_baud or 0

    @property
    def serial(self) -> str | None:
        """Return its own serial number; None if it is not known before it answers."""
        return None if self._numbered is None else self._numbered.serial

    @property
    def power(self) -> Power | None:
        """Return the instrument that switches its power; None without one."""
        return None if self._supplied is None else self._supplied.power

    @property
    def has_power(self) -> bool | None:
        """Return whether it has power; None: this computer does not know."""
        return None if self._powered is None else self._powered.has_power

    @property
    def hold_up_us(self) -> int:
        """Return the longest time that it keeps running after its power is cut [us]; 0: none."""
        return 0 if self._held_up is None else self._held_up.hold_up_us

    @property
    def boot_timeout_us(self) -> int:
        """Return the longest time from power-on to its first answer [us]; 0: it answers at once."""
        return 0 if self._system is None else self._system.boot_timeout_us

    @property
    def stated_boot_us(self) -> int:
        """Return the longest time from power-on to its first answer by the bench file [us]; 0: that
        says nothing."""
        return 0 if self._unseen is None else int((self._unseen.boot_s or 0) * 1e6)

    @property
    def boots(self) -> int | None:
        """Return how often its operating system has been started; None: not known."""
        return None if self._system is None else self._system.boots

    def boot_failure(self) -> str | None:
        """Return why the present boot has failed for certain; None if it may still succeed."""
        return None if self._system is None else self._system.boot_failure()

    @property
    def console(self) -> ConsolePort | None:
        """Return its console port; None for a board without one."""
        return None if self._printing is None else self._printing.console

    def take_remark(self) -> str:
        """Return a remark on its port since the last call; empty if there is none."""
        return "" if self._remarks is None else self._remarks.take_remark()

    def pass_stderr(self, sink: StderrSink) -> None:
        """Have `sink` take what its processes write to stderr, from its next start on; nothing is
        done for a board without one."""
        if self._errors is not None:
            self._errors.stderr_sink = sink

    @property
    def processor_use(self) -> ProcessorUse | None:
        """Return the processor time of its process; None: it has no process, or no power."""
        return None if self._processor is None else self._processor.processor_use

    @property
    def unexpected_exits(self) -> UnexpectedExits:
        """Return how its processes ended that this program did not end."""
        return UnexpectedExits() if self._ends is None else self._ends.unexpected_exits

    @property
    def fixed_addresses(self) -> bool | None:
        """Return whether its agents were loaded at the same addresses as in another run; None: not
        known."""
        return None if self._addresses is None else self._addresses.fixed_addresses

    def read_executable(self) -> bytes | None:
        """Return the content of its agent's executable file; None: this computer does not have
        it."""
        try:
            return None if self._executable is None else self._executable.read_executable()
        except OSError:
            return None

    @property
    def booted_files(self) -> tuple[tuple[str, str, str], ...]:
        """Return what each file is that its operating system was booted from, its name, and its
        SHA-256; none if this computer did not give them to it."""
        return () if self._booted is None else self._booted.booted_files


# --- transports -----------------------------------------------------------------------------------


@runtime_checkable
class RateControl(Protocol):
    """A transport whose line rate can be changed."""

    @property
    def rate(self) -> LineRate | None:
        """Return the line's rate; None if it has none or this program cannot set it."""

    def set_rate(self, baud: int) -> None:
        """Set the line's rate [bit/s]. Raises: TransportLost; OSError or ValueError if the port
        cannot run at it."""


def rate_of(transport: Transport | None) -> LineRate | None:
    """Return the rate of a transport that has one and can change it, else None."""
    return transport.rate if isinstance(transport, RateControl) else None


def set_rate(transport: Transport, baud: int) -> None:
    """Set the line rate of a transport [bit/s].

    Raises: TransportLost; OSError or ValueError if its port cannot run at it, or has no rate."""
    if not isinstance(transport, RateControl):
        raise OSError("this line has no rate")
    transport.set_rate(baud)
