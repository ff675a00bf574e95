"""One QEMU process: a Raspberry Pi 3 from power-on to power-off.

It is connected only by sockets and memory without names in the file system: nothing remains,
whichever process ends first, and QEMU ends with this process."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from hil.errors import SetupError
from hil.rig.emulated import cpio
from hil.rig.emulated.fetch import BootFiles
from hil.rig.emulated.qmp import Monitor
from hil.rig.emulated.ram import RAM_BYTES, Ram
from hil.rig.offspring import start_bound
from hil.rig.processor_use import ProcessorUse

__all__ = ["Machine", "find_qemu", "qemu_version"]

_QUIT_TIMEOUT_S: Final = 1.0
_START_TIMEOUT_S: Final = 60.0
_QTEST_TIMEOUT_S: Final = 5.0
_SEED_BYTES: Final = 32
_MODEL: Final = "raspi3b"
_UART: Final = 0x3F201000
_UART_FIFO: Final = 16
_UART_AFTER_RESET: Final = ((0x38, 0), (0x44, 0x7FF), (0x30, 0x300))  # IMSC, ICR, CR of the PL011

# maxcpus: with more, QEMU does not always notice that machine code was changed, and upsets of it
# would have no effect. The other processors stay off: they would spin permanently.
_COMMAND_LINE: Final = (
    "console=ttyAMA0,115200 maxcpus=1 panic=1 rdinit=/init -- --port /dev/ttyAMA0"
)


def find_qemu() -> str:
    """Return the path of the emulator. Raises: SetupError if it is missing."""
    given = os.environ.get("HIL_QEMU")
    if given and shutil.which(given) is None:
        raise SetupError(
            f"HIL_QEMU names {given}, which is not a program", remedy="correct or unset it"
        )
    program = shutil.which(given or "qemu-system-aarch64")
    if program is None:
        raise SetupError(
            "qemu-system-aarch64 is missing: emulated boards need it",
            remedy="sudo apt install qemu-system-arm",
        )
    return program


def qemu_version() -> str:
    """Return the emulator's version, as `QEMU 7.2.8`. Raises: SetupError if it is missing, cannot
    be started, or lacks this machine."""
    qemu = find_qemu()
    outputs: list[str] = []
    for option in (["--version"], ["-machine", "help"]):
        try:
            done = subprocess.run(
                [qemu, *option],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_START_TIMEOUT_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise SetupError(f"{qemu} cannot be started: {error}") from error
        outputs.append(done.stdout)
    version = re.search(r"QEMU emulator version (\S+)", outputs[0])
    if version is None or not re.search(rf"^{_MODEL}\b", outputs[1], re.MULTILINE):
        raise SetupError(
            f"{qemu} is not a QEMU with the machine {_MODEL}",
            remedy="sudo apt install qemu-system-arm; or correct HIL_QEMU",
        )
    return f"QEMU {version[1]}"


def _first_files(agent: bytes, boot: BootFiles) -> bytes:
    """Return the guest's file system: the agent, its drivers, and a random seed of this boot."""
    entries = [cpio.directory(name) for name in ("dev", "proc", "sys", "drivers")]
    entries += [
        cpio.device("dev/console", 5, 1),
        cpio.program("seed", os.urandom(_SEED_BYTES)),
        *(cpio.program(f"drivers/{path.name}", path.read_bytes()) for path in boot.drivers),
        cpio.program("init", agent),
    ]
    return cpio.archive(entries)


class Machine:
    """A running emulator. `uart`: the host's end of its serial port, None after `power_off`;
    `restarts`: how often the guest has restarted itself. The board sets the others. `guest_ready`:
    the guest's agent has sent a frame since it booted; `stuck`: QEMU did not answer when it was to
    stop the guest, and the guest has sent nothing since.

    Raises: SetupError if QEMU cannot be started."""

    def __init__(self, boot: BootFiles, agent: bytes) -> None:
        self.restarts = 0
        self.guest_ready = False
        self.stuck = False
        self.uart: socket.socket | None = None
        self._is_off = False
        qemu = find_qemu()
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 (closed by power_off)
        self.ram = Ram()
        files = os.memfd_create("hil-board-files")
        pairs = {name: socket.socketpair() for name in ("qmp", "qtest", "uart")}
        try:
            with os.fdopen(files, "wb", closefd=False) as file:
                file.write(_first_files(agent, boot))
            given = {name: pair[1].fileno() for name, pair in pairs.items()}
            command = _command(qemu, boot, files, self.ram.fd, given)
            self._process = start_bound(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._stderr,
                pass_fds=[files, self.ram.fd, *given.values()],
                start_new_session=True,  # the terminal's Ctrl-C is for the host alone
            )
        except OSError as error:
            self._release([pair[0] for pair in pairs.values()])
            raise SetupError(f"cannot start {qemu}: {error.strerror or error}") from error
        finally:
            os.close(files)
            for pair in pairs.values():
                pair[1].close()
        self.monitor = Monitor(pairs["qmp"][0])
        self._qtest = pairs["qtest"][0]
        self._qtest.settimeout(_QTEST_TIMEOUT_S)
        self.uart = pairs["uart"][0]
        self.processor_use = ProcessorUse(self.pid)
        self._begin()

    def _begin(self) -> None:
        try:
            self.monitor.greet(_START_TIMEOUT_S)
        except SetupError as error:
            message = self.last_message()
            self.power_off()
            raise SetupError(
                f"QEMU did not start: {message or error.message}",
                remedy="is this QEMU 6.2 or newer, with the machine raspi3b?",
            ) from error

    @property
    def pid(self) -> int:
        """Return the process id of the emulator."""
        return self._process.pid

    @property
    def cpu_s(self) -> float:
        """Return the processor time that it has used [s]; 0 after its end."""
        try:
            fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def last_message(self) -> str:
        """Return the last line that QEMU wrote to stderr; an empty one after `power_off`."""
        try:
            self._stderr.seek(0)
            lines = self._stderr.read().decode(errors="replace").strip().split("\n")
        except ValueError:  # it is closed: another thread has switched the power off meanwhile
            return ""
        return lines[-1].strip()

    def ended(self, wait_s: float = 0) -> str | None:
        """Return how the process ended, in words; None while it runs. Waits up to `wait_s` for its
        end. Another thread may switch the power off meanwhile."""
        try:
            code = self._process.wait(wait_s)
        except subprocess.TimeoutExpired:
            return None
        if self._is_off:
            return "no power"
        if code < 0:
            return f"QEMU killed by {signal.Signals(-code).name}"
        message = self.last_message()
        return f"QEMU ended with code {code}" + (f": {message}" if message else "")

    def restart_if_requested(self) -> bool:
        """Restart the machine if its guest requested it, as after a panic; return whether it did.

        QEMU is paused until then, because its UART is not reset with the machine: with a byte left
        in it, its interrupt would block the next kernel permanently."""
        if not self.monitor.take_event("SHUTDOWN"):
            return False
        for _ in range(_UART_FIFO):
            self._device(f"readl {_UART:#x}")
        for register, value in _UART_AFTER_RESET:
            self._device(f"writel {_UART + register:#x} {value:#x}")
        self.monitor.execute("set-action", reboot="reset")  # else this reset would pause QEMU, too
        self.monitor.execute("system_reset")
        self.monitor.wait_for("RESET")
        self.monitor.execute("set-action", reboot="shutdown")
        self.monitor.execute("cont")
        self.restarts += 1
        self.guest_ready = False
        return True

    def _device(self, request: str) -> None:
        try:
            self._qtest.sendall(f"{request}\n".encode())
            if not self._qtest.recv(256).startswith(b"OK"):
                raise SetupError(f"QEMU refused `{request}`")
        except OSError as error:
            raise SetupError(f"QEMU is gone: {error.strerror or 'no answer'}") from error

    def write_memory(self, address: int, content: bytes) -> None:
        """Write bytes to the guest's memory so that QEMU notices: it translates changed machine
        code again. Raises: SetupError if QEMU is gone."""
        self.ram.write(address, content)
        self._device(f"write {address:#x} {len(content):#x} 0x{content.hex()}")

    def power_off(self) -> None:
        """Switch the power off, without notice to the guest. Idempotent."""
        self._is_off = True
        try:
            if self._process.poll() is None:
                self.monitor.execute("quit", timeout_s=_QUIT_TIMEOUT_S)
            self._process.wait(_QUIT_TIMEOUT_S)
        except (SetupError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        self.processor_use.close()
        self.monitor.close()
        self._release([self._qtest, self.uart])
        self.uart = None

    def _release(self, sockets: list[socket.socket | None]) -> None:
        for one in sockets:
            if one is not None:
                one.close()
        self.ram.close()
        self._stderr.close()


def _command(qemu: str, boot: BootFiles, files: int, ram: int, fds: dict[str, int]) -> list[str]:
    """Return QEMU's command line. `files`, `ram`, `fds`: descriptors that it inherits."""
    memory = f"memory-backend-file,id=ram0,size={RAM_BYTES},share=on,mem-path=/proc/self/fd/{ram}"
    return [
        qemu,
        "-nodefaults",
        "-display",
        "none",
        "-action",
        "reboot=shutdown,shutdown=pause",
        "-machine",
        f"{_MODEL},memory-backend=ram0",
        "-object",
        memory,
        "-global",
        "bcm2837.enabled-cpus=1",
        "-kernel",
        str(boot.kernel),
        "-dtb",
        str(boot.dtb),
        "-initrd",
        f"/proc/self/fd/{files}",
        "-append",
        _COMMAND_LINE,
        "-chardev",
        f"socket,id=uart,fd={fds['uart']}",
        "-serial",
        "chardev:uart",
        "-chardev",
        f"socket,id=qmp,fd={fds['qmp']}",
        "-mon",
        "chardev=qmp,mode=control",
        "-chardev",
        f"socket,id=qtest,fd={fds['qtest']}",
        "-qtest",
        "chardev:qtest",
        "-qtest-log",
        "none",
    ]
