"""Child processes of a run: neither they nor their own children are left behind.

When a child is killed, its own children become children of this process (`ADOPTION`), and
`end_with_all` kills them. When this process is killed, agents end by themselves; other programs are
killed by the system (`start_bound`), or by a guardian with all their children (`start_guarded`)."""

from __future__ import annotations

import contextlib
import ctypes
import os
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from hil.clock import HOST

__all__ = ["ADOPTION", "Mark", "end_with_all", "start_bound", "start_guarded"]

_END_US: Final = 1_000_000
_LOOK_EVERY_US: Final = 1_000
_PR_SET_CHILD_SUBREAPER: Final = 36
_MARK: Final = "HIL_STARTED_BY"
_STAT_SIZE: Final = 4096
"""More than /proc/*/stat has [byte]."""

# Linux ends a child with the *thread* that started it: this one lives as long as the process.
_LAUNCHER: Final = ThreadPoolExecutor(1, "hil starts programs")

# Runs before the program in its process: die with who started this one. In a program of its own,
# because between fork and exec a Python with threads must not run anything.
_DIE_WITH_PARENT: Final = (
    "import ctypes, os, signal, sys\n"
    "ctypes.CDLL(None).prctl(1, signal.SIGKILL)\n"
    "os.getppid() == int(sys.argv[1]) or sys.exit('its parent ended')\n"
    "os.execv(sys.argv[2], sys.argv[2:])\n"
)


class _Adoption:
    """Makes this process adopt and reap the orphans of its children, while there are children that
    may leave some (between `begin` and `end`). In a container process 1 often reaps nothing, and
    each orphan would stay as a zombie. Thread-safe."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._parents = 0

    def begin(self) -> None:
        """Count one more child that may leave orphans behind."""
        with self._guard:
            self._parents += 1
            if self._parents == 1:
                self._set(1)

    def end(self) -> None:
        """Count one child less: it has ended, and its orphans too."""
        with self._guard:
            self._parents -= 1
            if self._parents == 0:
                self._set(0)

    @staticmethod
    def _set(adopts: int) -> None:
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, adopts, 0, 0, 0)


ADOPTION: Final = _Adoption()


class Mark:
    """A variable in the environment of a process that all its children inherit: it identifies them
    when they have left the session of the process."""

    def __init__(self) -> None:
        self._value = secrets.token_hex(8)

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment of this process, with the mark."""
        return {**os.environ, _MARK: self._value}

    def is_on(self, pid: int) -> bool:
        """Return whether the process `pid` has the mark."""
        with contextlib.suppress(OSError):
            environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            return f"{_MARK}={self._value}".encode() in environment
        return False


def end_with_all(process: subprocess.Popen[bytes], mark: Mark) -> None:
    """Kill a child that leads a session, and all processes that it has started. If it has ended
    already, those are the processes of its session, and adopted ones with `mark`."""
    known = _from(process.pid) if process.poll() is None else set()
    process.kill()
    process.wait()
    until_us = HOST.now_us() + _END_US
    while (remaining := _remaining_of(process.pid, mark, known)) and HOST.now_us() < until_us:
        known |= remaining  # one that is ending carries no mark any more
        for pid in remaining:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):  # not adopted yet
                os.waitpid(pid, os.WNOHANG)
        HOST.sleep_us(_LOOK_EVERY_US)


def _from(first: int) -> set[int]:
    """Return the running descendants of the process `first`."""
    processes = {pid: (parent, session) for pid, parent, session in _processes()}
    return _with_children({first}, processes) - {first}


def _remaining_of(session: int, mark: Mark, known: set[int]) -> set[int]:
    us = os.getpid()
    processes = {pid: (parent, its_session) for pid, parent, its_session in _processes()}
    remaining = {
        pid
        for pid, (parent, its_session) in processes.items()
        if its_session == session or (parent == us and (pid in known or mark.is_on(pid)))
    }
    return _with_children(remaining, processes)


def _with_children(of: set[int], processes: dict[int, tuple[int, int]]) -> set[int]:
    whole, size = set(of), -1
    while size < len(whole):
        size = len(whole)
        whole |= {pid for pid, (parent, _) in processes.items() if parent in whole}
    return whole


def _processes() -> Iterator[tuple[int, int, int]]:
    """Yield pid, parent and session of each process. Zombies are included: until they are reaped,
    their children may still name them as their parent. A rig that ends asks several times for each
    board: without `Path` and files with buffers, a third of the time."""
    for entry in filter(str.isdecimal, os.listdir("/proc")):  # noqa: PTH208 (far faster)
        with contextlib.suppress(OSError):
            file = os.open(f"/proc/{entry}/stat", os.O_RDONLY)
            try:
                stat = os.read(file, _STAT_SIZE)
            finally:
                os.close(file)
            _, parent, _, session = stat[stat.rindex(b")") + 2 :].split(maxsplit=4)[:4]
            yield int(entry), int(parent), int(session)


def start_bound(command: Sequence[str], **options: Any) -> subprocess.Popen[bytes]:
    """Start a program that the system kills when this process ends. Raises: OSError if it cannot be
    started."""
    return _launch(["-c", _DIE_WITH_PARENT], command, options)


def start_guarded(command: Sequence[str], **options: Any) -> subprocess.Popen[bytes]:
    """Start a program that is killed when this process ends, with all that it has started. Return
    its guardian, which ends when the program does. Raises: OSError if it cannot be started."""
    return _launch([str(Path(__file__).with_name("guardian.py"))], command, options)


def _launch(
    by: Sequence[str], command: Sequence[str], options: dict[str, Any]
) -> subprocess.Popen[bytes]:
    os.stat(command[0])  # raises here what otherwise only the starting program would find
    if not os.access(command[0], os.X_OK):
        raise PermissionError(13, os.strerror(13), command[0])
    whole = [sys.executable, "-I", "-S", *by, str(os.getpid()), *command]

    def launch() -> subprocess.Popen[bytes]:
        return subprocess.Popen(whole, **options)

    return _LAUNCHER.submit(launch).result()
