"""The emulated board: a QEMU process is its power, and a socket its serial port."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from hil._kernel import ffi, lib
from hil.board_types.agent_build import cached_agent
from hil.board_types.compilers import target_named
from hil.clock import HOST, writable
from hil.errors import SetupError
from hil.kernel import check
from hil.rig.backends.capabilities import RamHit
from hil.rig.emulated.fetch import BootFiles, boot_files
from hil.rig.emulated.machine import Machine, find_qemu
from hil.rig.emulated.ram import GUEST_BYTES, kernel_span
from hil.rig.processor_use import ProcessorUse
from hil.rig.transport import TransportLost
from hil.scenario.c_workload import CSource
from hil.scenario.words import PatternKind, RamPart

__all__ = ["EmulatedBoard", "RamHit", "boot_timeout_us"]

_WRITE_TIMEOUT_S: Final = 5.0
_ENDING_TIMEOUT_S: Final = 0.5
_STAND_STILL_S: Final = 0.5
_TAIL_BYTES: Final = 4096
_BOOT_US: Final = 40_000_000
"""Several times the duration of a boot on an idle computer (4 to 5 s)."""
_SLOWEST: Final = 8
_MUTE_CPU_S: Final = 15.0
"""Three times the processor time of a whole boot."""
_IDLE_CPU_S: Final = 0.3
_IDLE_US: Final = 20_000_000
_KINDS: Final = {
    PatternKind.BIT: lib.UPSET_BIT,
    PatternKind.ADJACENT: lib.UPSET_ADJACENT,
    PatternKind.ZERO_WORD: lib.UPSET_ZERO_WORD,
    PatternKind.RANDOM_WORD: lib.UPSET_RANDOM_WORD,
}


def boot_timeout_us() -> int:
    """Return how long to wait for a boot at this computer's present load [us]."""
    load = os.getloadavg()[0] / max(1, len(os.sched_getaffinity(0)))
    return int(_BOOT_US * min(_SLOWEST, max(1.0, load)))


@dataclass(frozen=True, slots=True)
class _Idle:
    """The processor time that a machine had used at `since_us`, the last time that it grew."""

    machine: Machine | None
    cpu_s: float
    since_us: int


class _UartTransport:
    """The serial port of a machine. Closing it is like pulling the cable: the machine runs on.

    Bytes that are sent while the board boots are discarded here, as they are lost on a real line:
    QEMU would buffer them, and its UART never raises an interrupt again if the FIFO was full when
    the driver was loaded. The board has booted when it has sent its first frame: console text never
    contains the delimiter."""

    def __init__(self, name: str, machine: Machine, tail: bytearray) -> None:
        self._name = name
        self._machine = machine
        self._uart = machine.uart
        self._tail = tail
        assert self._uart is not None, "made without a pty"
        self._uart.setblocking(False)
        self.fd: int | None = self._uart.fileno()

    def _lost(self, why: str) -> TransportLost:
        self._uart = self.fd = None
        return TransportLost(f"serial port of {self._name}: {why}")

    def write(self, data: bytes) -> None:
        try:
            self._machine.restart_if_requested()
        except SetupError as error:
            raise self._lost(error.message) from error
        view = memoryview(data if self._machine.guest_ready else b"")
        while view:
            if self._uart is None:
                raise TransportLost(f"serial port of {self._name}: closed")
            try:
                view = view[self._uart.send(view) :]
            except BlockingIOError:
                if not writable(self._uart.fileno(), _WRITE_TIMEOUT_S * 1e6):
                    raise self._lost("takes no bytes") from None
            except OSError as error:
                raise self._lost(str(error.strerror)) from error

    def read(self) -> bytes:
        if self._uart is None:
            raise TransportLost(f"serial port of {self._name}: closed")
        try:
            data = self._uart.recv(65536)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise self._lost(str(error.strerror)) from error
        if not data:
            raise self._lost("hung up")
        self._machine.guest_ready = self._machine.guest_ready or b"\0" in data
        self._machine.stuck = False
        self._tail += data
        del self._tail[:-_TAIL_BYTES]
        return data

    def close(self) -> None:
        self._uart = self.fd = None


class EmulatedBoard:
    """A Raspberry Pi 3 that QEMU emulates, with the agent as its only program.

    `say`: is called with progress messages; `can_return`: the run does not wait while it boots
    after a power cycle, but the reconnector searches for it; `workloads`: C files that its agent
    has beside the workloads of hil. Raises: SetupError if the emulator, a
    compiler for the agent or a kernel is missing. Thread-safe for `connect` and power."""

    kind = "emulated"
    can_cycle = True

    def __init__(
        self,
        name: str,
        say: Callable[[str], None] = lambda _: None,
        *,
        can_return: bool = False,
        workloads: Sequence[CSource] = (),
    ) -> None:
        self.name = name
        self.can_return = can_return
        self._lock = threading.RLock()  # the reconnector's thread connects and cycles its power
        self._over = False
        find_qemu()
        self._boot: BootFiles = boot_files(say)
        self._agent = cached_agent(target_named("aarch64"), say, workloads).read_bytes()
        self._kernel = kernel_span(self._boot.kernel)
        self._machine: Machine | None = None
        self._boots = 0  # without the restarts of the present machine
        self._idle = _Idle(None, 0.0, 0)
        self._tail = bytearray()  # the latest bytes from the serial port: frames and console

    def read_executable(self) -> bytes:
        return self._agent

    @property
    def booted_files(self) -> tuple[tuple[str, str, str], ...]:
        """Return kernel, device tree and drivers that the emulator gives to its guest."""
        files = [("kernel", self._boot.kernel), ("device tree", self._boot.dtb)]
        files += [("driver", path) for path in self._boot.drivers]
        return tuple(
            (what, path.name, hashlib.sha256(path.read_bytes()).hexdigest()) for what, path in files
        )

    @property
    def boot_timeout_us(self) -> int:
        """Return how long to wait for a boot at this computer's present load [us]."""
        return boot_timeout_us()

    @property
    def pid(self) -> int | None:
        """Return the process id of the emulator; None without power."""
        return self._machine.pid if self._machine else None

    @property
    def has_power(self) -> bool:
        """Return whether its machine is running."""
        return self._machine is not None and self._machine.ended() is None

    @property
    def processor_use(self) -> ProcessorUse | None:
        """Return the processor time of the emulator; None without power."""
        return self._machine.processor_use if self._machine else None

    @property
    def port(self) -> str:
        """Return a name of its port for people."""
        return f"QEMU (pid {self.pid})" if self._machine else "no power"

    @property
    def boots(self) -> int:
        """Return how often its operating system was started, by power-on or by itself. Upsets of
        its memory before the last start are gone."""
        return self._boots + (self._machine.restarts if self._machine else 0)

    def connect(self) -> _UartTransport:
        """Return a transport to the serial port; switch the board on if it is off. A boot takes
        seconds: the caller waits for its HELLO. Raises: SetupError after `shut_down`, or if QEMU
        does not start."""
        with self._lock:
            if self._over:  # a search that still runs would leave a machine behind
                raise SetupError(f"the run of node {self.name} is over")
            if self._machine is None or self._machine.ended() is not None:
                self.power_off()
                self._tail.clear()
                self._machine = Machine(self._boot, self._agent)
                self._boots += 1
            return _UartTransport(self.name, self._machine, self._tail)

    def condition(self, *, disconnected: bool) -> str | None:
        """Return how the emulator ended; None if it is alive."""
        machine = self._machine  # its power may be switched off by another thread just now
        if machine is None:
            return "no power"
        return machine.ended(_ENDING_TIMEOUT_S if disconnected else 0)

    def boot_failure(self) -> str | None:
        """Return why the present boot has failed for certain; None if it may still succeed.

        A kernel prints to its console in its first seconds. Processor time is measured, not the
        clock, because this computer may be busy."""
        machine = self._machine
        if machine is None or self._tail:
            return None
        if machine.cpu_s > _MUTE_CPU_S:
            return f"its console has shown no output in {machine.cpu_s:.0f} s of CPU time"
        idle = self._idle
        if machine is not idle.machine or machine.cpu_s - idle.cpu_s > _IDLE_CPU_S:
            self._idle = _Idle(machine, machine.cpu_s, HOST.now_us())
        elif HOST.now_us() - idle.since_us > _IDLE_US:
            return f"its console has shown no output, and it was idle for {_IDLE_US // 1_000_000} s"
        return None

    def console_tail(self) -> str:
        """Return the last line of its console, in words."""
        lines = re.findall(rb"[ -~]{4,}", bytes(self._tail))
        if not lines:
            return "its console is silent"
        return f"the last of its console is `{lines[-1].decode('ascii').strip()[:80]}`"

    def power_off(self) -> None:
        with self._lock:
            if self._machine is not None:
                self._machine.power_off()
                self._boots += self._machine.restarts
                self._machine = None

    def power_cycle(self) -> None:
        """Switch the power off; `connect` switches it on again."""
        self.power_off()

    def shut_down(self) -> None:
        with self._lock:
            self._over = True
            self.power_off()

    # --- memory -----------------------------------------------------------------------------------

    def hit_ram(self, kind: PatternKind, bit: int, width: int, value: int, part: RamPart) -> RamHit:
        """Change bits of the board's memory, whatever its contents, and read them back.

        `part`: `all`, or `kernel` for the operating system's image; `bit` is reduced modulo its
        size. The board is stopped meanwhile. Raises: SetupError if it has no power, cannot be
        stopped, or the kernel's place in memory is not known. Thread-safe.
        """
        with self._lock:
            if self._machine is None:
                raise SetupError(f"node {self.name} has no power")
            return self._hit(self._machine, kind, bit, width, value, part)

    def _hit(
        self, machine: Machine, kind: PatternKind, bit: int, width: int, value: int, part: RamPart
    ) -> RamHit:
        base, size = (0, GUEST_BYTES) if part is RamPart.ALL else self._kernel
        if not size:
            raise SetupError(
                "where this kernel lies in memory is not known: it has no arm64 image header"
            )
        space = size * 8
        pattern = ffi.new("hil_upset_pattern_t *", [_KINDS[kind], width, bit % space, value])
        window = ffi.new("hil_upset_window_t *")
        check(lib.upset_window(pattern, size, window), "upset_window")
        at, length = base + window.offset, window.len
        if machine.stuck:
            raise SetupError("QEMU could not stop the board, which has sent nothing since")
        machine.stuck = True  # QEMU may be blocked by a guest that only takes exceptions: wait once
        machine.monitor.execute("stop", timeout_s=_STAND_STILL_S)
        machine.stuck = False
        before = machine.ram.read(at, length)
        wanted = ffi.new("uint8_t[]", length)
        lib.upset_apply(window, before, wanted)
        machine.write_memory(at, bytes(wanted))
        after = machine.ram.read(at, length)
        with contextlib.suppress(SetupError):  # it was hit; if it stays stopped, it is silent
            machine.monitor.execute("cont")
        return RamHit(at, bit % space, space, before, after, bytes(wanted), self.boots)
