"""The console port of a board: read beside the run, whatever becomes of the port."""

from __future__ import annotations

import os
import termios
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from hil.clock import HOST
from hil.rig.console.lines import ConsoleLine
from hil.rig.console.node_console import NodeConsole
from hil.rig.console.port import ConsolePort
from hil.rig.console.port_reader import PortReader
from tests.rig.cable import End
from tests.waiting import wait_until


class Printing:
    """A board's console port, and what is read from it."""

    def __init__(self, path: Path) -> None:
        self.end = End(path)
        self.console = NodeConsole()
        self.lines: list[ConsoleLine] = []
        self.notes: list[str] = []
        self.links: dict[str, str] = {}
        self.console.attach(self.lines.append)

    def read(self, baud: int = 115200) -> closing[PortReader]:
        port = ConsolePort(str(self.end.path), baud)
        return closing(PortReader("b", port, self.console, lambda: self.links, HOST))

    def noted(self, words: str) -> bool:
        self.notes += self.console.take_notes()
        return any(words in note for note in self.notes)

    def say_until_read(self, text: bytes) -> None:
        """Print a line again and again: what is printed before the port is opened is lost."""

        def said() -> bool:
            os.write(self.end.master, text + b"\r\n")
            return any(line.content == text for line in self.lines)

        wait_until(said)


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Printing]:
    printing = Printing(tmp_path / "console")
    printing.end.plug()
    yield printing
    printing.end.unplug()


def test_a_console_port_is_read_at_its_rate_and_nothing_is_written(board: Printing) -> None:
    with board.read(9600):
        board.say_until_read(b"U-Boot 2026.01")
        assert board.end.rate == (termios.B9600, termios.B9600)
        assert {line.source.value for line in board.lines} == {"console"}
        assert not HOST.readable([board.end.master], 0)
    assert board.console.take_notes() == []


def test_a_port_that_is_not_there_is_a_note_and_read_when_it_comes(board: Printing) -> None:
    board.end.unplug()
    with board.read():
        wait_until(lambda: board.noted("does not exist"))
        board.end.plug()
        board.say_until_read(b"here I am")
        board.end.unplug()
        wait_until(lambda: len(board.notes) > 2 or board.noted("node b: nothing is read from"))
        board.end.plug()
        board.say_until_read(b"and again")
    assert board.notes[0].startswith("node b: nothing is read from its console: port ")
    assert board.notes[1] == f"node b: console port {board.end.path} is open"


def test_a_port_that_another_program_has_open_is_a_note(board: Printing) -> None:
    with closing(ConsolePort(str(board.end.path), 115200).open()), board.read():
        wait_until(lambda: board.noted("is in use"))
    assert board.lines == []


def test_the_port_of_a_link_is_never_opened(board: Printing) -> None:
    board.links["c"] = os.path.realpath(board.end.path)
    with board.read():
        wait_until(lambda: board.noted(f"{board.end.path} is the port of node c"))
    assert board.lines == []
