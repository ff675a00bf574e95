"""One QEMU process: a Raspberry Pi 3 from power-on to power-off.

Everything between it and us are sockets and memory without names: nothing is left behind, whoever
dies first, and QEMU dies with this process."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from typing import Final

from hil.errors import SetupError
from hil.rig.emulated import cpio
from hil.rig.emulated.fetch import BootFiles
from hil.rig.emulated.qmp import Monitor
from hil.rig.emulated.ram import RAM_BYTES, Ram

__all__ = ["Machine", "find_qemu"]

_QUIT_TIMEOUT_S: Final = 2.0
_QTEST_TIMEOUT_S: Final = 5.0
_SEED_BYTES: Final = 32
_MODEL: Final = "raspi3b"

# Runs before QEMU in its process: die with the process (thread) that started this one. In a program
# of its own, because between fork and exec a Python with threads must not run anything.
_DIE_WITH_PARENT: Final = (
    "import ctypes, os, signal, sys\n"
    "ctypes.CDLL(None).prctl(1, signal.SIGKILL)\n"
    "os.getppid() == int(sys.argv[1]) or sys.exit('its parent ended')\n"
    "os.execv(sys.argv[2], sys.argv[2:])\n"
)

# maxcpus: with more, QEMU does not always notice that machine code was changed, and upsets of it
# would have no effect. The other processors stay off altogether: they would spin for ever.
_COMMAND_LINE: Final = (
    "console=ttyAMA0,115200 maxcpus=1 panic=1 rdinit=/init -- --port /dev/ttyAMA0"
)


def find_qemu() -> str:
    """The path of the emulator. SetupError if it is missing, or lacks this machine."""
    found = os.environ.get("HIL_QEMU") or shutil.which("qemu-system-aarch64")
    if found is None or not os.access(found, os.X_OK):
        raise SetupError(
            "qemu-system-aarch64 is missing: emulated boards need it",
            remedy="sudo apt install qemu-system-arm",
        )
    return found


def _first_files(agent: bytes, boot: BootFiles) -> bytes:
    """The guest's file system: the agent, its drivers, and randomness for this boot."""
    entries = [cpio.directory(name) for name in ("dev", "proc", "sys", "drivers")]
    entries += [
        cpio.device("dev/console", 5, 1),
        cpio.program("seed", os.urandom(_SEED_BYTES)),
        *(cpio.program(f"drivers/{path.name}", path.read_bytes()) for path in boot.drivers),
        cpio.program("init", agent),
    ]
    return cpio.archive(entries)


class Machine:
    """A running one. `uart`: our end of its serial port; None with `pty`, then `pty_path` tells.

    Raises SetupError if QEMU cannot be started."""

    def __init__(self, boot: BootFiles, agent: bytes, *, pty: bool = False) -> None:
        self.pty_path = ""
        self.uart: socket.socket | None = None
        qemu = find_qemu()
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 (closed by power_off)
        self.ram = Ram()
        files = os.memfd_create("hil-board-files")
        pairs = {name: socket.socketpair() for name in ("qmp", "qtest", "uart")}
        try:
            with os.fdopen(files, "wb", closefd=False) as file:
                file.write(_first_files(agent, boot))
            given = {name: pair[1].fileno() for name, pair in pairs.items()}
            command = _command(qemu, boot, files, self.ram.fd, given, pty=pty)
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _DIE_WITH_PARENT, str(os.getpid()), *command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._said,
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
        if pty:
            pairs["uart"][0].close()
        else:
            self.uart = pairs["uart"][0]
        self._begin(pty=pty)

    def _begin(self, *, pty: bool) -> None:
        try:
            self.monitor.greet()
            if pty:
                found = self.monitor.execute("query-chardev")
                self.pty_path = next(
                    c["filename"].removeprefix("pty:") for c in found if c["label"] == "uart"
                )
        except SetupError as error:
            said = self.said()
            self.power_off()
            raise SetupError(
                f"QEMU did not start: {said or error.message}",
                remedy="is this QEMU 6.2 or newer, with the machine raspi3b?",
            ) from error

    @property
    def pid(self) -> int:
        return self._process.pid

    def said(self) -> str:
        """The last line that QEMU wrote of itself."""
        self._said.seek(0)
        lines = self._said.read().decode(errors="replace").strip().split("\n")
        return lines[-1].strip()

    def ended(self, wait_s: float = 0) -> str | None:
        """How the process ended, in words; None while it runs."""
        try:
            code = self._process.wait(wait_s)
        except subprocess.TimeoutExpired:
            return None
        if code < 0:
            return f"QEMU killed by {signal.Signals(-code).name}"
        said = self.said()
        return f"QEMU ended with code {code}" + (f": {said}" if said else "")

    def write_memory(self, address: int, content: bytes) -> None:
        """Put bytes into the guest's memory so that QEMU notices: what it had translated of them is
        translated anew. SetupError if QEMU is gone."""
        self.ram.write(address, content)
        request = f"write {address:#x} {len(content):#x} 0x{content.hex()}\n"
        try:
            self._qtest.sendall(request.encode())
            if not self._qtest.recv(64).startswith(b"OK"):
                raise SetupError("QEMU refused to write to the board's memory")
        except OSError as error:
            raise SetupError(f"QEMU is gone: {error.strerror or 'no answer'}") from error

    def power_off(self) -> None:
        """Cut the power: no program of the guest hears of it. Idempotent."""
        try:
            if self._process.poll() is None:
                self.monitor.execute("quit")
            self._process.wait(_QUIT_TIMEOUT_S)
        except (SetupError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        self.monitor.close()
        self._release([self._qtest, self.uart])
        self.uart = None

    def _release(self, sockets: list[socket.socket | None]) -> None:
        for one in sockets:
            if one is not None:
                one.close()
        self.ram.close()
        self._said.close()


def _command(
    qemu: str, boot: BootFiles, files: int, ram: int, fds: dict[str, int], *, pty: bool
) -> list[str]:
    """QEMU's command line. `files`, `ram`, `fds`: descriptors that it inherits."""
    uart = "pty,id=uart" if pty else f"socket,id=uart,fd={fds['uart']}"
    memory = f"memory-backend-file,id=ram0,size={RAM_BYTES},share=on,mem-path=/proc/self/fd/{ram}"
    return [
        qemu, "-nodefaults", "-display", "none",
        "-machine", f"{_MODEL},memory-backend=ram0", "-object", memory,
        "-global", "bcm2837.enabled-cpus=1",
        "-kernel", str(boot.kernel), "-dtb", str(boot.dtb), "-initrd", f"/proc/self/fd/{files}",
        "-append", _COMMAND_LINE,
        "-chardev", uart, "-serial", "chardev:uart",
        "-chardev", f"socket,id=qmp,fd={fds['qmp']}", "-mon", "chardev=qmp,mode=control",
        "-chardev", f"socket,id=qtest,fd={fds['qtest']}", "-qtest", "chardev:qtest",
        "-qtest-log", "none",
    ]  # fmt: skip
