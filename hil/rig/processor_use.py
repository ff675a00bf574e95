"""Processor use: the CPU time of a software board, and how busy this computer is.

When this computer is busy, a software board answers late, and the answer of any board is read late.
Linux counts both: the CPU time of each thread (/proc/PID/task/TID/schedstat), and the time during
which some thread had to wait for a processor (/proc/pressure/cpu).
"""

from __future__ import annotations

import contextlib
import os
from collections import deque
from pathlib import Path
from typing import Final

from hil.clock import HOST, Clock

__all__ = ["Pressure", "ProcessorUse"]

_LOOK_EVERY: Final = 64
"""Readings between two searches for new threads."""
_SAMPLE_US: Final = 500_000
_SAMPLES: Final = 6
"""3 s of samples, because the kernel updates its sums every 2 s at the latest."""
_PRESSURE: Final = "/proc/pressure/cpu"


class ProcessorUse:
    """Measures the CPU time of the process `pid`, of its threads and of its child processes.

    Keeps their files in /proc open, because it is read in every frame. Not thread-safe."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._files: dict[str, int] = {}
        self._threads: tuple[str, ...] = ()
        self._readings = 0

    def used_us(self) -> int | None:
        """Return the CPU time that they have used so far [us]; None if this kernel does not count
        it."""
        used_ns, known = 0, False
        tasks = self._tasks()
        for task in tasks:
            fields = self._read(f"{task}/schedstat").split()
            if len(fields) == 3:
                used_ns, known = used_ns + int(fields[0]), True
        if len(self._files) > len(tasks) + 1:
            self._close_ended(tasks)
        return used_ns // 1000 if known else None

    def is_stopped(self) -> bool:
        """Return whether the process is stopped (SIGSTOP)."""
        try:
            stat = Path(f"/proc/{self._pid}/stat").read_text()
        except OSError:
            return False
        return stat.rpartition(")")[2].split()[:1] == ["T"]

    def _tasks(self) -> list[str]:
        """Return the folders in /proc of the threads of the process, and of its children."""
        if self._readings % _LOOK_EVERY == 0:
            self._threads = _threads(self._pid)
        self._readings += 1
        children = self._read(f"/proc/{self._pid}/task/{self._pid}/children").decode().split()
        return [*self._threads, *(f"/proc/{child}/task/{child}" for child in children)]

    def _read(self, path: str) -> bytes:
        """Return the content of a file in /proc; nothing if its process has ended."""
        fd = self._files.get(path)
        try:
            if fd is None:
                fd = self._files[path] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            return os.pread(fd, 256, 0)
        except OSError:
            if fd is not None:
                os.close(self._files.pop(path))
            return b""

    def _close_ended(self, tasks: list[str]) -> None:
        """Close the files of threads and processes that are not among `tasks` any more."""
        for path in [p for p in self._files if p.endswith("/schedstat")]:
            if path.removesuffix("/schedstat") not in tasks:
                os.close(self._files.pop(path))

    def close(self) -> None:
        """Close the files. Idempotent."""
        for fd in self._files.values():
            with contextlib.suppress(OSError):
                os.close(fd)
        self._files.clear()
        self._readings = 0


def _threads(pid: int) -> tuple[str, ...]:
    try:
        return tuple(str(task) for task in Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return ()


class Pressure:
    """Measures how busy this computer has been during the last seconds.

    `path` is the kernel's pressure stall information (PSI) for the CPU. Not thread-safe."""

    def __init__(self, clock: Clock = HOST, path: str = _PRESSURE) -> None:
        self._clock = clock
        self._path = path
        self._samples: deque[tuple[int, int]] = deque(maxlen=_SAMPLES)

    def sample(self) -> None:
        """Store the kernel's sum, at most twice a second."""
        now_us = self._clock.now_us()
        if not self._samples or now_us - self._samples[-1][0] >= _SAMPLE_US:
            waited_us = self._waited_us()
            if waited_us is not None:
                self._samples.append((now_us, waited_us))

    @property
    def share(self) -> float:
        """Return the share of the last seconds in which some thread waited for a processor, from 0
        to 1; 0 if this kernel does not count it."""
        waited_us = self._waited_us() if self._samples else None
        if waited_us is None:
            return 0.0
        since_us, before_us = self._samples[0]
        elapsed_us = self._clock.now_us() - since_us
        return min(1.0, max(0.0, (waited_us - before_us) / elapsed_us)) if elapsed_us > 0 else 0.0

    def _waited_us(self) -> int | None:
        """Return the kernel's sum since the start of this computer [us]."""
        try:
            text = Path(self._path).read_text()
        except OSError:
            return None
        for line in text.splitlines():
            if line.startswith("some ") and "total=" in line:
                return int(line.rpartition("total=")[2])
        return None
