"""A console that prints without end costs the run little, and its last words are kept."""

from __future__ import annotations

import contextlib
import os
import threading
from contextlib import closing
from pathlib import Path

from hil.clock import HOST
from hil.rig.console.lines import ConsoleLine
from hil.rig.console.log import ConsoleLogs
from hil.rig.console.node_console import NodeConsole
from hil.rig.console.port import ConsolePort
from hil.rig.console.port_reader import PortReader
from hil.rig.console.text_rate import TEXT_MAX, TextRate
from tests.rig.cable import End
from tests.rig.console.logs import entries
from tests.virtual_clock import VirtualClock
from tests.waiting import wait_until


class Taken:
    def __init__(self) -> None:
        self.data = b""
        self.missing = 0

    def __call__(self, data: bytes, missing: int) -> None:
        self.data += data
        self.missing += missing


def test_text_within_the_limit_is_passed_on_at_once_and_whole() -> None:
    taken, clock = Taken(), VirtualClock()
    rate = TextRate(taken, clock)
    text = os.urandom(TEXT_MAX)
    rate.push(text[:1000])
    assert taken.data == text[:1000]
    rate.push(text[1000:])
    assert (taken.data, taken.missing, rate.is_over) == (text, 0, False)


def test_of_more_the_end_is_passed_on_and_every_byte_is_accounted_for() -> None:
    taken, clock = Taken(), VirtualClock()
    rate = TextRate(taken, clock)
    pushed = 0
    for second in range(3):
        for _ in range(100):
            rate.push(b"x" * 65536)
            pushed += 65536
        rate.push(b"Kernel panic")
        pushed += len(b"Kernel panic")
        assert rate.is_over and not taken.data.endswith(b"panic")
        clock.advance(1_000_000)
        rate.look()
        assert taken.data.endswith(b"Kernel panic") and not rate.is_over, second
        assert len(taken.data) + taken.missing == pushed
    assert len(taken.data) <= 3 * TEXT_MAX + 3 * 4096


def test_what_is_missing_is_said_in_the_log_where_it_is(tmp_path: Path) -> None:
    console = NodeConsole()
    with closing(ConsoleLogs(tmp_path, {"a": console}, HOST)):
        console.on_port(b"first\r\nbegun")
        console.on_port(b"last\r\n", missing=77)
    assert [(e.source, e.text) for e in entries(tmp_path, "a")] == [
        ("console", "first"),
        ("console", "begun\\"),
        ("hil", "77 bytes are missing here"),
        ("console", "last"),
    ]


def test_a_port_that_never_stops_printing_is_read_within_the_limit(tmp_path: Path) -> None:
    end, console = End(tmp_path / "console"), NodeConsole()
    lines: list[ConsoleLine] = []
    notes: list[str] = []
    console.attach(lines.append)
    end.plug()
    over = threading.Event()

    def print_on() -> None:
        while not over.is_set():
            with contextlib.suppress(BlockingIOError):  # it is full
                os.write(end.master, b"0123456789 0123456789 0123456789\r\n" * 100)
            over.wait(0.0005)

    printing = threading.Thread(target=print_on)
    printing.start()
    began_us = HOST.now_us()
    try:
        port = ConsolePort(str(end.path), 115200)
        with closing(PortReader("b", port, console, dict, HOST)):

            def told() -> bool:
                notes.extend(console.take_notes())
                return bool(notes)

            wait_until(told)
            over.set()
    finally:
        over.set()
        printing.join()
        end.unplug()
    seconds = (HOST.now_us() - began_us) / 1e6
    assert "text of its console port is lost: more than 256 KiB in a second" in notes[0]
    taken = sum(len(line.content) for line in lines)
    assert taken <= (TEXT_MAX + 4096) * (seconds + 1)
    assert any(line.missing for line in lines)
