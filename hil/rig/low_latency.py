"""The latency of a serial adapter: its driver is asked to pass on what arrives at once.

An FTDI adapter holds bytes back until a timer ends, 16 ms by its driver's default. The low-latency
flag of a port (ASYNC_LOW_LATENCY, setserial's `low_latency`) is for its user to set, and current
drivers of FTDI adapters then run the timer at 1 ms; where they do not, the timer itself is set in
/sys, which only root may do, or whom udev permits it. Both are put back when the port is closed.

Not tried on hardware: tested with a made-up /sys."""

from __future__ import annotations

import array
import contextlib
import errno
import fcntl
import os
import termios
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["SYSFS", "LatencySetting", "LowLatency", "latency_timer_ms"]

SYSFS: Final = Path("/sys")
_SHORTEST_MS: Final = 1
_LOW_LATENCY: Final = 1 << 13
"""ASYNC_LOW_LATENCY, linux/tty_flags.h."""
_FLAGS: Final = 4
"""The place of `flags` among the integers of struct serial_struct, linux/serial.h."""
_STRUCT: Final = 32
"""[int] More than that structure has."""

Ioctl = Callable[[int, int, "array.array[int]", bool], object]


@dataclass(slots=True)
class LatencySetting:
    """The changes at one open port: whether its flag was set, and the latency timer as it was found
    [ms], None if it was not written. `end` undoes them."""

    fd: int
    ioctl: Ioctl
    timer: Path
    set_flag: bool = False
    found_ms: int | None = None

    def end(self) -> None:
        """Put flag and timer back, while the port is still open; idempotent. A port that is gone
        has lost them."""
        if self.set_flag:
            self.set_flag = False
            with contextlib.suppress(OSError):
                _change_flag(self.fd, self.ioctl, on=False)
        found_ms, self.found_ms = self.found_ms, None
        if found_ms is not None:
            with contextlib.suppress(OSError):
                _write(self.timer, found_ms)


class LowLatency:
    """Sets the ports of one board to low latency when they are opened. `sysfs` is where the system
    shows its devices. Not thread-safe: a port is opened by one thread at a time."""

    def __init__(self, sysfs: Path = SYSFS, ioctl: Ioctl = fcntl.ioctl) -> None:
        self._sysfs = sysfs
        self._ioctl = ioctl
        self._told: set[str] = set()
        self._remark = ""

    def begin(self, port: str, fd: int) -> LatencySetting | None:
        """Set the open `port` to low latency as far as this user may; None for one that is no
        device with a driver, such as a pty. What is not permitted is a remark."""
        name = _name_of(port)
        if not (self._sysfs / "class" / "tty" / name / "device").exists():
            return None
        setting = LatencySetting(fd, self._ioctl, _timer_of(name, self._sysfs))
        found_ms = _read(setting.timer)
        refused = ""
        try:
            setting.set_flag = _change_flag(fd, self._ioctl, on=True)
        except OSError as error:
            if error.errno in (errno.EPERM, errno.EACCES):  # else its driver has no such flag
                refused = f"the low-latency flag of {name} is not set: this user may not set it"
        now_ms = _read(setting.timer)
        if found_ms is not None and now_ms is not None and now_ms > _SHORTEST_MS:
            try:
                _write(setting.timer, _SHORTEST_MS)
                setting.found_ms = found_ms
            except OSError:
                refused = (
                    f"the latency timer of its adapter {name} is {now_ms} ms, by which answers are "
                    "late, and this user may not change it"
                )
        if refused and name not in self._told:
            self._told.add(name)
            self._remark = f"{refused}; a udev rule permits it (boards/README.md, Latency)"
        return setting

    def take_remark(self) -> str:
        """Return what was not permitted, once for each port; empty if nothing new was."""
        remark, self._remark = self._remark, ""
        return remark


def latency_timer_ms(port: str, sysfs: Path = SYSFS) -> int | None:
    """Return the latency timer of the FTDI adapter at `port` [ms]; None for other adapters."""
    return _read(_timer_of(_name_of(port), sysfs))


def _name_of(port: str) -> str:
    return Path(os.path.realpath(port)).name


def _timer_of(name: str, sysfs: Path) -> Path:
    """Return the file of the latency timer; other adapters have none."""
    timer = sysfs / "bus" / "usb-serial" / "devices" / name / "latency_timer"
    return timer if timer.exists() else sysfs / "class" / "tty" / name / "device" / "latency_timer"


def _read(timer: Path) -> int | None:
    try:
        return int(timer.read_text())
    except (OSError, ValueError):
        return None


def _write(timer: Path, ms: int) -> None:
    timer.write_text(f"{ms}\n")


def _change_flag(fd: int, ioctl: Ioctl, *, on: bool) -> bool:
    """Set or clear the low-latency flag; return whether it was the other way. Raises: OSError if
    the driver has none, or this user may not."""
    settings = array.array("i", [0] * _STRUCT)
    ioctl(fd, termios.TIOCGSERIAL, settings, True)
    if bool(settings[_FLAGS] & _LOW_LATENCY) is on:
        return False
    settings[_FLAGS] ^= _LOW_LATENCY
    ioctl(fd, termios.TIOCSSERIAL, settings, True)
    return True
