"""The stderr of process boards: it is read beside the run, goes to the console, and is bounded."""

from __future__ import annotations

import io
import os
import subprocess
import threading
from pathlib import Path

import pytest

from hil.errors import SetupError
from hil.rig.backends.process import ProcessBoard, find_agent
from hil.rig.backends.stderr_reader import TAIL, StderrReader
from hil.rig.console.lines import ConsoleLine, ConsoleSource
from hil.rig.node import Node
from tests.waiting import wait_until


def agent_that(folder: Path, first: str) -> Path:
    """An agent that does something in a shell before it begins."""
    program = folder / "agent"
    program.write_text(f'#!/bin/sh\n{first}\nexec {find_agent()} "$@"\n')
    program.chmod(0o755)
    return program


MUCH = "i=0; while [ $i -lt 40000 ]; do echo 'line of a chatty agent' $i; i=$((i+1)); done >&2"
"""More than a pipe holds, and more than is passed on in a second."""


def test_an_agent_that_writes_much_to_stderr_starts_and_its_text_is_in_the_console(
    tmp_path: Path,
) -> None:
    node = Node("a", 0, ProcessBoard("a", agent_that(tmp_path, MUCH)))
    lines: list[ConsoleLine] = []
    node.console.attach(lines.append)
    try:
        transport = node.open()
        transport.close()
    finally:
        node.board.shut_down()
    assert {line.source for line in lines} == {ConsoleSource.STDERR}
    assert [line.content for line in lines[:2]] == [
        b"line of a chatty agent %d" % n for n in (0, 1)
    ]
    assert sum(len(line.content) + 1 for line in lines) < 40_000 * 24


@pytest.mark.slow
def test_an_agent_that_never_stops_writing_answers_all_the_same(tmp_path: Path) -> None:
    board = ProcessBoard("a", agent_that(tmp_path, "(while :; do echo noise; done >&2) &"))
    node = Node("a", 0, board)
    try:
        node.open().close()
        (note,) = wait_until(node.console.take_notes)
        assert "text of its stderr is lost: more than 256 KiB in a second" in note
        assert board.has_power
        node.board.power_cycle()
        assert board.has_power
    finally:
        board.shut_down()


def test_an_agent_that_does_not_start_is_quoted(tmp_path: Path) -> None:
    board = ProcessBoard("a", agent_that(tmp_path, "echo 'no /dev/gpiomem' >&2; exit 3"))
    with pytest.raises(SetupError, match=r"did not start for node a: no /dev/gpiomem"):
        board.connect()
    assert board.unexpected_exits.count == 0


class Sink:
    def __init__(self) -> None:
        self.data = b""
        self.notes: list[str] = []

    def on_stderr(self, data: bytes) -> None:
        self.data += data

    def note(self, text: str) -> None:
        self.notes.append(text)


def test_the_end_of_the_text_is_kept_and_what_is_there_at_the_end_is_read() -> None:
    out, into = os.pipe()
    sink = Sink()
    reader = StderrReader(io.FileIO(out), sink, "a")
    text = b"".join(b"%06d\n" % n for n in range(2000))
    os.write(into, text)
    reader.close()  # the other end is open still
    os.close(into)
    assert sink.data == text and sink.notes == []
    assert reader.tail == text[-TAIL:].decode().strip()


def test_a_reader_that_is_closed_leaves_no_thread_and_no_descriptor() -> None:
    with subprocess.Popen(["sh", "-c", "echo x >&2"], stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        reader = StderrReader(process.stderr, None, "b")
        process.wait()
        reader.close()
        reader.close()
        assert process.stderr.closed and reader.tail == "x"
    assert not [t for t in threading.enumerate() if t.name == "hil stderr b"]
