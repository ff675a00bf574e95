"""`hil bench test` where relays and smart plugs switch the boards: neither measures anything of a
board, and a relay does not even report whether it is on. Boards are off when the test begins, as on
the normally open contacts of relays."""

from __future__ import annotations

import json
import subprocess
import termios
import threading
import urllib.parse
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from hil.rig.backends.process import find_agent
from hil.rig.bench_test.bench_tester import BenchTester, boards_to_test, switched_boards
from hil.rig.bench_test.power_cycle import CyclePatience
from hil.rig.power.bench_supplies import BenchSupplies
from hil.scenario import load_bench
from hil.scenario.bench_report import BenchFault, BenchTestReport, SwitchState
from tests.amount import mostly_slow

from ..cable import Cable
from .test_links_of_a_bench import numbered, pty_that

F = BenchFault
QUICK = CyclePatience(
    hold_up_us=300_000, hold_up_max_us=1_500_000, silence_us=600_000, boot_us=5_000_000
)

# gpioset of libgpiod 1: it holds the line until it ends; then the line is an input, and the relay
# falls off.
GPIOSET = """#!/usr/bin/env python3
import pathlib, signal, sys
if "--version" in sys.argv:
    sys.exit(print("gpioset (libgpiod) v1.6.3"))
line, _, level = sys.argv[-1].partition("=")
relay = pathlib.Path({folder!r}) / ("power" + line)
def release(*_):
    relay.write_text("off")
    sys.exit()
signal.signal(signal.SIGTERM, release)
relay.write_text("on" if level == "1" else "off")
while True:
    signal.pause()
"""


class Plug(BaseHTTPRequestHandler):
    """A Shelly of the second generation, whose outlets are files."""

    folder: Path

    def do_GET(self) -> None:
        parts = urllib.parse.urlsplit(self.path)
        words = dict(urllib.parse.parse_qsl(parts.query))
        outlet = self.folder / f"power{int(words['id']) + 1}"
        if parts.path == "/rpc/Switch.Set":
            outlet.write_text("on" if words["on"] == "true" else "off")
        answer = json.dumps({"output": outlet.read_text() == "on"}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None: ...


class SwitchedBoard:
    """An agent at the far end of a cable; it runs while one of `feeds` says `on`, or always."""

    def __init__(
        self, folder: Path, name: str, feeds: Sequence[Path], options: Sequence[str]
    ) -> None:
        self.cable = Cable(folder, name)
        self._words = [str(find_agent()), "--port", str(self.cable.board.path), *options]
        self._feeds = feeds
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, name=f"board {name}", daemon=True)
        self._thread.start()

    @property
    def _is_fed(self) -> bool:
        return not self._feeds or any(feed.read_text() == "on" for feed in self._feeds)

    def _follow(self) -> None:
        agent: subprocess.Popen[bytes] | None = None
        while not self._ended.wait(0.01):
            if self._is_fed and agent is None:
                agent = subprocess.Popen(
                    [*self._words, "--exit-with-parent"], stdin=subprocess.DEVNULL
                )
            elif agent is not None and not self._is_fed:
                agent.kill()
                agent.wait()
                agent = None
        if agent is not None:
            agent.kill()
            agent.wait()

    def close(self) -> None:
        self._ended.set()
        self._thread.join(20)
        self.cable.close()


@dataclass
class SwitchedBench:
    """A bench of two boards, each on a relay line, or on an outlet of a plug."""

    folder: Path
    stack: ExitStack
    supplies: tuple[str, str]
    boards: list[SwitchedBoard] = field(default_factory=list)

    def power(self, number: int) -> Path:
        return self.folder / f"power{number}"

    def add(self, name: str, *feeds: int, options: Sequence[str] = ()) -> SwitchedBoard:
        """A board that these outputs feed; without any it has a feed of its own."""
        board = SwitchedBoard(self.folder, name, [self.power(n) for n in feeds], options)
        self.stack.callback(board.close)
        self.boards.append(board)
        return board

    def test(self, **ports: str) -> BenchTestReport:
        """`ports`: those of boards that were not added."""
        names = {"left": self.supplies[0], "right": self.supplies[1]}
        lines = ["schema: 1", "boards:"]
        for name, supply in names.items():
            port = ports.get(name, str(self.folder / f"{name}-host"))
            lines.append(f"  - {{name: {name}, port: {port}, power: {{{supply}, off_s: 0.1}}}}")
        file = self.folder / "bench.yaml"
        file.write_text("\n".join([*lines, ""]))
        bench = load_bench(file)
        boards = boards_to_test(bench, ())
        with BenchSupplies(bench) as supplies:
            powers = {name: supplies.power(name) for name in switched_boards(boards)}
            return BenchTester(file, boards, powers, patience=QUICK).run()


@pytest.fixture(params=mostly_slow(["plug", "relay"], keep=1))
def bench(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SwitchedBench]:
    for number in (1, 2):
        (tmp_path / f"power{number}").write_text("off")
    with ExitStack() as stack:
        if request.param == "relay":
            gpioset = tmp_path / "bin" / "gpioset"
            gpioset.parent.mkdir()
            gpioset.write_text(GPIOSET.format(folder=str(tmp_path)))
            gpioset.chmod(0o755)
            monkeypatch.setenv("PATH", str(gpioset.parent), prepend=":")
            supplies = ("kind: relay, line: 1", "kind: relay, line: 2")
        else:
            handler = type("PlugHere", (Plug,), {"folder": tmp_path})
            server = stack.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), handler))
            thread = threading.Thread(target=server.serve_forever, daemon=True)
            thread.start()
            stack.callback(thread.join, 10)
            stack.callback(server.shutdown)
            url = f'kind: http, plug: shelly2, url: "http://127.0.0.1:{server.server_port}"'
            supplies = (f"{url}, channel: 1", f"{url}, channel: 2")
        yield SwitchedBench(tmp_path, stack, supplies)
        for number in (1, 2):
            assert (tmp_path / f"power{number}").read_text() == "off", "as it was found"


def faults(report: BenchTestReport) -> list[tuple[BenchFault, tuple[str, ...]]]:
    return [(finding.fault, finding.boards) for finding in report.findings]


def test_boards_that_are_off_are_switched_on_and_their_switches_work(bench: SwitchedBench) -> None:
    bench.add("left", 1)
    bench.add("right", 2)
    report = bench.test()
    assert report.findings == ()
    assert [b.power.state for b in report.boards] == [SwitchState.WORKS] * 2


@pytest.mark.slow
def test_crossed_cables_of_boards_that_are_off_are_named(bench: SwitchedBench) -> None:
    bench.add("left", 2)
    bench.add("right", 1)
    report = bench.test()
    assert faults(report) == [(F.CROSSED_SUPPLIES, ("left", "right"))]


@pytest.mark.slow
@pytest.mark.parametrize("back_fed", [False, True], ids=["its contact sticks", "back-fed"])
def test_a_board_that_goes_on_is_named_with_both_causes(
    bench: SwitchedBench, back_fed: bool
) -> None:
    """A relay and a plug do not measure the board, so that the two cannot be told apart."""
    if back_fed:
        bench.add("left")
    else:
        stuck = bench.folder / "power3"
        stuck.write_text("on")
        bench.add("left", 1, 3)
    bench.add("right", 2)
    report = bench.test()
    assert faults(report) == [(F.DEAD_SWITCH, ("left",))]
    (finding,) = report.findings
    assert finding.message.startswith("switching left off did nothing: its agent went on")
    assert "does it cut the power?" in finding.remedy
    assert "something else feeds the board" in finding.remedy
    assert [b.power.state for b in report.boards] == [SwitchState.FAILS, SwitchState.WORKS]


@pytest.mark.slow
def test_two_boards_with_one_serial_number_are_named(bench: SwitchedBench) -> None:
    bench.add("left", 1, options=numbered(bench.folder, "A1"))
    bench.add("right", 2, options=numbered(bench.folder, "A1"))
    report = bench.test()
    assert faults(report) == [(F.SAME_SERIAL, ("left", "right"))]


@pytest.mark.slow
def test_an_echo_is_named_and_the_other_board_is_switched(bench: SwitchedBench) -> None:
    echo = bench.stack.enter_context(pty_that(lambda data: data))
    bench.add("right", 2)
    report = bench.test(left=echo)
    assert faults(report) == [(F.ECHO, ("left",))]
    assert report.boards[1].power.state is SwitchState.WORKS


@pytest.mark.slow
def test_a_wrong_rate_of_a_board_that_is_off_is_named(bench: SwitchedBench) -> None:
    board = bench.add("left", 1, options=("--baud", "921600"))
    board.cable.limit = termios.B4000000
    bench.add("right", 2)
    report = bench.test()
    assert faults(report) == [(F.WRONG_BAUD, ("left",))]
    assert report.findings[0].message == (
        "left answers at 921600 baud, and the bench file says 115200"
    )
    assert report.boards[1].power.state is SwitchState.WORKS
