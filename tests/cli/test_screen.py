"""The screen on a real terminal: what it may do to a run, which is nothing."""

from __future__ import annotations

import fcntl
import io
import json
import os
import pty
import select
import signal
import sqlite3
import struct
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hil.views.style import glyphs_for
from tests.command_line import Hil, clean_env

LONG = """\
schema: 1
workload: infer
frames: 100000
frame_ms: 20
pace: realtime
rig: {scheme: tmr, board: inproc}
upsets:
  rates: [{targets: [output], per_s: 2}]
"""


class Terminal:
    """`hil` on a terminal of 100x30."""

    def __init__(self, hil: Hil, *words: str, **env: str) -> None:
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        assert hil.ready is not None
        full = clean_env(**{"TERM": "xterm-256color", **env})
        streams = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
        self.process = hil.ready.start(words, hil.cwd, full, lead=True, **streams)
        os.close(theirs)
        self.fd = ours
        self.shown = ""

    def read(self, seconds: float) -> None:
        """Take what is written for a while, or until there is no terminal any more."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if not select.select([self.fd], [], [], left)[0]:
                return
            try:
                self.shown += os.read(self.fd, 65536).decode("utf-8", "replace")
            except OSError:
                return

    def wait_for(self, text: str, seconds: float = 30.0) -> None:
        until = time.monotonic() + seconds
        while text not in self.shown:
            assert time.monotonic() < until, f"no `{text}` in {self.shown[-3000:]!r}"
            self.read(0.1)

    def keys(self, text: str) -> None:
        os.write(self.fd, text.encode())

    def end(self) -> int:
        """Its exit code; everything it wrote is read."""
        until = time.monotonic() + 90
        while self.process.poll() is None and time.monotonic() < until:
            self.read(0.1)
        self.read(0.2)
        return self.process.wait(timeout=1)

    def hang_up(self) -> None:
        """The terminal is gone, as when a connection breaks."""
        os.close(self.fd)
        self.fd = -1

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.fd >= 0:
            os.close(self.fd)


def pulse(run: Path) -> tuple[int, int]:
    """Next frame and process of a run."""
    db = sqlite3.connect(f"file:{run}/run.db?mode=ro", uri=True)
    row = db.execute("SELECT frame, pid FROM pulse").fetchone()
    db.close()
    return int(row[0]), int(row[1])


def goes_on(run: Path) -> bool:
    first = pulse(run)[0]
    until = time.monotonic() + 20
    while time.monotonic() < until:
        if pulse(run)[0] > first:
            return True
        time.sleep(0.1)
    return False


@pytest.fixture
def started(hil: Hil) -> Iterator[Callable[..., Terminal]]:
    """Terminals, and after the test the end of all that was begun on them."""
    terminals: list[Terminal] = []

    def start(*words: str, **env: str) -> Terminal:
        terminals.append(Terminal(hil, *words, **env))
        return terminals[-1]

    yield start
    for terminal in terminals:
        terminal.close()
    for db in hil.cwd.glob("**/run.db"):
        frame, pid = pulse(db.parent)
        if frame and pid != os.getpid():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass


@pytest.fixture
def running(hil: Hil, started: Callable[..., Terminal]) -> Terminal:
    """`hil run` of something long, whose screen is up."""
    hil.write("long.yaml", LONG)
    terminal = started("run", "long.yaml", "--out", "r")
    terminal.wait_for("LIVE")
    return terminal


def test_a_run_opens_the_screen_and_its_end_gives_the_summary(
    hil: Hil, started: Callable[..., Terminal]
) -> None:
    terminal = started("run", "memory-storm", "--boards", "inproc", "--frames", "400", "--out", "r")
    terminal.wait_for("ENDED")
    terminal.keys("q")
    assert terminal.end() == 1, "400 of its frames have 30 upsets of the 60 that it expects"
    tail = terminal.shown[terminal.shown.rindex("\x1b[?1049l") :]
    assert "run digest" in tail and "Traceback" not in terminal.shown
    lines = hil("run", "memory-storm", "--boards", "inproc", "--frames", "400", "--json").json
    assert lines["run_digest"] in tail


@pytest.mark.slow
def test_leaving_the_screen_leaves_the_run_alone(hil: Hil, running: Terminal) -> None:
    running.keys("q")
    running.wait_for("Leave the screen?")
    running.keys("y")
    assert running.end() == 130
    assert "attach again with: hil watch r" in running.shown
    assert goes_on(hil.cwd / "r")


@pytest.mark.slow
@pytest.mark.parametrize("how", ["kill", "term", "hang up"])
def test_whatever_ends_the_screen_does_not_end_the_run(
    hil: Hil, running: Terminal, how: str
) -> None:
    if how == "hang up":
        running.hang_up()
        running.process.wait(timeout=30)
    else:
        running.process.send_signal(signal.SIGKILL if how == "kill" else signal.SIGTERM)
        running.end()  # a terminal that nobody reads is full some time
    assert goes_on(hil.cwd / "r")


@pytest.mark.slow
def test_resizing_and_stopping_the_screen_do_not_touch_the_run(hil: Hil, running: Terminal) -> None:
    fcntl.ioctl(running.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 3, 10, 0, 0))
    running.read(0.5)
    running.process.send_signal(signal.SIGSTOP)  # nobody reads, nobody draws
    assert goes_on(hil.cwd / "r")
    running.process.send_signal(signal.SIGCONT)
    fcntl.ioctl(running.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    running.shown = ""
    running.wait_for("VERDICTS")


@pytest.mark.slow
def test_ctrl_c_asks_and_then_aborts_the_run(hil: Hil, running: Terminal) -> None:
    running.keys("\x03")
    running.wait_for("End the run?")
    running.keys("y")
    running.wait_for("ENDED")
    running.keys("q")
    assert running.end() == 130
    assert "ABORTED" in running.shown
    assert hil("replay", "r", "--verify").code == 0


@pytest.mark.slow
def test_a_run_that_cannot_begin_says_why(hil: Hil, started: Callable[..., Terminal]) -> None:
    hil.write(
        "bench.yaml",
        "schema: 1\nboards:\n"
        + "".join(f"  - {{name: {name}, port: /dev/hil-none-{name}}}\n" for name in "abc"),
    )
    terminal = started("run", "nominal", "--bench", "bench.yaml", "--out", "r")
    assert terminal.end() == 3
    assert "/dev/hil-none-a" in terminal.shown and "Traceback" not in terminal.shown
    assert sorted(p.name for p in (hil.cwd / "r").iterdir()) == ["junit.xml", "manifest.json"]


def test_a_wrong_scenario_never_opens_it(hil: Hil, started: Callable[..., Terminal]) -> None:
    terminal = started("run", "nothing-of-the-kind")
    assert terminal.end() == 2
    assert "\x1b[?1049h" not in terminal.shown


@pytest.mark.slow
def test_watching_and_replaying_on_a_terminal(hil: Hil, started: Callable[..., Terminal]) -> None:
    hil("run", "two-faults", "--boards", "inproc", "--frames", "240", "--out", "runs/x")
    for words, expected in (
        (("watch",), "ENDED"),
        (("watch", "runs/x"), "ENDED"),
        (("replay", "runs/x"), "REPLAY"),
    ):
        terminal = started(*words)
        terminal.wait_for(expected)
        terminal.keys("q")
        assert terminal.end() == 0
    terminal = started("replay", "runs/x", "--no-tui")
    assert terminal.end() == 0
    assert "notable frames" in terminal.shown and "\x1b[?1049h" not in terminal.shown


@pytest.mark.parametrize("env", [{"CI": "1"}, {"TERM": "dumb"}])
def test_where_nothing_may_move_there_is_no_screen(
    hil: Hil, started: Callable[..., Terminal], env: dict[str, str]
) -> None:
    terminal = started("run", "nominal", "--boards", "inproc", "--frames", "50", **env)
    assert terminal.end() == 0
    assert "PASS" in terminal.shown and "\x1b[?1049h" not in terminal.shown


def test_watching_without_a_terminal_prints_the_page(hil: Hil) -> None:
    hil("run", "two-faults", "--boards", "inproc", "--frames", "240", "--out", "runs/x")
    done = hil("watch")
    assert done.code == 0
    assert "ENDED fail" in done.out and "VERDICTS" in done.out and "\x1b" not in done.out
    assert len(done.out.splitlines()) > 8


def test_a_record_that_cannot_be_read_is_said_and_is_no_success(hil: Hil) -> None:
    (hil.cwd / "damaged").mkdir()
    (hil.cwd / "damaged" / "run.db").write_bytes(b"SQLite format 3\0" + bytes(5000))
    done = hil("watch", "damaged")
    assert done.code == 2 and "LOST" in done.out and "it cannot be read" in done.out


@pytest.mark.parametrize(
    "env", [{"LC_ALL": "C"}, {"LANG": "POSIX", "LC_ALL": ""}, {"TERM": "linux"}, {"TERM": "vt100"}]
)
def test_a_terminal_without_the_glyphs_gets_ascii(
    monkeypatch: pytest.MonkeyPatch, env: dict[str, str]
) -> None:
    for name in ("LC_ALL", "LC_CTYPE", "LANG"):
        monkeypatch.setenv(name, "en_US.UTF-8")
    monkeypatch.setenv("TERM", "xterm-256color")

    class Screen(io.StringIO):
        encoding = "utf-8"

        def isatty(self) -> bool:
            return True

    assert glyphs_for(Screen()).ok == "✔"
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    if env.get("LC_ALL") == "":
        monkeypatch.delenv("LC_CTYPE")
    assert glyphs_for(Screen()).ok == "+"


@pytest.mark.parametrize("words", [("watch",), ("watch", "nowhere"), ("replay", "nowhere")])
def test_no_run_is_said(hil: Hil, words: tuple[str, ...]) -> None:
    done = hil(*words)
    assert done.code == 2 and "there is no run" in done.err


def test_no_color_and_ascii(hil: Hil, started: Callable[..., Terminal]) -> None:
    hil("run", "two-faults", "--boards", "inproc", "--frames", "240", "--out", "x")
    terminal = started("watch", "x", "--ascii", NO_COLOR="1")
    terminal.wait_for("VERDICTS")
    terminal.keys("q")
    assert terminal.end() == 0
    assert terminal.shown.isascii()


@pytest.mark.slow
def test_what_is_told_to_a_run_is_recorded(hil: Hil, started: Callable[..., Terminal]) -> None:
    hil.write("long.yaml", LONG)
    started("run", "long.yaml", "--out", "r", "--control").wait_for("LIVE")
    until = time.monotonic() + 20
    while not (hil.cwd / "r" / "control.sock").is_socket():
        assert time.monotonic() < until
        time.sleep(0.05)
    from hil.views.screen.run_commands import Socket  # noqa: PLC0415 (loads textual)

    names = {command.name for command in Socket().commands(hil.cwd / "r")}
    assert {"isolate", "inject", "pause", "end"} <= names
    assert Socket().send(hil.cwd / "r", "isolate", ["node=b"])[0]
    ok, why = Socket().send(hil.cwd / "r", "isolate", ["node=nobody"])
    assert not ok and why
    db = sqlite3.connect(hil.cwd / "r" / "run.db")
    until = time.monotonic() + 20
    while not (rows := db.execute("SELECT command, arguments FROM commands WHERE ok").fetchall()):
        assert time.monotonic() < until
        time.sleep(0.05)
    assert (rows[0][0], json.loads(rows[0][1])) == ("isolate", {"node": "b"})
    db.close()
