"""`hil bench test` with power: a simulated supply whose outputs really start and kill agents."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from hil.errors import SetupError
from hil.rig.backends.process import find_agent
from hil.rig.bench_test.bench_tester import BenchTester, boards_to_test, switched_boards
from hil.rig.bench_test.bench_update import update_bench
from hil.rig.bench_test.power_cycle import CyclePatience, PowerCycle
from hil.rig.bench_test.power_findings import power_findings
from hil.rig.power import PowerReading
from hil.rig.power.bench_supplies import BenchSupplies
from hil.scenario import load_bench
from hil.scenario.bench_report import (
    BenchFault,
    BenchTestReport,
    BoardReport,
    LinkFigures,
    SupplyFigures,
    SwitchState,
)
from tests.command_line import Hil
from tests.waiting import wait_until

from ..supplies.running import RunningSupply, running_supply

pytest.importorskip("pyvisa_py", reason="pyvisa-py is not installed")

F = BenchFault
NAMES = ("left", "middle", "right")
QUICK = CyclePatience(
    hold_up_us=200_000, hold_up_max_us=1_500_000, silence_us=600_000, boot_us=20_000_000
)
"""The simulated boards have no capacitors."""


@dataclass
class FedBench:
    """A bench file with three boards, each on an output of one simulated supply."""

    file: Path
    supply: RunningSupply

    def test(self, *use: str, patience: CyclePatience = QUICK) -> BenchTestReport:
        bench = load_bench(self.file)
        boards = boards_to_test(bench, use)
        with BenchSupplies(bench) as supplies:
            powers = {name: supplies.power(name) for name in switched_boards(boards)}
            return BenchTester(self.file, boards, powers, patience=patience).run()

    def switched(self) -> list[tuple[str, str]]:
        """All switching of outputs, in its order: ("1", "OFF")."""
        lines = [line.split()[1:] for line in self.supply.log.read_text().splitlines()]
        return [(line[1], line[2]) for line in lines if line[0] == "OUTP"]

    def off_now(self) -> set[str]:
        """The outputs whose last switching was off."""
        return {output for output, state in dict(self.switched()).items() if state == "OFF"}


@contextmanager
def fed_bench(
    folder: Path, feeds: str = "123", *options: str, keys: Sequence[str] = ("", "", "")
) -> Iterator[FedBench]:
    """`feeds`: the board that each output feeds; `keys`: further keys of each board."""
    links = ",".join(str(folder / f"b{number}") for number in feeds)
    words = ("--feeds", links, "--agent", str(find_agent()), *options)
    with running_supply(folder, *words) as supply:
        entries = [
            f"  - {{name: {name}, port: {folder}/b{n}{key}, power: {{kind: scpi, off_s: 0.1, "
            f'resource: "{supply.resource}", channel: {n}}}}}'
            for n, (name, key) in enumerate(zip(NAMES, keys, strict=True), 1)
        ]
        file = folder / "bench.yaml"
        file.write_text("\n".join(["schema: 1", "boards:", *entries, ""]))
        yield FedBench(file, supply)


@pytest.fixture
def bench(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[FedBench]:
    with fed_bench(tmp_path, *getattr(request, "param", ())) as made:
        yield made


def faults(report: BenchTestReport) -> list[tuple[BenchFault, tuple[str, ...]]]:
    return [(finding.fault, finding.boards) for finding in report.findings]


# --- a healthy bench ------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("bench", [("123", "--boot", "1.0")], indirect=True)
def test_a_healthy_bench_passes_with_boot_time_and_current(hil: Hil, bench: FedBench) -> None:
    done = hil("bench", "test", bench.file, "--yes", "--json")
    content = done.json
    assert (done.code, content["findings"]) == (0, [])
    for board in content["boards"]:
        power = board["power"]
        assert power["state"] == "works" and 1.0 <= power["boot_s"] < 10
        assert (power["idle_v"], power["idle_a"]) == (5.1, 0.6)
        assert (power["off_v"], power["off_a"]) == (0.0, 0.0)
    assert bench.switched() == [(output, state) for output in "123" for state in ("OFF", "ON")], (
        "one after the other, each once"
    )


@pytest.mark.slow
def test_the_table_shows_what_was_measured(hil: Hil, bench: FedBench) -> None:
    done = hil("bench", "test", bench.file, "--yes", "--use", "middle")
    heading, row, *_, result = done.out.splitlines()
    assert heading.split()[-3:] == ["idle", "power", "boot"]
    assert row.startswith("✔ middle") and " 0.60 A  works " in row and row.endswith(" s")
    assert result == "✔ PASS   1 board tested, no fault found"
    assert bench.switched() == [("2", "OFF"), ("2", "ON")]


def test_boards_without_a_supply_are_tested_for_their_link_alone(hil: Hil, bench: FedBench) -> None:
    text = bench.file.read_text().splitlines()
    kinds = ("{kind: manual}", "{kind: mock}")
    for number, kind in enumerate(kinds, 2):
        text[number] = text[number].partition("power:")[0] + f"power: {kind}}}"
    text[4] = text[4].partition(", power:")[0] + "}"
    bench.file.write_text("\n".join(text))
    done = hil("bench", "test", bench.file, "--json")
    states = [board["power"]["state"] for board in done.json["boards"]]
    assert (done.code, states) == (0, ["manual", "mock", "none"])
    assert bench.switched() == []


@pytest.mark.slow
def test_an_output_that_was_off_is_on_for_the_test_and_off_again(bench: FedBench) -> None:
    with BenchSupplies(load_bench(bench.file)) as supplies:
        supplies.power("middle").off()
    report = bench.test()
    assert report.ok and [b.power.state for b in report.boards] == [SwitchState.WORKS] * 3
    assert bench.off_now() == {"2"}


# --- what is written ------------------------------------------------------------------------------


@pytest.mark.parametrize("bench", [("123", "--boot", "1.2")], indirect=True)
@pytest.mark.slow
def test_boot_times_are_written_and_the_rest_of_the_file_stays(hil: Hil, bench: FedBench) -> None:
    with bench.file.open("a") as file:
        file.write("# my bench\n")
    before = bench.file.read_text()
    bench.supply.order("stuck 3")
    done = hil("bench", "test", bench.file, "--yes", "--write", "--use", "left,right", "--json")
    content = done.json
    assert done.code == 1 and [f["fault"] for f in content["findings"]] == ["dead-switch"]
    boot_s = load_bench(bench.file).boards[0].boot_s
    assert boot_s is not None and 2 <= boot_s < 10
    assert content["changes"] == [
        {"board": "left", "kind": "boot_s", "detail": f"{boot_s:g}, was not set"}
    ]
    after = bench.file.read_text().replace(f"name: left, boot_s: {boot_s:g},", "name: left,")
    assert after == before, "the faulty board, too, stays as it was"


@pytest.mark.slow
def test_a_file_that_cannot_be_written_costs_no_measures(hil: Hil, bench: FedBench) -> None:
    process = hil.start("bench", "test", bench.file, "--yes", "--use", "left", "--write")
    wait_until(lambda: ("1", "OFF") in bench.switched(), 30.0)
    bench.file.unlink()
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 3 and "✔ left" in out and "not written: cannot read" in out


def row(board: str, best: int | None, boot_s: float | None = None) -> BoardReport:
    link = LinkFigures(1.0, 2.0, 0, best, None)
    power = SupplyFigures(SwitchState.WORKS, boot_s=boot_s)
    return BoardReport(board, "/dev/x", 115200, None, link, power)


BY_HAND = """\
schema: 1
boards:            # as they lie on the table
  - {name: left, port: /dev/ttyUSB0}   # no rate yet
  - name: middle   # too fast
    port: /dev/ttyUSB1
    fast_baud: 3000000
  - {name: right, port: "socket://10.0.0.5:4000", boot_s: 30}
"""


def test_rates_are_written_where_they_are_known(tmp_path: Path) -> None:
    file = tmp_path / "bench.yaml"
    file.write_bytes(BY_HAND.replace("\n", "\r\n").encode())
    rows = (row("left", 921600, 4.1), row("middle", 115200), row("right", None, 20.0))
    changes = update_bench(file, BenchTestReport(str(file), rows, (), ()))
    assert [(c.board, c.kind, c.detail) for c in changes] == [
        ("left", "boot_s", "7, was not set"),
        ("left", "fast_baud", "921600, was not set"),
        ("middle", "fast_baud", "115200, was 3000000"),
    ]
    expected = BY_HAND.replace("3000000", "115200").replace(
        "{name: left,", "{name: left, fast_baud: 921600, boot_s: 7,"
    )
    assert file.read_bytes() == expected.replace("\n", "\r\n").encode()
    assert update_bench(file, BenchTestReport(str(file), rows, (), ())) == ()


# --- faults ---------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("bench", [("213",)], indirect=True)
def test_crossed_supply_cables_are_named_once(bench: FedBench) -> None:
    report = bench.test()
    assert faults(report) == [(F.CROSSED_SUPPLIES, ("left", "middle"))]
    assert report.findings[0].message.startswith("the supply cables of left and middle are crossed")
    assert [b.power.state for b in report.boards] == [
        SwitchState.FAILS,
        SwitchState.FAILS,
        SwitchState.WORKS,
    ]
    assert bench.off_now() == set()


@pytest.mark.parametrize("bench", [("231",)], indirect=True)
@pytest.mark.slow
def test_supply_cables_that_are_exchanged_in_a_circle_are_each_named(bench: FedBench) -> None:
    report = bench.test()
    assert faults(report) == [
        (F.CROSSED_SUPPLIES, ("left", "middle")),
        (F.CROSSED_SUPPLIES, ("middle", "right")),
        (F.CROSSED_SUPPLIES, ("right", "left")),
    ]
    assert bench.off_now() == set()


@pytest.mark.slow
def test_a_switch_that_does_nothing_is_known_by_what_its_supply_reads(bench: FedBench) -> None:
    bench.supply.order("stuck 2")
    report = bench.test()
    assert faults(report) == [(F.DEAD_SWITCH, ("middle",))]
    message = report.findings[0].message
    assert message.startswith("switching middle off did nothing: its agent went on")
    assert message.endswith("output 2 still gives 5.10 V, 0.60 A")
    assert [b.power.state for b in report.boards] == [
        SwitchState.WORKS,
        SwitchState.FAILS,
        SwitchState.WORKS,
    ]


@pytest.mark.slow
def test_a_back_fed_board_is_known_by_what_its_supply_reads(bench: FedBench) -> None:
    bench.supply.order("backfed 3")
    report = bench.test()
    assert faults(report) == [(F.BACK_FED, ("right",))]
    message = report.findings[0].message
    assert message.startswith("right is back-fed: ")
    assert "output 3 was off (0.00 V, 0.00 A), and the board's agent went on" in message


def test_a_board_that_is_on_another_feed_altogether_is_named(bench: FedBench) -> None:
    bench.supply.order("backfed 1", "load 1 0.0")
    report = bench.test("left")
    assert faults(report) == [(F.BACK_FED, ("left",))]
    assert "gives 0.00 A even while it is on" in report.findings[0].message


LYING_HUB = """#!/bin/sh
echo "Current status for hub 1-1 [2109:2817]"
echo "  Port 2: 0103 power enable connect [0403:6001]"
echo "Sent power off request"
echo "New status for hub 1-1 [2109:2817]"
echo "  Port 2: 0103 power enable connect"
"""


def test_a_hub_that_does_not_switch_is_named_and_its_board_stays_on(
    bench: FedBench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "uhubctl").write_text(LYING_HUB)
    (tmp_path / "uhubctl").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    text = bench.file.read_text().splitlines()
    text[2] = text[2].partition("power:")[0] + 'power: {kind: usbhub, hub: "1-1", port: 2}}'
    bench.file.write_text("\n".join(text))
    report = bench.test("left")
    assert faults(report) == [(F.DEAD_SWITCH, ("left",))]
    assert "uhubctl says `Port 2: 0103 power enable connect` after it was switched off" in (
        report.findings[0].message
    )


@pytest.mark.slow
@pytest.mark.parametrize("measures", [True, False])
def test_a_command_that_switches_nothing_is_named(bench: FedBench, measures: bool) -> None:
    read = 'read: "echo 5.1 0.6", ' if measures else ""
    text = bench.file.read_text().splitlines()
    text[2] = text[2].partition("power:")[0] + (
        f'power: {{kind: command, {read}on: "true", off: "true"}}}}'
    )
    bench.file.write_text("\n".join(text))
    report = bench.test("left")
    assert faults(report) == [(F.DEAD_SWITCH, ("left",))]
    told = "still gives 5.10 V, 0.60 A" if measures else "which measures nothing"
    assert told in report.findings[0].message


# --- what the observations mean -------------------------------------------------------------------

ON, OFF = PowerReading(5.1, 0.6), PowerReading(0.0, 0.0)


def cycle(board: str, *, cut: bool = True, off: PowerReading = OFF, **more: Any) -> PowerCycle:
    made = PowerCycle(board, f"supply of {board}", ON, off, off.amps != 0.0, cut)
    return replace(made, **more)


@pytest.mark.parametrize(
    ("cycles", "fault", "boards"),
    [
        ([cycle("a", restarted=("b",))], F.SHARED_SUPPLY, ("a", "b")),
        ([cycle("a", unlinked=("b",))], F.SHARED_SUPPLY, ("a", "b")),
        ([cycle("a", off=ON)], F.FALSE_READING, ("a",)),
        ([cycle("a", missing=("a",))], F.NO_RETURN, ("a",)),
        ([cycle("a", cut=False, restarted=("b",))], F.CROSSED_SUPPLIES, ("a", "b")),
        ([cycle("a", cut=False, off=PowerReading(1.4, 0.0))], F.BACK_FED, ("a",)),
        ([cycle("a", cut=False, off=PowerReading(0.1, None))], F.BACK_FED, ("a",)),
        ([cycle("a", cut=False, off=PowerReading(None, None))], F.DEAD_SWITCH, ("a",)),
    ],
)
def test_each_observation_is_one_fault_of_these_boards(
    cycles: list[PowerCycle], fault: BenchFault, boards: tuple[str, ...]
) -> None:
    (finding,) = power_findings(cycles, (), 120.0)
    assert (finding.fault, finding.boards) == (fault, boards)
    assert finding.message and finding.remedy


def test_boards_known_by_their_serial_numbers_leave_no_doubt_about_data_cables() -> None:
    cycles = [
        cycle("a", cut=False, restarted=("b",)),
        cycle("b", cut=False, restarted=("a",)),
    ]
    (sure,) = power_findings(cycles, ("a", "b"), 120.0)
    (unsure,) = power_findings(cycles, ("a",), 120.0)
    assert "data cables" in unsure.message and "data cables" not in sure.message
    assert power_findings([cycle("a"), cycle("b")], (), 120.0) == []


# --- it fails safe --------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_test_leaves_all_outputs_on(
    hil: Hil, bench: FedBench, number: signal.Signals
) -> None:
    process = hil.start("bench", "test", bench.file, "--yes")
    wait_until(lambda: ("1", "OFF") in bench.switched(), 30.0)
    process.send_signal(number)
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert bench.off_now() == set() and "Traceback" not in out + err


@pytest.mark.slow
def test_a_supply_that_fails_while_a_board_is_off_gets_it_switched_on_in_the_end(
    bench: FedBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    with BenchSupplies(load_bench(bench.file)) as supplies:
        power = supplies.power("left")
        right_on, calls = power.on, list[int]()

        def on() -> None:
            calls.append(1)
            if len(calls) < 3:
                raise SetupError("node left: the supply is sulking", remedy="wait")
            right_on()

        monkeypatch.setattr(power, "on", on)
        boards = boards_to_test(load_bench(bench.file), ("left", "middle"))
        powers = {name: supplies.power(name) for name in ("left", "middle")}
        report = BenchTester(bench.file, boards, powers, patience=QUICK).run()
    assert (F.SUPPLY, ("left",)) in faults(report)
    assert len(calls) == 3 and bench.off_now() == set()


@pytest.mark.slow
def test_an_output_that_stays_off_is_said_loudly(
    bench: FedBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    with BenchSupplies(load_bench(bench.file)) as supplies:
        power = supplies.power("left")

        def on() -> None:
            raise SetupError("node left: the supply is dead", remedy="wait")

        monkeypatch.setattr(power, "on", on)
        boards = boards_to_test(load_bench(bench.file), ("left",))
        report = BenchTester(bench.file, boards, {"left": power}, said.append, patience=QUICK).run()
    told = "left: its power could not be switched back: node left: the supply is dead"
    assert any(line.startswith(told) for line in said)
    assert any(finding.message == told for finding in report.findings)


def test_a_board_that_does_not_come_up_ends_the_switching(bench: FedBench) -> None:
    """Whatever keeps it down would keep the next one down, too."""
    bench.supply.order("fragile 1")
    report = bench.test(patience=replace(QUICK, boot_us=300_000))
    assert faults(report) == [(F.NO_RETURN, ("left",))]
    assert bench.switched() == [("1", "OFF"), ("1", "ON")]
    assert [b.power.state for b in report.boards[1:]] == [SwitchState.NOT_TESTED] * 2


HOLDER = (
    "import sys, serial; p = serial.Serial(sys.argv[1], exclusive=True); print(flush=True); "
    "sys.stdin.read()"
)


def test_nothing_is_switched_while_another_program_uses_a_board(
    hil: Hil, bench: FedBench, tmp_path: Path
) -> None:
    words = [sys.executable, "-c", HOLDER, str(tmp_path / "b3")]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        done = hil("bench", "test", bench.file, "--yes")
        holder.kill()
    assert done.code == 3 and "is in use by" in done.err
    assert bench.switched() == []


def test_nothing_is_switched_unasked(hil: Hil, bench: FedBench) -> None:
    done = hil("bench", "test", bench.file)
    assert done.code == 2 and "switches the power of left, middle, right" in done.err
    assert hil("bench", "test", bench.file, "--no-power", "--json").code == 0
    assert bench.switched() == []


@pytest.mark.slow
def test_two_tests_of_different_boards_at_once_switch_their_own_outputs_only(
    hil: Hil, bench: FedBench
) -> None:
    both = [
        hil.start("bench", "test", bench.file, "--yes", "--json", "--use", name)
        for name in ("left", "right")
    ]
    outs = [process.communicate(timeout=60) for process in both]
    assert [json.loads(out)["ok"] for out, _ in outs] == [True, True], outs
    assert sorted(bench.switched()) == [("1", "OFF"), ("1", "ON"), ("3", "OFF"), ("3", "ON")]
