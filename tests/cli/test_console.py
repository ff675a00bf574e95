"""`hil console`: the log of a run, followed while it goes on, and a terminal on a console port."""

from __future__ import annotations

import hashlib
import json
import os
import pty
import select
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hil.clock import HOST
from hil.record.board_context import BOARD_CONTEXT
from hil.record.run_lock import RunLock
from hil.rig.console.log import ConsoleLogs, log_path
from hil.rig.console.node_console import NodeConsole
from hil.rig.console.port import ConsolePort
from tests.command_line import TIMEOUT_S, Hil
from tests.rig.cable import End

RUN = ("run", "nominal", "--boards", "inproc", "--frames", 20, "-q", "--out", "r")


def printed(run: Path, *texts: bytes) -> None:
    """Let node a have printed these."""
    console = NodeConsole()
    with closing(ConsoleLogs(run, {"a": console}, HOST)):
        for text in texts:
            console.on_link(text, False)


def noted(run: Path) -> None:
    """Let the record of an ended run know the log of node a as it is now."""
    log = log_path(run, "a").read_bytes()
    file = {"file": "console/a.log", "size": len(log), "sha256": hashlib.sha256(log).hexdigest()}
    with closing(sqlite3.connect(run / "run.db")) as db:
        db.execute(
            "UPDATE meta SET value = json_set(value, '$.nodes.a.console', json(?)) WHERE key = ?",
            (json.dumps(file), BOARD_CONTEXT),
        )
        db.commit()


def test_the_log_of_a_run_is_shown(hil: Hil) -> None:
    hil(*RUN)
    printed(hil.cwd / "r", b"U-Boot 2026.01\r\n", b"\x1b]0;title\x07\r\n")
    noted(hil.cwd / "r")
    log = log_path(hil.cwd / "r", "a").read_text(encoding="utf-8")
    for run in ("r", "r/run.db"):
        done = hil("console", run, "a")
        assert (done.code, done.out) == (0, log), done.err
    assert "U-Boot 2026.01\n" in log and "\\x1b]0;title\\x07" in log
    log_path(hil.cwd / "r", "a").write_bytes(b"a log that has \x1b[2Jescapes\n")
    done = hil("console", "r", "a")
    assert done.code == 3 and "console/a.log was changed" in done.err and not done.out
    noted(hil.cwd / "r")
    assert hil("console", "r", "a").out == "a log that has \\x1b[2Jescapes\n"


def test_a_node_that_printed_nothing_has_no_log_and_one_that_is_none_is_refused(hil: Hil) -> None:
    hil(*RUN)
    done = hil("console", "r", "b", "--follow")
    assert (done.code, done.out) == (0, "") and "node b has printed nothing" in done.err
    done = hil("console", "r", "d")
    assert done.code == 2 and "has no node `d`" in done.err and "one of a, b, c" in done.err
    done = hil("console", "nowhere", "a")
    assert done.code == 2 and "there is no run at nowhere" in done.err


def test_the_newest_run_is_shown_if_none_is_named(hil: Hil) -> None:
    assert "there is no run in runs/" in hil("console", "a").err
    hil(*RUN[:-2], "--out", "runs/one")
    printed(hil.cwd / "runs" / "one", b"hello\r\n")
    noted(hil.cwd / "runs" / "one")
    assert hil("console", "a").out.endswith(" link    hello\n")


def lines_of(process: subprocess.Popen[str]) -> Iterator[str]:
    assert process.stdout is not None
    while True:
        assert select.select([process.stdout], [], [], TIMEOUT_S)[0], "it shows nothing"
        line = process.stdout.readline()
        assert line, process.communicate()
        yield line


@pytest.mark.parametrize("ended_by", ["the run", "Ctrl-C"])
def test_a_log_is_followed_until_the_run_ends(hil: Hil, ended_by: str) -> None:
    run, console = hil.cwd / "r", NodeConsole()
    run.mkdir()
    with RunLock(run), closing(ConsoleLogs(run, {"a": console}, HOST)):
        process = hil.start(
            "console", "r", "a", "-f"
        )  # before the boards are up: there is no record
        try:
            console.on_link(b"first\r\n", False)
            shown = lines_of(process)
            assert next(shown).endswith(" first\n")
            console.on_link(b"second\r\n", False)
            assert next(shown).endswith(" second\n")
            console.on_link(b"at the very end\r\n", False)
            if ended_by == "Ctrl-C":
                assert next(shown).endswith(" at the very end\n")
                process.send_signal(signal.SIGINT)
                process.wait(TIMEOUT_S)
        except BaseException:
            process.kill()
            raise
    out, err = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 0, err
    assert out.endswith(" at the very end\n") or ended_by == "Ctrl-C"


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("a", "--write"), "--write needs a console port"),
        (("r", "a", "b"), "too many names"),
        (("r", "a", "--bench", "bench.yaml"), "name one board"),
        (("left", "-f", "--bench", "bench.yaml"), "--follow is for the log of a run"),
        (("middle", "--bench", "bench.yaml"), "bench.yaml has no board `middle`"),
        (("right", "--bench", "bench.yaml"), "board right has no console port in bench.yaml"),
    ],
)
def test_what_makes_no_sense_is_refused(hil: Hil, words: tuple[str, ...], why: str) -> None:
    bench(hil, "/dev/ttyUSB5")
    done = hil("console", *words)
    assert done.code == 2 and why in done.err


def bench(hil: Hil, console: object) -> None:
    left = f"{{name: left, port: /dev/ttyUSB0, console: {console}, console_baud: 9600}}"
    hil.write("bench.yaml", f"schema: 1\nboards: [{left}, {{name: right, port: /dev/ttyUSB1}}]\n")


class Person:
    """Somebody before a terminal, in which `hil console` runs."""

    def __init__(self, hil: Hil, *words: object) -> None:
        self.keys, terminal = pty.openpty()
        self.process = hil.start("console", "left", "--bench", "bench.yaml", *words, stdin=terminal)
        os.close(terminal)
        self.said = ""

    def hears(self, text: str) -> None:
        """Wait until `hil` says this on stderr."""
        assert self.process.stderr is not None
        while text not in self.said:
            assert select.select([self.process.stderr], [], [], TIMEOUT_S)[0], self.said
            self.said += self.process.stderr.readline()

    def types(self, keys: bytes) -> None:
        os.write(self.keys, keys)

    def leaves(self) -> tuple[int, str]:
        """End it by Ctrl-]; return its exit code, and what it has shown."""
        self.types(b"\x1d")
        out, err = self.process.communicate(timeout=TIMEOUT_S)
        self.said += err
        os.close(self.keys)
        return self.process.returncode, out


@pytest.fixture
def port(tmp_path: Path) -> Iterator[End]:
    end = End(tmp_path / "console")
    end.plug()
    yield end
    end.unplug()


def received(port: End, count: int) -> bytes:
    data, deadline = b"", time.monotonic() + TIMEOUT_S
    while len(data) < count and time.monotonic() < deadline:
        if HOST.readable([port.master], 100_000):
            data += os.read(port.master, 100)
    return data


def test_a_console_port_is_shown_and_nothing_is_sent(hil: Hil, port: End) -> None:
    bench(hil, port.path)
    person = Person(hil)
    person.hears("what is typed is not sent (--write); Ctrl-] ends")
    assert f"{port.path} at 9600 baud" in person.said
    text = "Gr\u00fc\u00dfe\r\n\x1b[31m50 %\r100 %\r\npi login: ".encode()
    os.write(port.master, text[:3])  # half a letter
    os.write(port.master, text[3:])
    person.types(b"ls\r")
    person.hears("nothing is sent to the board without --write")
    assert not HOST.readable([port.master], 0)
    code, out = person.leaves()
    assert (code, out) == (0, "Gr\u00fc\u00dfe\n\\x1b[31m50 %\\r100 %\npi login: \n")


def test_what_is_typed_is_sent_if_that_is_asked_for(hil: Hil, port: End) -> None:
    bench(hil, port.path)
    person = Person(hil, "--write")
    person.hears("what is typed is sent; Ctrl-] ends")
    keys = b"dmesg\r\x03\x1b[A\x11"
    person.types(keys)
    assert received(port, len(keys)) == keys, "Ctrl-C, too: it is for the board"
    os.write(port.master, b"$ ")
    assert person.leaves()[0] == 0


def test_a_port_that_a_run_has_open_is_refused(hil: Hil, port: End) -> None:
    bench(hil, port.path)
    with closing(ConsolePort(str(port.path), 9600).open()):
        done = hil("console", "left", "--bench", "bench.yaml")
    assert done.code == 3 and f"port {port.path} is in use by " in done.err


def test_a_port_that_is_missing_or_unplugged_ends_it(hil: Hil, port: End) -> None:
    bench(hil, port.path)
    person = Person(hil)
    person.hears("Ctrl-] ends")
    os.write(port.master, b"pi login: ")
    assert person.process.stdout is not None
    assert person.process.stdout.read(10) == "pi login: "
    port.unplug()
    out, err = person.process.communicate(timeout=TIMEOUT_S)
    assert out == "\n", "the message begins a line of its own"
    assert person.process.returncode == 3 and "the console port was lost" in person.said + err
    done: Any = hil("console", "left", "--bench", "bench.yaml")
    assert done.code == 3 and "does not exist" in done.err
