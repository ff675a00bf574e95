"""Console logs: every byte with its time; what the disk loses is said; nobody is held up."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path

import pytest

from hil.clock import HOST
from hil.rig.console import log as log_module
from hil.rig.console.log import ConsoleLogs, log_path
from hil.rig.console.node_console import NodeConsole
from tests.documents.blocks import ROOT, blocks_of
from tests.rig.console.logs import console_bytes, entries, entry_of
from tests.virtual_clock import VirtualClock
from tests.waiting import wait_until


def logs(run_dir: Path, console: NodeConsole) -> closing[ConsoleLogs]:
    return closing(ConsoleLogs(run_dir, {"a": console}, HOST))


BOOT = (
    b"U-Boot 2026.01\r\n\r\nHit any key: \x1b[1m3\r2\r1\r\n"
    b"alone\n\xff\xfe no text, C:\\boot\r\n" + b"x" * 5000 + b"\r\nlogin: "
)


@pytest.mark.parametrize("size", [1, 3, 17, 10_000])
def test_a_log_has_every_byte_however_it_arrives(tmp_path: Path, size: int) -> None:
    console = NodeConsole()
    with logs(tmp_path, console):
        for at in range(0, len(BOOT), size):
            console.on_link(BOOT[at : at + size], False)
    assert console_bytes(tmp_path, "a") == BOOT
    texts = [entry.text for entry in entries(tmp_path, "a")]
    assert texts[0] == "U-Boot 2026.01" and texts[1] == ""
    assert texts[2] == "Hit any key: \\x1b[1m3\\r2\\r1" and texts[3] == "alone\\n"
    assert texts[-1] == "login: \\"
    assert console.take_notes() == []


def test_lines_have_utc_and_the_seconds_of_the_run(tmp_path: Path) -> None:
    clock = VirtualClock()
    console = NodeConsole(clock)
    before = datetime.now(timezone.utc)
    with closing(ConsoleLogs(tmp_path, {"a": console}, clock)):
        clock.advance(1_500_000)
        console.on_link(b"one", False)
        clock.advance(250_000)
        console.on_link(b"\r\ntwo\r\n", False)
    after = datetime.now(timezone.utc)
    one, two = entries(tmp_path, "a")
    assert (one.seconds, two.seconds) == (1.5, 1.75), "a line has the time of its first byte"
    assert before.timestamp() - 1 < one.utc.timestamp() <= two.utc.timestamp() <= after.timestamp()


def test_a_prompt_is_in_the_log_without_a_line_end_after_a_while(tmp_path: Path) -> None:
    clock = VirtualClock()
    console = NodeConsole(clock)
    with closing(ConsoleLogs(tmp_path, {"a": console}, clock)):
        console.on_link(b"pi login: ", False)
        clock.advance(2_000_000)
        wait_until(log_path(tmp_path, "a").exists)
        wait_until(lambda: bool(entries(tmp_path, "a")))
        assert [entry.text for entry in entries(tmp_path, "a")] == ["pi login: \\"]


def test_the_sample_in_the_documents_has_the_form_of_a_log() -> None:
    (block,) = [b for b in blocks_of(ROOT / "boards" / "README.md") if b.language == "log"]
    assert {entry_of(line).source for line in block.text.splitlines()} <= {"link", "console", "hil"}


def test_sources_are_told_apart(tmp_path: Path) -> None:
    console = NodeConsole()
    with logs(tmp_path, console):
        console.on_link(b"half a ", False)
        console.on_port(b"from the other port\r\n")
        console.on_link(b"\x07\x07\n\x01", True)
        console.on_link(b"line\r\n", False)
    assert [(entry.source, entry.text) for entry in entries(tmp_path, "a")] == [
        ("console", "from the other port"),
        ("damaged", "\\x07\\x07\\n\\x01"),
        ("link", "half a line"),
    ]


def test_a_board_that_prints_nothing_has_no_log(tmp_path: Path) -> None:
    with logs(tmp_path, NodeConsole()):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_resumed_run_goes_on_in_the_same_log(tmp_path: Path) -> None:
    for text in (b"first\r\n", b"second\r\n"):
        console = NodeConsole()
        with logs(tmp_path, console):
            console.on_link(text, False)
    texts = [entry.text for entry in entries(tmp_path, "a")]
    assert texts == ["first", "the run was resumed", "second"]


def test_a_full_log_says_that_it_ends_and_so_does_a_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_module, "LOG_BYTES", 100_000)
    console = NodeConsole()
    with logs(tmp_path, console):
        for _ in range(3000):
            console.on_link(b"a line that comes again and again\r\n", False)
    last = entries(tmp_path, "a")[-1]
    assert (last.source, last.text) == ("hil", "the log ends here: it has 100000 bytes")
    assert log_path(tmp_path, "a").stat().st_size < 100_200
    assert "node a: its console log ends: it has 100000 bytes" in console.take_notes()


def test_damaged_frames_leave_room_for_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_module, "DAMAGED_BYTES", 1000)
    console = NodeConsole()
    with logs(tmp_path, console):
        for _ in range(50):
            console.on_link(bytes([7]) * 100, True)
        console.on_link(b"Kernel panic\r\n", False)
    found = entries(tmp_path, "a")
    assert [entry.source for entry in found] == ["damaged"] * 10 + ["hil", "link"]
    assert found[-2].text == "no more damaged frames are logged"


@pytest.fixture
def hanging_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A run folder in which writing a log waits until somebody reads it."""
    monkeypatch.setattr(log_module, "_CLOSING_S", 0.1)
    path = log_path(tmp_path, "a")
    path.parent.mkdir()
    os.mkfifo(path)
    before = set(threading.enumerate())
    yield tmp_path
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    for thread in set(threading.enumerate()) - before:
        while thread.is_alive():  # it writes until it has written everything
            os.read(reader, 1 << 20) if HOST.readable([reader], 10_000) else None
            thread.join(0.01)
    os.close(reader)


def test_a_disk_that_hangs_costs_text_and_holds_nobody_up(
    hanging_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_module, "_QUEUE_BYTES", 100_000)
    console = NodeConsole()
    with logs(hanging_disk, console):
        for _ in range(10_000):
            console.on_link(b"a line that comes again and again\r\n", False)
    assert console.take_notes() == ["node a: console text is lost: the disk does not answer"]


def test_what_a_slow_disk_loses_is_counted_in_the_log_and_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_module, "_QUEUE_BYTES", 3 * (log_module._LINE_COST + 10))
    console = NodeConsole()
    with logs(tmp_path, console) as written:
        with written._more:  # the writing thread takes nothing from the queue meanwhile
            for number in range(8):
                console.on_link(b"line %d\r\n" % number, False)
        wait_until(log_path(tmp_path, "a").exists)
        wait_until(lambda: len(entries(tmp_path, "a")) == 3)
        console.on_link(b"after\r\n", False)
    texts = [(entry.source, entry.text) for entry in entries(tmp_path, "a")]
    assert texts == [
        ("link", "line 0"),
        ("link", "line 1"),
        ("link", "line 2"),
        ("hil", "40 bytes are missing here"),
        ("link", "after"),
    ]
    assert console.take_notes() == ["node a: console text is lost: the disk was too slow"]


def test_text_for_which_the_disk_has_no_room_is_lost_until_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_module, "_RESERVE_BYTES", 1 << 62)
    console = NodeConsole()
    with logs(tmp_path, console) as written:
        console.on_link(b"lost\r\n", False)
        wait_until(lambda: written._logs["a"]._missing == 6)
        monkeypatch.setattr(log_module, "_RESERVE_BYTES", 0)
        console.on_link(b"kept\r\n", False)
    texts = [entry.text for entry in entries(tmp_path, "a")]
    assert texts == ["6 bytes are missing here", "kept"]
    assert console.take_notes() == ["node a: console text is lost: the disk is almost full"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_loses_text_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_module, "_RESERVE_BYTES", 0)
    console = NodeConsole()
    with logs(tmp_path, console) as written:
        console.on_link(b"written\r\n", False)
        wait_until(lambda: written._logs["a"]._size > 0)
        full = os.open("/dev/full", os.O_WRONLY)
        os.dup2(full, written._logs["a"]._fd)
        os.close(full)
        console.on_link(b"lost\r\n", False)
    assert [entry.text for entry in entries(tmp_path, "a")] == ["written"]
    assert console.take_notes() == ["node a: console text is lost: No space left on device"]
