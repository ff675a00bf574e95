"""What one board can do or report that not every board can: its capabilities, asked in one place.

`hil.rig.node.Board` is what all boards have. Everything beyond is a protocol here, and a node asks
its board once for all of them. A kind of board gains a capability by having the protocol's members;
no caller looks for attributes itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from hil.rig.power.protocol import Power
from hil.rig.processor_use import ProcessorUse
from hil.rig.transport import LineRate, Transport


@runtime_checkable
class Batchable(Protocol):
    """It runs in this process, and many frames of several such boards can be run in one call."""

    handle: Any
    """The board as a `hil_inproc_t *`."""


@dataclass(frozen=True, slots=True)
class RamHit:
    """One upset of a board's memory, as it was read back."""

    address: int
    bit: int
    space: int
    before: bytes
    after: bytes
    wanted: bytes
    boot: int
    """How often the board had booted when it was made."""

    @property
    def verified(self) -> bool:
        """Whether the memory holds afterwards what was written."""
        return self.after == self.wanted


@runtime_checkable
class RamAccess(Protocol):
    """Its whole memory can be changed from outside, also that of its operating system."""

    def hit_ram(self, kind: str, bit: int, width: int, value: int, part: str) -> RamHit:
        """Change bits of the memory and read them back. Raises: SetupError if it has no power."""


@runtime_checkable
class OnPort(Protocol):
    """It is reached through a port that people know by name."""

    port: str


@runtime_checkable
class FastLine(Protocol):
    """Its line can run faster than at the rate that its agent starts with."""

    fast_baud: int | None
    """The rate [bit/s]; None if its line stays as it is."""


@runtime_checkable
class Numbered(Protocol):
    """Its own serial number may be known beforehand."""

    serial: str | None


@runtime_checkable
class Supplied(Protocol):
    """An instrument may switch its power."""

    power: Power | None


@runtime_checkable
class ReportsPower(Protocol):
    """This computer knows whether it has power."""

    @property
    def has_power(self) -> bool:
        """Whether it has power now."""


@runtime_checkable
class HoldsUp(Protocol):
    """Capacitors may keep it running after its power is cut."""

    @property
    def hold_up_us(self) -> int:
        """For how long [us], at most."""


@runtime_checkable
class BootsSystem(Protocol):
    """It boots an operating system, which this computer can see."""

    @property
    def boot_timeout_us(self) -> int:
        """How long it may take from power-on to its first answer [us]."""

    @property
    def boots(self) -> int:
        """How often its operating system has been started."""

    def boot_failure(self) -> str | None:
        """Why it will not come up, however long the host waits; None if it may."""


@runtime_checkable
class UsesProcessor(Protocol):
    """It is a process of this computer."""

    @property
    def processor_use(self) -> ProcessorUse | None:
        """What its process made of its time; None without power."""


@runtime_checkable
class ReportsEnds(Protocol):
    """It is processes of this computer, which somebody else may end."""

    @property
    def unexpected_exits(self) -> Sequence[str]:
        """How those of its processes ended that this program had not ended."""


@runtime_checkable
class ReportsAddresses(Protocol):
    """This computer can read where its agents are in memory."""

    fixed_addresses: bool | None
    """Whether all agents that it has had in this run began at the same addresses as those of
    another run; None: not known."""


class Capabilities:
    """What one board can do beyond the protocol `Board`, with what holds for a board that cannot.

    `batch` and `ram` are the board itself, or None. The other values are the board's present ones,
    read when they are asked for. Reading is as safe from another thread as the board is."""

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
        self._processor = board if isinstance(board, UsesProcessor) else None
        self._ends = board if isinstance(board, ReportsEnds) else None
        self._addresses = board if isinstance(board, ReportsAddresses) else None

    @property
    def port(self) -> str | None:
        """The port that it is reached through; None for a board that has none."""
        return None if self._port is None else self._port.port

    @property
    def fast_baud(self) -> int:
        """The rate to raise its line to [bit/s]; 0: its line stays as it is."""
        return 0 if self._line is None else self._line.fast_baud or 0

    @property
    def serial(self) -> str | None:
        """Its own serial number, if it is known beforehand."""
        return None if self._numbered is None else self._numbered.serial

    @property
    def power(self) -> Power | None:
        """The instrument that switches its power."""
        return None if self._supplied is None else self._supplied.power

    @property
    def has_power(self) -> bool | None:
        """Whether it has power; None: only the board itself knows."""
        return None if self._powered is None else self._powered.has_power

    @property
    def hold_up_us(self) -> int:
        """How long it may run on from its capacitors when its power is cut [us]."""
        return 0 if self._held_up is None else self._held_up.hold_up_us

    @property
    def boot_timeout_us(self) -> int:
        """How long it may take from power-on to its first answer [us]; 0: it answers at once."""
        return 0 if self._system is None else self._system.boot_timeout_us

    @property
    def boots(self) -> int | None:
        """How often its operating system has been started; None: not known."""
        return None if self._system is None else self._system.boots

    def boot_failure(self) -> str | None:
        """Why it will not come up, however long the host waits; None if it may."""
        return None if self._system is None else self._system.boot_failure()

    @property
    def processor_use(self) -> ProcessorUse | None:
        """What its process made of its time; None: it is not a process, or has no power."""
        return None if self._processor is None else self._processor.processor_use

    @property
    def unexpected_exits(self) -> Sequence[str]:
        """How those of its processes ended that this program had not ended; others have none."""
        return () if self._ends is None else self._ends.unexpected_exits

    @property
    def fixed_addresses(self) -> bool | None:
        """Whether its agents began at the same addresses as those of another run; None: not
        known."""
        return None if self._addresses is None else self._addresses.fixed_addresses


# --- transports -----------------------------------------------------------------------------------


@runtime_checkable
class RateControl(Protocol):
    """A transport whose line rate can be changed."""

    @property
    def rate(self) -> LineRate | None:
        """The line's rate; None where it has none, or it is not ours to set."""

    def set_rate(self, baud: int) -> None:
        """Run the line at another rate from now on. Raises: TransportLost; OSError or ValueError if
        the port cannot run at it."""


def rate_of(transport: Transport | None) -> LineRate | None:
    """Return the rate of a transport that has one and can change it, else None."""
    return transport.rate if isinstance(transport, RateControl) else None


def set_rate(transport: Transport, baud: int) -> None:
    """Run a transport at another rate.

    Raises: TransportLost; OSError or ValueError if its port cannot run at it, or has no rate."""
    if not isinstance(transport, RateControl):
        raise OSError("this line has no rate")
    transport.set_rate(baud)
