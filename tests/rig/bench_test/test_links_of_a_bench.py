"""`hil bench test` without supplies: real agents behind ptys and cables with faults."""

from __future__ import annotations

import os
import subprocess
import sys
import termios
import threading
import tty
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from hil.clock import HOST
from hil.rig import low_latency
from hil.rig.backends.process import find_agent
from hil.rig.bench_test.bench_tester import BenchTester, boards_to_test
from hil.rig.bench_test.board_links import BoardUnderTest
from hil.rig.bench_test.duplicates import same_adapters, same_agents
from hil.rig.discovery.adapters import Adapter
from hil.rig.low_latency import SYSFS
from hil.scenario import load_bench
from hil.scenario.bench import BenchBoardConfig
from hil.scenario.bench_report import BenchFault, BenchTestReport
from hil.wire.messages import Hello
from tests.command_line import Hil
from tests.field.defective_line import agent_behind, telnet_server, whole

from ..cable import Cable
from ..test_process_board import until

F = BenchFault
Make = Callable[..., Path]


@contextmanager
def agent(*options: str) -> Iterator[str]:
    """The port of an agent on a pty of its own."""
    words = [str(find_agent()), "--port", "pty", "--exit-with-parent", *options]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().decode().split()[1]
        finally:
            process.kill()


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


@pytest.fixture
def bench(tmp_path: Path) -> Make:
    """Write a bench file with these boards: name, port, and further keys."""

    def write(*boards: tuple[str, str, str]) -> Path:
        file = tmp_path / "bench.yaml"
        entries = [f"  - {{name: {n}, port: '{p}'{', ' + k if k else ''}}}" for n, p, k in boards]
        file.write_text("\n".join(["schema: 1", "boards:", *entries, ""]))
        return file

    return write


def report_of(file: Path, sysfs: Path = SYSFS) -> BenchTestReport:
    return BenchTester(file, boards_to_test(load_bench(file), ()), {}, sysfs=sysfs).run()


def faults(report: BenchTestReport) -> list[tuple[BenchFault, tuple[str, ...]]]:
    return [(finding.fault, finding.boards) for finding in report.findings]


# --- what is measured -----------------------------------------------------------------------------


def test_a_healthy_bench_passes_with_a_row_for_each_board(
    hil: Hil, stack: ExitStack, bench: Make
) -> None:
    ports = [stack.enter_context(agent()) for _ in range(2)]
    file = bench(
        ("left", ports[0], ""), ("right", ports[1], ""), ("gone", "/dev/x", "absent: true")
    )
    done = hil("bench", "test", file, "--json")
    content = done.json
    assert (done.code, content["ok"], content["findings"]) == (0, True, [])
    assert [board["board"] for board in content["boards"]] == ["left", "right"]
    for board in content["boards"]:
        assert 0 < board["link"]["round_trip_median_ms"] <= board["link"]["round_trip_p99_ms"]
        assert board["agent"]["arch"] and board["agent"]["version"]
    text = hil("bench", "test", file, "--use", "right").out.splitlines()
    assert text[0].split()[:2] == ["board", "agent"]
    assert [line.split()[1] for line in text[1:-1]] == ["right"]
    assert text[-1] == "✔ PASS   1 board tested, no fault found"


@pytest.mark.slow
def test_the_highest_rate_is_that_at_which_no_frame_is_damaged(
    stack: ExitStack, bench: Make, tmp_path: Path
) -> None:
    cable = Cable(tmp_path, "line")
    stack.callback(cable.close)
    cable.limit = termios.B921600
    words = [str(find_agent()), "--port", str(cable.board.path), "--exit-with-parent"]
    process = stack.enter_context(subprocess.Popen(words, stdin=subprocess.DEVNULL))
    stack.callback(process.kill)
    until(lambda: cable.board.rate[0] == termios.B115200, "the agent to open its port")
    report = report_of(bench(("left", str(cable.host.path), "")))
    (board,) = report.boards
    assert report.ok and board.link is not None
    assert (board.baud, board.link.best_baud) == (115200, 921600)
    until(lambda: cable.board.rate[0] == termios.B115200, "the agent to be at its safe rate again")


def test_the_latency_timer_of_an_adapter_is_short_for_the_test_and_put_back(
    stack: ExitStack, bench: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = stack.enter_context(agent())
    timer = tmp_path / "sys/class/tty" / Path(port).name / "device/latency_timer"
    timer.parent.mkdir(parents=True)
    timer.write_text("16\n")
    report = report_of(bench(("left", port, "")), sysfs=tmp_path / "sys")
    link = report.boards[0].link
    assert report.ok and report.notes == () and link is not None and link.latency_timer_ms == 1
    assert timer.read_text() == "16\n"

    def forbid(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(low_latency, "_write", forbid)
    report = report_of(bench(("left", port, "")), sysfs=tmp_path / "sys")
    link = report.boards[0].link
    assert report.ok and link is not None and link.latency_timer_ms == 16
    (note,) = report.notes
    assert note.startswith("left: the latency timer of its adapter") and "udev" in note


# --- faults ---------------------------------------------------------------------------------------


@contextmanager
def pty_that(answers: Callable[[bytes], bytes]) -> Iterator[str]:
    """The name of a terminal on which something answers."""
    master, slave = os.openpty()
    tty.setraw(slave)

    def serve() -> None:
        with suppress(OSError):
            while data := os.read(master, 4096):
                os.write(master, answers(data))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield os.ttyname(slave)
    finally:
        os.close(slave)
        thread.join(10)
        os.close(master)


@pytest.mark.slow
def test_an_echo_is_named_and_the_others_are_tested(
    hil: Hil, stack: ExitStack, bench: Make
) -> None:
    echo, good = stack.enter_context(pty_that(lambda data: data)), stack.enter_context(agent())
    done = hil("bench", "test", bench(("left", echo, ""), ("right", good, "")))
    assert done.code == 1
    assert "left: the bytes that are sent come back: TX of the adapter leads to its own RX" in (
        done.out
    )
    lines = done.out.splitlines()
    assert lines[1].split()[:3] == ["✘", "left", "echo"]
    assert lines[2].startswith("✔ right")
    assert lines[-1] == "✘ FAIL   1 fault found on 2 boards"


@pytest.mark.slow
def test_a_console_that_echoes_is_no_crossed_cable(stack: ExitStack, bench: Make) -> None:
    port = stack.enter_context(pty_that(lambda data: data + b"\r\nraspberrypi login: "))
    report = report_of(bench(("left", port, "")))
    assert faults(report) == [(F.NO_ANSWER, ("left",))]
    assert "raspberrypi login:" in report.findings[0].message


@pytest.mark.slow
def test_a_wrong_rate_is_named_with_the_one_that_answers(
    stack: ExitStack, bench: Make, tmp_path: Path
) -> None:
    cable = Cable(tmp_path, "line")
    stack.callback(cable.close)
    cable.limit = termios.B4000000
    words = [str(find_agent()), "--port", str(cable.board.path), "--baud", "921600"]
    process = stack.enter_context(
        subprocess.Popen([*words, "--exit-with-parent"], stdin=subprocess.DEVNULL)
    )
    stack.callback(process.kill)
    until(lambda: cable.board.rate[0] == termios.B921600, "the agent to open its port")
    report = report_of(bench(("left", str(cable.host.path), "")))
    assert faults(report) == [(F.WRONG_BAUD, ("left",))]
    (finding,) = report.findings
    assert finding.message == "left answers at 921600 baud, and the bench file says 115200"
    assert "baud: 921600" in finding.remedy


def numbered(folder: Path, serial: str) -> tuple[str, str]:
    """Options of an agent whose board has this serial number."""
    root = folder / serial
    (root / "proc/device-tree").mkdir(parents=True, exist_ok=True)
    (root / "proc/device-tree/serial-number").write_text(f"{serial}\0")
    return "--sys-root", str(root)


def test_two_boards_with_one_serial_number_are_named(
    stack: ExitStack, bench: Make, tmp_path: Path
) -> None:
    ports = [stack.enter_context(agent(*numbered(tmp_path, number))) for number in ("A1", "A1")]
    report = report_of(bench(("left", ports[0], ""), ("right", ports[1], "")))
    assert faults(report) == [(F.SAME_SERIAL, ("left", "right"))]
    assert report.findings[0].message.startswith("left and right report one serial number, A1:")


def test_one_port_under_two_names_is_named(stack: ExitStack, bench: Make, tmp_path: Path) -> None:
    port = stack.enter_context(agent())
    (tmp_path / "alias").symlink_to(port)
    report = report_of(bench(("left", port, ""), ("right", str(tmp_path / "alias"), "")))
    assert faults(report) == [(F.SAME_BOARD, ("left", "right"))]
    assert "are one port" in report.findings[0].message


def under_test(name: str, **keys: str) -> BoardUnderTest:
    config = BenchBoardConfig.model_validate({"name": name, "port": f"/dev/{name}", **keys})
    return BoardUnderTest(config, 0, None, HOST)


def greeted(name: str, boot_id: int, uptime_us: int, serial: str = "") -> BoardUnderTest:
    board = under_test(name)
    board.hello = Hello(
        1, 64, 4, 4096, boot_id, uptime_us, frozenset(), 0, 0, "", "", "", "", serial
    )
    return board


def test_one_agent_behind_two_ports_is_known_by_its_start_not_by_its_boot_id_alone() -> None:
    """Boards without a source of random numbers have one boot id for all starts."""
    heard = {"a": 10_000_000, "b": 10_500_000}
    one = same_agents([greeted("a", 7, 5_000_000), greeted("b", 7, 5_500_000)], heard)
    assert [finding.boards for finding in one] == [("a", "b")]
    assert "a and b are one board" in one[0].message
    assert same_agents([greeted("a", 7, 5_000_000), greeted("b", 7, 9_000_000)], heard) == []
    assert same_agents([greeted("a", 7, 5_000_000), greeted("b", 8, 5_500_000)], heard) == []


def test_adapters_with_one_serial_number_are_found_where_the_bench_file_relies_on_it() -> None:
    def adapter(device: str, serial: str, location: str, same: int) -> Adapter:
        return Adapter(device, device, serial, location, same_serial=same)

    here = [
        adapter("/dev/ttyUSB0", "A50285BI", "1-1.2", 2),
        adapter("/dev/ttyUSB1", "A50285BI", "1-1.3", 2),
        adapter("/dev/ttyUSB2", "B7", "1-1.4", 1),
    ]
    boards = [
        under_test("left", adapter="usb-serial:A50285BI"),
        under_test("middle", adapter="usb-path:1-1.3"),
        under_test("right", adapter="usb-serial:B7"),
    ]
    (finding,) = same_adapters(boards, here)
    assert finding.boards == ("left",) and "serial number A50285BI" in finding.message


def test_another_board_than_in_the_file_is_named_by_its_own_name(
    stack: ExitStack, bench: Make, tmp_path: Path
) -> None:
    ports = [stack.enter_context(agent(*numbered(tmp_path, number))) for number in ("A1", "B2")]
    report = report_of(bench(("left", ports[1], "serial: A1"), ("right", ports[0], "serial: B2")))
    assert faults(report) == [(F.OTHER_BOARD, ("left",)), (F.OTHER_BOARD, ("right",))]
    assert report.findings[0].message == ("left: the board right answers there (serial number B2)")


def test_a_line_that_changes_bytes_is_named(stack: ExitStack, bench: Make) -> None:
    port = stack.enter_context(agent_behind(telnet_server, whole))
    report = report_of(bench(("left", port, "")))
    assert faults(report) == [(F.LINE, ("left",))]
    assert "telnet mode" in report.findings[0].message


@pytest.mark.slow
def test_a_port_that_is_not_there_and_one_where_nothing_answers_are_told_apart(
    stack: ExitStack, bench: Make
) -> None:
    quiet = stack.enter_context(pty_that(lambda _: b""))
    report = report_of(bench(("left", "/dev/not-there", ""), ("right", quiet, "")))
    assert faults(report) == [(F.UNREACHABLE, ("left",)), (F.NO_ANSWER, ("right",))]
    assert "does not exist" in report.findings[0].message
    assert "nothing answers" in report.findings[1].message


# --- what is refused ------------------------------------------------------------------------------

HOLDER = (
    "import sys, serial; p = serial.Serial(sys.argv[1], exclusive=True); print(flush=True); "
    "sys.stdin.read()"
)


def test_a_bench_that_another_program_uses_is_refused(
    hil: Hil, stack: ExitStack, bench: Make
) -> None:
    ports = [stack.enter_context(agent()) for _ in range(2)]
    words = [sys.executable, "-c", HOLDER, ports[1]]
    holder = stack.enter_context(
        subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    )
    stack.callback(holder.kill)
    assert holder.stdout is not None
    holder.stdout.readline()
    file = bench(("left", ports[0], ""), ("right", ports[1], ""))
    done = hil("bench", "test", file)
    assert done.code == 3 and f"port {ports[1]} is in use" in done.err
    assert done.out == ""
    assert hil("bench", "test", file, "--use", "left").code == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--use", "nobody"), "the bench has no board, tag or profile `nobody`; it has left"),
        ((), "all boards of the bench are marked absent"),
    ],
)
def test_boards_that_are_not_there_are_refused(
    hil: Hil, bench: Make, words: Sequence[str], message: str
) -> None:
    done = hil("bench", "test", bench(("left", "/dev/x", "absent: true")), *words)
    assert done.code == 2 and message in done.err
