"""Processor use: what a software board made of its time, and how busy this computer is.

A board that is a process of this computer answers late when the computer is busy; and a board
anywhere is heard late when the kernel of this computer does not get to its line. The scheduler
knows it: it counts the time that each thread was given (/proc/PID/task/TID/schedstat), and the time
in which some thread had to wait for a processor (/proc/pressure/cpu).
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
"""New threads are looked for once in so many readings."""
_SAMPLE_US: Final = 500_000
_SAMPLES: Final = 6
"""The kernel brings its sums up to date every two seconds at least: three are looked at."""
_PRESSURE: Final = "/proc/pressure/cpu"


class ProcessorUse:
    """Of the process `pid`, with all its threads and the processes that it has started."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._files: dict[str, int] = {}
        self._threads: tuple[str, ...] = ()
        self._readings = 0

    def used_us(self) -> int | None:
        """Return the processor time that they were given so far [us]; None: not known here."""
        used_ns, known = 0, False
        tasks = self._tasks()
        for task in tasks:
            fields = self._read(f"{task}/schedstat").split()
            if len(fields) == 3:
                used_ns, known = used_ns + int(fields[0]), True
        if len(self._files) > len(tasks) + 1:
            self._drop_but(tasks)
        return used_ns // 1000 if known else None

    def is_stopped(self) -> bool:
        """Whether somebody has stopped the process (SIGSTOP)."""
        try:
            stat = Path(f"/proc/{self._pid}/stat").read_text()
        except OSError:
            return False
        return stat.rpartition(")")[2].split()[:1] == ["T"]

    def _tasks(self) -> list[str]:
        if self._readings % _LOOK_EVERY == 0:
            self._threads = _threads(self._pid)
        self._readings += 1
        children = self._read(f"/proc/{self._pid}/task/{self._pid}/children").decode().split()
        return [*self._threads, *(f"/proc/{child}/task/{child}" for child in children)]

    def _read(self, path: str) -> bytes:
        fd = self._files.get(path)
        try:
            if fd is None:
                fd = self._files[path] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            return os.pread(fd, 256, 0)
        except OSError:  # it has ended
            if fd is not None:
                os.close(self._files.pop(path))
            return b""

    def _drop_but(self, tasks: list[str]) -> None:
        """Close the files of processes that are not there any more."""
        for path in [p for p in self._files if p.endswith("/schedstat")]:
            if path.removesuffix("/schedstat") not in tasks:
                os.close(self._files.pop(path))

    def close(self) -> None:
        """Let go of the files. Idempotent."""
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
    """How busy this computer was of late. `path` is where the kernel tells it."""

    def __init__(self, clock: Clock = HOST, path: str = _PRESSURE) -> None:
        self._clock = clock
        self._path = path
        self._samples: deque[tuple[int, int]] = deque(maxlen=_SAMPLES)

    def sample(self) -> None:
        """Take note of the kernel's sum, twice a second at most."""
        now_us = self._clock.now_us()
        if not self._samples or now_us - self._samples[-1][0] >= _SAMPLE_US:
            waited_us = self._waited_us()
            if waited_us is not None:
                self._samples.append((now_us, waited_us))

    @property
    def share(self) -> float:
        """In which part of the last seconds some thread waited for a processor, from 0 to 1; 0 if
        this kernel does not say."""
        waited_us = self._waited_us() if self._samples else None
        if waited_us is None:
            return 0.0
        since_us, before_us = self._samples[0]
        elapsed_us = self._clock.now_us() - since_us
        return min(1.0, max(0.0, (waited_us - before_us) / elapsed_us)) if elapsed_us > 0 else 0.0

    def _waited_us(self) -> int | None:
        try:
            text = Path(self._path).read_text()
        except OSError:
            return None
        for line in text.splitlines():
            if line.startswith("some ") and "total=" in line:
                return int(line.rpartition("total=")[2])
        return None
