"""The progress display by itself: what it shows, and that nobody has to wait for it."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import struct
import termios
import threading
from dataclasses import dataclass

import pytest

from hil.views import progress
from hil.views.progress import Progress
from hil.views.style import console_for, duration, flight_time


@dataclass(frozen=True)
class Now:
    phase: str = "running"
    running: bool = True
    frame: int = 0
    frames: int = 1000
    upsets: int = 3
    recoveries: int = 2
    wrong: int = 0
    states: tuple[tuple[str, str], ...] = (("a", "voting"), ("b", "resync"), ("c", "voting"))


class Stream(io.StringIO):
    """Tells when a line was written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = threading.Event()

    def write(self, text: str) -> int:
        count = super().write(text)
        if "frame" in self.getvalue():
            self.written.set()
        return count


class Terminal(Stream):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.fixture
def no_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CI", "NO_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")


def test_lines_say_all_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_PLAIN_FIRST_S", 0.01)
    stream = Stream()
    with Progress("storm", stream) as display:
        display.update(Now(frame=500, wrong=1))
        assert stream.written.wait(10)
        display.say("a word in between")
    lines = stream.getvalue().splitlines()
    assert lines[0].startswith("storm: frame 500 of 1000 (50%), ")
    assert lines[0].endswith("; a c voting, b resync; upsets 3, recoveries 2, wrong 1")
    assert "a word in between" in lines
    assert "\x1b" not in stream.getvalue()


def test_lines_are_seldom() -> None:
    stream = Stream()
    with Progress("storm", stream) as display:
        for frame in range(1000):
            display.update(Now(frame=frame))
    assert stream.getvalue() == ""  # over in less than the time to the first line


def test_a_terminal_gets_lines_that_fit(no_ci: None) -> None:
    stream = Terminal()
    names = ("left", "right", "front", "rear", "top", "bottom", "spare")
    with Progress("a-rather-long-name-of-a-scenario", stream) as display:
        states = tuple((name, "voting") for name in names)
        display.update(Now(frame=999_999_999, frames=10**10, states=states))
        assert stream.written.wait(10)
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue())
    assert max(map(len, re.split("[\r\n]", shown))) <= 80
    assert all(part in shown for part in ("frames/s", "recoveries 2", "● spare", "wrong 0"))
    assert "\x1b[?25h" in stream.getvalue()  # the cursor is given back


def test_lines_fit_a_terminal_that_becomes_narrow(no_ci: None) -> None:
    master, slave = pty.openpty()
    _resize(slave, 100)
    shown = ""
    try:
        with (
            open(slave, "w", encoding="utf-8", closefd=False) as stream,
            Progress("a-rather-long-name-of-a-scenario", stream) as display,
        ):
            display.update(Now(frame=500))
            _read_until(master, "500/1,000")
            _resize(slave, 50)
            _read_until(master, "wrong 0")  # may still be of the picture before
            display.say("a word in between")
            shown = _read_until(master, "a word in between").rpartition("a word")[2]
            shown += _read_until(master, "wrong 0")
    finally:
        os.close(slave)
        os.close(master)
    lines = re.split("[\r\n]+", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown))
    assert max(map(len, lines)) <= 50
    assert " a-rathe" in shown and " 50%" in shown


def _resize(terminal: int, columns: int) -> None:
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("4H", 24, columns, 0, 0))


def _read_until(terminal: int, text: str) -> str:
    got = b""
    while text.encode() not in got:
        got += os.read(terminal, 4096)
    return got.decode(errors="replace")


def test_a_terminal_that_takes_nothing_holds_nobody_up(no_ci: None) -> None:
    stuck = threading.Event()
    taken: list[str] = []

    class Stuck(Terminal):
        def write(self, text: str) -> int:
            assert stuck.wait(100)
            taken.append(text)
            return len(text)

    with Progress("storm", Stuck()) as display:
        for frame in range(1000):
            display.update(Now(frame=frame))
            display.say("hello")
    assert not taken, "nothing had been taken when all was done"
    stuck.set()


def test_a_stream_that_is_gone_is_no_failure(no_ci: None) -> None:
    tried: list[str] = []

    class Gone(Terminal):
        def write(self, text: str) -> int:
            tried.append(text)
            raise OSError(5, "gone")

    with Progress("storm", Gone()) as display:
        display.update(Now(frame=5))
        display.say("hello")
    assert tried, "it was really written to"


@pytest.mark.parametrize(
    ("us", "text"),
    [
        (0, "0 us"),
        (999, "999 us"),
        (1500, "1.5 ms"),
        (999_600, "1 s"),
        (14_500_000, "14.5 s"),
        (7_500_000_000, "2 h 05 min"),
        (600_000_000, "10 min"),
        (7 * 86_400_000_000, "7 d 0 h"),
    ],
)
def test_durations_are_readable(us: int, text: str) -> None:
    assert duration(us) == text


def test_flight_times_are_exact() -> None:
    assert flight_time(12_340_000) == "12.340 s"
    assert flight_time(3_725_001_999) == "1:02:05.001"


def test_no_terminal_no_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    console = console_for(io.StringIO())
    assert not console.is_terminal
    assert console.width == 80
