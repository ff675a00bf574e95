"""Bench supplies as processes on real sockets: their transactions, faults and dialects."""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from hil.errors import SetupError, UsageError
from hil.rig.power import PowerEvent, PowerMonitor
from hil.rig.power.bench_supplies import BenchSupplies
from hil.rig.power.resource_lock import InstrumentBusy, ResourceLock
from hil.rig.power.visa_session import VisaSession
from hil.scenario import parse_bench
from hil.scenario.visa_names import canonical_resource
from tests.waiting import wait_until

from .supplies.running import RunningSupply, running_supply

pytest.importorskip("pyvisa_py", reason="pyvisa-py is not installed")


@pytest.fixture
def supply(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[RunningSupply]:
    with running_supply(tmp_path, *getattr(request, "param", ())) as running:
        yield running


@pytest.fixture
def powers() -> Iterator[Any]:
    """Makes instruments that are closed at the end."""
    with ExitStack() as stack:

        def make(running: RunningSupply, *args: Any, **data: Any) -> Any:
            power = running.power(*args, **data)
            stack.callback(power.close)
            return power

        yield make


# --- transactions ---------------------------------------------------------------------------------

QUERIED = ("--dialect", "scpi")
NOT_QUERIED = ("--dialect", "no-nsel-query")


@pytest.mark.parametrize("supply", [QUERIED, NOT_QUERIED], indirect=True)
def test_no_command_reaches_an_output_of_another_node(supply: RunningSupply, powers: Any) -> None:
    nodes = [
        powers(supply, name, channel, voltage_v=volts, current_limit_a=3.0)
        for name, channel, volts in (("jetson", 1, 19.0), ("pi-1", 2, 5.1), ("pi-2", 3, 5.1))
    ]
    nodes[0].off()
    monitor = PowerMonitor(nodes, period_s=0.001)
    monitor.check()
    monitor.start()
    for _ in range(40):
        nodes[0].cycle()
    monitor.close()
    assert len(supply.reached(1, "OUTP")) == 81
    assert {tuple(line[:3]) for line in supply.reached(1, "VOLT")} == {("VOLT", "1", "19.0")}
    assert supply.reached(2) == supply.reached(3) == []
    assert not [event.error for event in monitor.take() if event.error]
    # A question that was not answered costs one connection, so that no late answer is read.
    assert supply.log.read_text().count(" connection ") <= 2


RACER = """
import sys
from hil.rig.power import PowerMonitor, make
from hil.scenario.supply import SupplyConfig
resource, channel, cycles = sys.argv[1], int(sys.argv[2]), int(sys.argv[4])
volts = float(sys.argv[3])
def power(name, channel, volts):
    return make(name, SupplyConfig(kind="scpi", resource=resource, channel=channel, voltage_v=volts,
                                   current_limit_a=3.0, off_s=0.0, timeout_s=60))
own, third = power("own", channel, volts), power("third", 3, 5.1)
own.off()
monitor = PowerMonitor([own, third], period_s=0.001)
monitor.start()
for _ in range(cycles):
    own.cycle()
monitor.close()
# On a busy computer a process may wait for its turn for longer than a measurement may take.
waited = ("its time is over", "in use by ", "no measurement for ")
errors = [event.error for event in monitor.take() if event.error]
errors = [error for error in errors if not any(words in error for words in waited)]
own.close(); third.close()
sys.exit("; ".join(errors) or 0)
"""


def race(supply: RunningSupply, cycles: int, host: str = "127.0.0.1") -> None:
    """Two processes, each with a node of its own and one that both monitor. `host`: the name by
    which one of them knows the instrument's host."""
    other = supply.resource.replace("127.0.0.1", host)
    with contextlib.ExitStack() as stack:
        racers: list[subprocess.Popen[str]] = []
        for resource, channel, volts in ((supply.resource, "1", "19.0"), (other, "2", "5.1")):
            words = [sys.executable, "-c", RACER, resource, channel, volts, str(cycles)]
            process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
            racers.append(stack.enter_context(process))
            stack.callback(process.kill)
        for racer in racers:
            _, stderr = racer.communicate(timeout=1000)
            assert racer.returncode == 0, stderr
    for output, volts in ((1, "19.0"), (2, "5.1")):
        assert {line[2] for line in supply.reached(output, "VOLT")} == {volts}
        assert len(supply.reached(output, "OUTP")) == 2 * cycles + 1
        by = {line[-1] for line in supply.reached(output)}
        assert len(by) == 1, "each output was switched by the process of its own node"
    assert supply.reached(3) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "supply", [QUERIED, pytest.param(NOT_QUERIED, marks=pytest.mark.slow)], indirect=True
)
def test_two_processes_do_not_reach_each_other_s_outputs(supply: RunningSupply) -> None:
    race(supply, 8)


@pytest.mark.slow
@pytest.mark.parametrize("supply", [QUERIED], indirect=True)
def test_two_processes_may_know_an_instrument_by_two_names(supply: RunningSupply) -> None:
    race(supply, 8, "localhost")


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("supply", [QUERIED, NOT_QUERIED], indirect=True)
def test_hundreds_of_cycles_of_two_processes_reach_no_other_output(supply: RunningSupply) -> None:
    race(supply, 200)


@pytest.mark.parametrize("supply", [QUERIED], indirect=True)
def test_another_selection_than_asked_for_writes_nothing(
    supply: RunningSupply, powers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody turns the knob of its panel between the selection and the command."""
    power = powers(supply, "jetson", 1, voltage_v=19.0)
    power.off()
    real = VisaSession.write

    def write(session: VisaSession, command: str) -> None:
        real(session, command)
        if command == "INST:NSEL 1":
            real(session, "INST:NSEL 2")

    monkeypatch.setattr(VisaSession, "write", write)
    with pytest.raises(SetupError, match=r"has output 2 selected after it was selected, not 1"):
        power.on()
    assert supply.reached(2) == [] and len(supply.reached(1)) == 1


@pytest.mark.parametrize("supply", [("--dialect", "single")], indirect=True)
def test_a_supply_without_selection_has_output_1_and_no_other(
    supply: RunningSupply, powers: Any
) -> None:
    first, second = powers(supply, "a", 1, current_limit_a=2.0), powers(supply, "b", 2)
    with pytest.raises(SetupError, match=r"does not select output 2: -113.*nothing was written"):
        second.off()
    first.off()
    first.on()
    assert [line[1:3] for line in supply.reached(1, "OUTP")] == [["1", "OFF"], ["1", "ON"]]
    assert first._transact(lambda output: output.error_text()) == "", "its queue stays empty"


def test_an_instrument_that_another_process_uses_is_waited_for_and_named(
    supply: RunningSupply, powers: Any
) -> None:
    power = powers(supply, "a", 1, timeout_s=0.5)
    lock = ResourceLock(canonical_resource(supply.resource))
    lock.acquire(lambda: 1.0)
    with pytest.raises(SetupError, match=rf"in use by .*\(pid {os.getpid()}, user "):
        power.off()
    threading.Timer(0.2, lambda: lock.release(complete=True)).start()
    power.off()
    assert len(supply.reached(1)) == 1


def test_an_instrument_that_another_process_has_by_another_name_is_known_by_its_serial_number(
    tmp_path: Path, powers: Any
) -> None:
    """As by LAN and by USB."""
    lock = ResourceLock("ACME,TRIPLE,MY124")
    lock.acquire(lambda: 1.0)
    with running_supply(tmp_path, "--idn", "ACME, TRIPLE,MY124,1.0") as supply:
        power = powers(supply, "a", 1, timeout_s=0.5)
        with pytest.raises(SetupError, match=rf"in use by .*\(pid {os.getpid()}, user "):
            power.off()
        assert supply.reached(1) == []
        lock.release(complete=True)
        power.off()
        assert lock.acquire(lambda: 1.0), "it is free between two transactions"
        assert len(supply.reached(1)) == 1
    lock.release(complete=True)
    lock.path.unlink()


def test_a_lock_file_may_be_locked_by_everybody(tmp_path: Path) -> None:
    old = os.umask(0o077)
    try:
        lock = ResourceLock(f"TCPIP0::{tmp_path.name}::{time.time_ns()}::SOCKET")
        assert lock.acquire(lambda: 1.0)
    finally:
        os.umask(old)
    assert lock.path.stat().st_mode & 0o777 == 0o666
    lock.release(complete=False)
    assert not lock.acquire(lambda: 1.0), "what another process has given up is known"
    lock.release(complete=True)
    with lock.path.open() as reader:  # a user who may only read it
        fcntl.flock(reader, fcntl.LOCK_EX | fcntl.LOCK_NB)
    lock.path.unlink()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_another_user_waits_for_the_instrument_and_may_lock_it() -> None:
    name = f"TCPIP0::{time.time_ns()}::SOCKET"
    lock = ResourceLock(name)
    lock.acquire(lambda: 1.0)
    child = os.fork()
    if not child:  # what it imports is loaded already: it may not read this user's files
        code = 1
        with contextlib.suppress(BaseException):
            os.close(lock._fd)  # the copy that a fork has of it would keep it locked
            os.setgid(65534)
            os.setuid(65534)
            theirs, end_s = ResourceLock(name), time.monotonic() + 10
            try:
                theirs.acquire(lambda: -1.0)
            except InstrumentBusy as error:
                if f"(pid {os.getppid()}, user " in str(error):
                    theirs.acquire(lambda: end_s - time.monotonic())
                    theirs.release(complete=True)
                    code = 0
        os._exit(code)
    time.sleep(0.2)
    lock.release(complete=True)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert lock.acquire(lambda: 1.0)
    lock.release(complete=True)
    lock.path.unlink()


def test_two_names_of_one_instrument_are_one() -> None:
    names = ("TCPIP::10.0.0.9::INSTR", "tcpip0::10.0.0.9::inst0::instr", "TCPIP0::10.0.0.9")
    assert len({canonical_resource(name) for name in names}) == 1
    usb = ("USB::0x2A8D::0x3402::MY1::INSTR", "USB0::10893::13314::MY1::0::INSTR")
    assert len({canonical_resource(name) for name in usb}) == 1
    other = ("TCPIP::a::5025::SOCKET", "TCPIP::a::5026::SOCKET", "GPIB0::5::INSTR", "GPIB1::5")
    assert len({canonical_resource(name) for name in other}) == 4


def test_one_instrument_by_two_connections_is_refused_by_its_serial_number(
    tmp_path: Path, powers: Any
) -> None:
    idn = ("--idn", "ACME,TRIPLE,MY123,1.0")
    with (
        running_supply(tmp_path, *idn, name="lan") as lan,
        running_supply(tmp_path, *idn, name="usb") as usb,
    ):
        powers(lan, "a", 1).check()
        with pytest.raises(SetupError, match=r"is the instrument that .* names, too .*MY123"):
            powers(usb, "b", 2).off()
        assert usb.reached(2) == []


# --- faults of one harm no other ------------------------------------------------------------------


def heard(monitor: PowerMonitor, seen: list[PowerEvent]) -> bool:
    """Add the events since the last call to those seen."""
    seen += monitor.take()
    return True


def cut_within_a_second(
    supply: RunningSupply, monitor: PowerMonitor, node: str, seen: list[PowerEvent]
) -> None:
    supply.order("latch 1")
    latched_s = supply.time_of("ORDER", "latch", "1")
    wait_until(lambda: supply.reached(1, "OUTP"), 3.0)
    assert supply.time_of("OUTP", "1", "OFF") - latched_s <= 1.0
    wait_until(lambda: heard(monitor, seen) and [e for e in seen if e.cut and e.node == node], 1.0)


FAULTS = {
    "hangs": lambda supply: supply.order("hang 60"),
    "answers garbage": lambda supply: supply.order("wrong 1"),
    "measures nothing": lambda supply: supply.order("nan 1"),
    "is unplugged": lambda supply: supply.unplug(),
}


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_a_latch_up_is_cut_within_a_second_while_another_supply(
    fault: str, tmp_path: Path, powers: Any
) -> None:
    with (
        running_supply(tmp_path, name="sick") as sick,
        running_supply(tmp_path, name="one") as one,
        running_supply(tmp_path, *NOT_QUERIED, name="two") as two,
    ):
        nodes = [
            powers(supply, name, 1, voltage_v=5.1, current_limit_a=3.0)
            for name, supply in (("sick", sick), ("one", one), ("two", two))
        ]
        monitor = PowerMonitor(nodes)
        monitor.check()
        monitor.start()
        try:
            began_s = time.monotonic()
            FAULTS[fault](sick)
            seen: list[PowerEvent] = []
            cut_within_a_second(one, monitor, "one", seen)
            lost = "over-current protection lost on node sick"
            wait_until(lambda: heard(monitor, seen) and any(lost in e.error for e in seen), 4)
            assert time.monotonic() - began_s < 4.0
            cut_within_a_second(two, monitor, "two", seen)
        finally:
            closed_s = time.monotonic()
            monitor.close()
            assert time.monotonic() - closed_s < 5.0
    assert "hil power" not in {thread.name for thread in threading.enumerate()}


def test_a_failure_is_one_error_whatever_its_reasons_are(
    supply: RunningSupply, powers: Any
) -> None:
    monitor = PowerMonitor([powers(supply, "a", 1, current_limit_a=3.0)])
    monitor.check()
    monitor.start()
    seen: list[PowerEvent] = []
    supply.order("nan 1")
    wait_until(lambda: heard(monitor, seen) and any(e.error for e in seen))
    supply.order("wrong 1")
    wait_until(lambda: heard(monitor, seen) and any("expected a number" in e.note for e in seen))
    monitor.close()
    assert len([e for e in seen if e.error]) == len([e for e in seen if e.note]) == 1


def test_protection_that_works_again_is_reported(supply: RunningSupply, powers: Any) -> None:
    monitor = PowerMonitor([powers(supply, "a", 1, current_limit_a=3.0)])
    monitor.start()
    seen: list[PowerEvent] = []
    supply.order("nan 1")
    wait_until(lambda: heard(monitor, seen) and any(e.error for e in seen))
    supply.order("nan 0")
    wait_until(lambda: heard(monitor, seen) and any(e.note for e in seen))
    monitor.close()
    assert [e.note for e in seen if e.note] == ["over-current protection works again on node a"]


def test_a_call_ends_in_its_time_although_pyvisa_hangs(
    supply: RunningSupply, powers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    power, real = powers(supply, "a", 1, timeout_s=0.5), VisaSession.query
    power.check()
    stuck, freed = threading.Event(), threading.Event()

    def query(session: VisaSession, command: str, most_s: float = 1e9) -> str:
        if command == "OUTP?" and not stuck.is_set():
            stuck.set()
            freed.wait(20)  # in the driver: no timeout reaches it
        return real(session, command, most_s)

    monkeypatch.setattr(VisaSession, "query", query)
    began_s = time.monotonic()
    with pytest.raises(SetupError, match=r"does not answer: no answer for 0\.5 s"):
        power.gives_power()
    assert time.monotonic() - began_s < 1.5
    power.off()
    before = supply.reached(1)
    freed.set()
    time.sleep(0.1)
    assert supply.reached(1) == before, "the request that comes back does nothing"
    assert power.gives_power() is False


def test_an_answer_that_comes_late_is_not_taken_for_that_of_a_later_question(
    supply: RunningSupply, powers: Any
) -> None:
    power = powers(supply, "a", 1, voltage_v=5.1, timeout_s=0.4)
    power.check()
    supply.order("hang 0.6")
    with pytest.raises(SetupError, match="does not answer"):
        power.read()
    wait_until(lambda: time.monotonic() > supply.time_of("ORDER", "hang") + 0.7)
    reading = powers(supply, "b", 2, timeout_s=2.0).read()
    assert (reading.volts, reading.amps) == (5.1, 0.6)


# --- over-current -----------------------------------------------------------------------------


@pytest.mark.parametrize(("peak_s", "cut"), [(0.01, False), (0.04, False), (1.0, True)])
def test_a_peak_is_no_latch_up_and_a_current_that_stays_is(
    peak_s: float, cut: bool, supply: RunningSupply, powers: Any
) -> None:
    power = powers(supply, "a", 1, current_limit_a=2.0)
    power.on()
    supply.order(f"peak 1 {peak_s}")
    result = power.watch()
    assert (result is not None) is cut and power.gives_power() is not cut


def test_a_current_below_the_limit_is_a_micro_latch_up_where_a_threshold_says_so(
    supply: RunningSupply, powers: Any
) -> None:
    power = powers(supply, "a", 1, current_limit_a=3.0, latchup_a=1.0)
    power.on()
    assert power.watch() is None
    supply.order("load 1 1.3")
    cut = power.watch()
    assert cut is not None and (cut.amps, cut.limit_a, cut.micro) == (1.3, 1.0, True)
    assert not power.gives_power()


def test_a_supply_that_trips_by_itself_is_said_to_be_that(
    supply: RunningSupply, powers: Any
) -> None:
    power = powers(supply, "a", 1, current_limit_a=3.0)
    monitor = PowerMonitor([power])
    monitor.check()
    monitor.start()
    supply.order("trip 1")
    seen: list[PowerEvent] = []
    wait_until(lambda: heard(monitor, seen) and any(e.error for e in seen))
    monitor.close()
    (error,) = [e.error for e in seen if e.error]
    assert "its output is off, and not by this program: its own protection has tripped" in error


# --- limits before volts ------------------------------------------------------------------------


def test_the_voltage_of_a_live_output_is_not_changed(supply: RunningSupply, powers: Any) -> None:
    power = powers(supply, "jetson", 1, voltage_v=19.0)
    for use in (power.check, power.on):
        with pytest.raises(SetupError, match=r"is on at 5\.1 V, and the bench file says 19 V"):
            use()
    assert supply.reached(1) == []
    near = powers(supply, "pi", 2, voltage_v=5.05)
    near.check()
    near.on()
    assert supply.reached(2, "VOLT") == []
    power.off()
    power.on()
    assert [line[2] for line in supply.reached(1, "VOLT")] == ["19.0"]


# --- a bench without a run ------------------------------------------------------------------------


def test_the_power_of_one_board_of_a_bench_is_read_and_switched_without_a_run(
    supply: RunningSupply,
) -> None:
    bench = parse_bench(f"""
boards:
- {{name: left, port: x, power: {{kind: scpi, resource: "{supply.resource}", off_s: 0}}}}
- {{name: right, port: y, power: {{kind: scpi, resource: "{supply.resource}", channel: 2}}}}
- {{name: third, port: z}}
""")
    with BenchSupplies(bench) as supplies:
        assert supplies.names == ("left", "right")
        left = supplies.power("left")
        assert left.read().watts == pytest.approx(3.06)
        left.off()
        assert left.gives_power() is False and supplies.power("right").gives_power()
        left.on()
        left.cycle()
        for name, words in (("third", "nothing is known"), ("fourth", "no board `fourth`; it has")):
            with pytest.raises(UsageError, match=words):
                supplies.power(name)
    assert supply.reached(2) == [] and len(supply.reached(1)) == 4
    assert not [thread for thread in threading.enumerate() if supply.resource in thread.name]


def test_a_voltage_that_a_board_does_not_stand_is_refused_before_the_supply_is_opened() -> None:
    power = "{kind: scpi, resource: 'TCPIP::192.0.2.1::INSTR', voltage_v: 19}"
    board = f"{{name: left, port: x, profile: raspberry-pi-4b, power: {power}}}"
    with pytest.raises(SetupError, match="19 V is outside the supply range"):
        BenchSupplies(parse_bench(f"boards: [{board}]"))


# --- dialects -------------------------------------------------------------------------------------

IDENTITIES = {
    "keysight": "Keysight Technologies,E36312A,MY0000,2.1",
    "rigol": "RIGOL TECHNOLOGIES,DP832,DP8C1,00.01.16",
    "siglent": "Siglent Technologies,SPD3303X,SPD3X1,1.01,V3.0",
    "tti": "THURLBY THANDAR, CPX400DP, 5555, 1.01-1.00",
}


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("dialect", IDENTITIES)
def test_a_supply_is_spoken_to_in_its_own_dialect(
    dialect: str, named: bool, tmp_path: Path, powers: Any
) -> None:
    idn = "ACME,1,0,1" if named else IDENTITIES[dialect]
    extra = {"dialect": dialect} if named else {}
    with running_supply(tmp_path, "--dialect", dialect, "--idn", idn, "--off") as supply:
        power = powers(supply, "a", 2, voltage_v=5.0, current_limit_a=2.0, **extra)
        power.check()
        power.on()
        assert power.gives_power()
        assert (power.read().volts, power.read().amps) == (5.0, 0.6)
        changes = [line[:3] for line in supply.reached(2)]
        assert changes == [["VOLT", "2", "5.0"], ["CURR", "2", "2.0"], ["OUTP", "2", "ON"]]
        assert supply.reached(1) == supply.reached(3) == []
        supply.order("latch 2")
        cut = power.watch()
        assert cut is not None and cut.amps == 2.0 and not power.gives_power()
        if dialect in ("keysight", "rigol", "tti"):
            (ovp,) = supply.reached(2, "OVP")
            assert float(ovp[2]) == pytest.approx(5.5)
        assert power._transact(lambda output: output.error_text()) == ""
        power.close()


def test_a_trip_with_delay_is_set_where_the_supply_has_one(tmp_path: Path, powers: Any) -> None:
    options = {"voltage_v": 5.0, "current_limit_a": 2.0, "ocp_delay_s": 0.2, "ovp_v": 5.4}
    keysight = ("--dialect", "keysight", "--idn", IDENTITIES["keysight"], "--off")
    with running_supply(tmp_path, *keysight) as supply:
        powers(supply, "a", 3, **options).on()
        assert supply.reached(3, "OVP", "OCP", "DELAY") == [
            ["OVP", "3", "5.4"],
            ["DELAY", "3", "0.2"],
            ["OCP", "3", "ON"],
        ]
    rigol = ("--dialect", "rigol", "--idn", IDENTITIES["rigol"], "--off")
    with running_supply(tmp_path, *rigol, name="rigol") as supply:
        with pytest.raises(SetupError, match="its over-current trip has no delay"):
            powers(supply, "a", 3, **options).on()
        assert supply.reached(3, "OUTP") == []


def test_a_protection_that_a_supply_does_not_know_leaves_its_output_off(
    tmp_path: Path, powers: Any
) -> None:
    with running_supply(tmp_path, "--off") as supply:
        power = powers(supply, "a", 1, voltage_v=5.0, ovp_v=5.5)
        with pytest.raises(SetupError, match=r"over-voltage protection was not taken; .*-113"):
            power.on()
        assert supply.reached(1, "OUTP") == []


def test_an_output_that_a_supply_does_not_have_is_refused(tmp_path: Path, powers: Any) -> None:
    siglent = ("--dialect", "siglent", "--idn", IDENTITIES["siglent"])
    no_third = pytest.raises(SetupError, match=r"has 2 outputs that can be switched .*no output 3")
    with running_supply(tmp_path, *siglent) as supply, no_third:
        powers(supply, "a", 3).off()


@pytest.mark.parametrize(("dialect", "firmware"), [("auto", "V2.0"), ("korad", "V1.3")])
def test_a_korad_on_a_serial_line_answers_without_terminators(
    dialect: str, firmware: str, tmp_path: Path, powers: Any
) -> None:
    link = str(tmp_path / "tty")
    options = ("--dialect", "korad", "--idn", f"KORADKA3005P{firmware}", "--pty", link, "--off")
    with running_supply(tmp_path, *options) as supply:
        power = powers(supply, "a", 1, voltage_v=5.1, current_limit_a=2.0, dialect=dialect)
        power.on()
        assert (power.read().volts, power.read().amps) == (5.1, 0.6)
        power.off()
        assert not power.gives_power()
        assert [line[:3] for line in supply.reached(1)] == [
            ["VOLT", "1", "5.1"],
            ["CURR", "1", "2.0"],
            ["OUTP", "1", "ON"],
            ["OUTP", "1", "OFF"],
        ]


def test_commands_of_the_bench_file_speak_to_any_other_supply(tmp_path: Path, powers: Any) -> None:
    commands = {
        "on": "OUTP CH{channel},ON",
        "off": "OUTP CH{channel},OFF",
        "set_volts": "CH{channel}:VOLT {value}",
        "ask_volts": "CH{channel}:VOLT?",
        "measure_volts": "MEAS:VOLT? CH{channel}",
        "measure_amps": "MEAS:CURR? CH{channel}",
    }
    with running_supply(tmp_path, "--dialect", "siglent", "--off") as supply:
        power = powers(supply, "a", 2, kind="template", commands=commands, voltage_v=5.0)
        power.on()
        assert power.gives_power() and power.read().volts == 5.0
        power.off()
        assert [line[:3] for line in supply.reached(2)] == [
            ["VOLT", "2", "5.0"],
            ["OUTP", "2", "ON"],
            ["OUTP", "2", "OFF"],
        ]


def test_a_serial_line_has_the_settings_of_the_bench_file_and_its_first_commands(
    tmp_path: Path, powers: Any
) -> None:
    link = str(tmp_path / "tty")
    with running_supply(tmp_path, "--pty", link) as supply:
        settings = {"baud": 115200, "stop_bits": 2, "flow": "xon_xoff"}
        power = powers(supply, "a", 2, init=["SYST:REM"], **settings)

        def look(output: Any) -> tuple[Any, ...]:
            session = output.session
            assert isinstance(session, VisaSession)
            line = session._resource
            return line.baud_rate, float(line.stop_bits), int(line.flow_control)

        assert power._transact(look) == (115200, 20.0, 1)
        power.off()
        assert len(supply.reached(2)) == 1
