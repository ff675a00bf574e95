"""Low latency of serial adapters: on a made-up /sys and a made-up driver; not on hardware."""

from __future__ import annotations

import array
import errno
import os
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from hil.rig import low_latency
from hil.rig.backends.serial_board import SerialBoard
from hil.rig.low_latency import LowLatency, latency_timer_ms
from hil.rig.node import Node
from hil.rig.transport import SerialTransport

FLAG = 1 << 13
OTHER_FLAGS = 0x40


class Driver:
    """The driver of one port: the flags that its ioctls get and set, and the timer in /sys, which
    it shows as 1 ms while the flag is set if it is one of those that do."""

    def __init__(
        self, sysfs: Path, name: str, *, timer: Path | None, follows: bool = False
    ) -> None:
        self.flags = OTHER_FLAGS
        self.error = 0
        self.timer, self.follows, self._found = timer, follows, ""
        (sysfs / "class/tty" / name / "device").mkdir(parents=True)
        if timer is not None:
            timer.parent.mkdir(parents=True, exist_ok=True)
            timer.write_text("16\n")

    def ioctl(self, fd: int, request: int, settings: array.array[int], mutate: bool) -> int:
        assert mutate
        if self.error:
            raise OSError(self.error, os.strerror(self.error))
        if request == termios.TIOCGSERIAL:
            settings[4] = self.flags
            return 0
        assert request == termios.TIOCSSERIAL
        was, self.flags = self.flags, settings[4]
        if self.follows and self.timer is not None and (was ^ self.flags) & FLAG:
            if self.flags & FLAG:
                self._found = self.timer.read_text()
            self.timer.write_text("1\n" if self.flags & FLAG else self._found)
        return 0


@pytest.fixture
def pty_port() -> Iterator[str]:
    master, slave = os.openpty()
    yield os.ttyname(slave)
    os.close(slave)
    os.close(master)


def timer_of(sysfs: Path, name: str, *, bus: bool) -> Path:
    folder = "bus/usb-serial/devices" if bus else "class/tty"
    return sysfs / folder / name / ("latency_timer" if bus else "device/latency_timer")


@pytest.mark.parametrize("bus", [True, False], ids=["usb-serial bus", "class of ttys"])
@pytest.mark.parametrize("follows", [True, False], ids=["flag sets the timer", "older driver"])
def test_flag_and_timer_are_set_while_a_port_is_open_and_put_back(
    tmp_path: Path, pty_port: str, bus: bool, follows: bool
) -> None:
    name = Path(pty_port).name
    timer = timer_of(tmp_path, name, bus=bus)
    driver = Driver(tmp_path, name, timer=timer, follows=follows)
    low = LowLatency(tmp_path, driver.ioctl)
    transport = SerialTransport(pty_port, 115200, low)
    assert driver.flags == OTHER_FLAGS | FLAG
    assert latency_timer_ms(pty_port, tmp_path) == 1
    transport.close()
    transport.close()
    assert driver.flags == OTHER_FLAGS and timer.read_text() == "16\n"
    assert low.take_remark() == ""


def test_what_was_set_by_somebody_else_stays(tmp_path: Path, pty_port: str) -> None:
    name = Path(pty_port).name
    timer = timer_of(tmp_path, name, bus=True)
    driver = Driver(tmp_path, name, timer=timer)
    driver.flags |= FLAG
    timer.write_text("1\n")
    SerialTransport(pty_port, 115200, LowLatency(tmp_path, driver.ioctl)).close()
    assert driver.flags == OTHER_FLAGS | FLAG and timer.read_text() == "1\n"


def test_an_adapter_without_a_timer_has_its_flag_set(tmp_path: Path, pty_port: str) -> None:
    driver = Driver(tmp_path, Path(pty_port).name, timer=None)
    transport = SerialTransport(pty_port, 115200, LowLatency(tmp_path, driver.ioctl))
    assert driver.flags == OTHER_FLAGS | FLAG
    transport.close()
    assert driver.flags == OTHER_FLAGS


@pytest.mark.parametrize("number", [errno.ENOTTY, errno.EINVAL])
def test_a_driver_without_the_flag_is_no_remark(tmp_path: Path, pty_port: str, number: int) -> None:
    driver = Driver(tmp_path, Path(pty_port).name, timer=None)
    driver.error = number
    low = LowLatency(tmp_path, driver.ioctl)
    SerialTransport(pty_port, 115200, low).close()
    assert low.take_remark() == ""


def forbid(*_: object) -> None:
    raise PermissionError(errno.EACCES, "Permission denied")


def test_what_is_not_permitted_is_told_once_for_a_port(
    tmp_path: Path, pty_port: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = Path(pty_port).name
    driver = Driver(tmp_path, name, timer=timer_of(tmp_path, name, bus=True))
    driver.error = errno.EPERM
    monkeypatch.setattr(low_latency, "_write", forbid)
    board = SerialBoard("left", pty_port, 115200)
    board.low_latency = LowLatency(tmp_path, driver.ioctl)
    node = Node("a", 0, board)
    for _ in range(3):
        node.open().close()
    (note,) = node.console.take_notes()
    assert note.startswith(f"node a: the latency timer of its adapter {name} is 16 ms")
    assert "a udev rule permits it" in note
    assert latency_timer_ms(pty_port, tmp_path) == 16


def test_a_flag_that_is_not_permitted_is_a_remark_of_its_own(tmp_path: Path, pty_port: str) -> None:
    driver = Driver(tmp_path, Path(pty_port).name, timer=None)
    driver.error = errno.EPERM
    low = LowLatency(tmp_path, driver.ioctl)
    SerialTransport(pty_port, 115200, low).close()
    assert "the low-latency flag" in low.take_remark()
    assert low.take_remark() == ""


def test_a_port_without_a_driver_is_left_alone(tmp_path: Path, pty_port: str) -> None:
    def never(*_: object) -> None:
        raise AssertionError("a pty was asked for its driver's settings")

    SerialTransport(pty_port, 115200, LowLatency(tmp_path, never)).close()
    assert latency_timer_ms("socket://10.0.0.5:4000", tmp_path) is None


def test_an_adapter_that_was_unplugged_is_no_error_at_the_end(
    tmp_path: Path, pty_port: str
) -> None:
    name = Path(pty_port).name
    timer = timer_of(tmp_path, name, bus=True)
    driver = Driver(tmp_path, name, timer=timer)
    transport = SerialTransport(pty_port, 115200, LowLatency(tmp_path, driver.ioctl))
    driver.error = errno.EIO
    timer.unlink()
    timer.parent.rmdir()
    transport.close()
    assert transport.fd is None
