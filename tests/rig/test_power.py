"""Power of real boards: every kind of instrument, each against something that behaves like one."""

from __future__ import annotations

import builtins
import json
import re
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from hil.errors import ConfigError, SetupError
from hil.rig.backends.serial_board import SerialBoard
from hil.rig.calls import Timing
from hil.rig.node import Node
from hil.rig.power import Power, PowerEvent, PowerMonitor, make
from hil.rig.power.mock import MockPower
from hil.rig.power.protocol import PowerReading
from hil.rig.rig import Rig
from hil.scenario import parse_scenario
from hil.scenario.bench import parse_bench
from hil.scenario.supply import SupplyConfig
from tests.virtual_clock import VirtualClock

SUPPLY = """\
spec: "1.1"
devices:
  psu:
    eom:
      TCPIP INSTR: {q: "\\n", r: "\\n"}
    error: ERROR
    dialogues:
      - {q: "*IDN?", r: "ACME,PSU-3,42,1.0"}
      - {q: "SYST:ERR?", r: '+0,"No error"'}
    properties:
      selected:
        default: 1
        getter: {q: "INST:NSEL?", r: "{:d}"}
        setter: {q: "INST:NSEL {:d}"}
        specs: {type: int}
      voltage:
        default: 0.0
        getter: {q: "VOLT?", r: "{:.3f}"}
        setter: {q: "VOLT {:.4f}"}
        specs: {min: 0, max: 6, type: float}
      current:
        default: 1.0
        getter: {q: "CURR?", r: "{:.3f}"}
        setter: {q: "CURR {:.4f}"}
        specs: {min: 0, max: 5, type: float}
      output:
        default: "OFF"
        getter: {q: "OUTP?", r: "{}"}
        setter: {q: "OUTP {}"}
        specs: {valid: ["ON", "OFF"], type: str}
      volts:
        default: 5.02
        getter: {q: "MEAS:VOLT?", r: "{}"}
      load:
        default: 0.7
        getter: {q: "MEAS:CURR?", r: "{:.3f}"}
        setter: {q: "TEST:LOAD {:.3f}"}
        specs: {min: 0, max: 100, type: float}
resources:
  TCPIP::supply::INSTR: {device: psu}
"""


def asks(power: Any, *commands: str) -> list[str]:
    """The answers of a supply, without those who hold it: its own connection."""

    def use(output: Any) -> list[str]:
        return [
            output.session.query(command) if command.endswith("?") else output.write(command) or ""
            for command in commands
        ]

    return power._transact(use)


def supply(**data: Any) -> SupplyConfig:
    return SupplyConfig.model_validate(data)


@pytest.fixture
def scpi(tmp_path: Path) -> Callable[..., Any]:
    pytest.importorskip("pyvisa_sim", reason="pyvisa-sim is not installed")
    (tmp_path / "psu.yaml").write_text(SUPPLY)

    def make_scpi(**data: Any) -> Any:
        given = {
            "kind": "scpi",
            "resource": "TCPIP::supply::INSTR",
            "channel": 2,
            "off_s": 0.01,
            "backend": f"{tmp_path / 'psu.yaml'}@sim",
            **data,
        }
        return make("left", supply(**given))

    return make_scpi


def test_a_bench_supply_is_set_read_back_and_switched(scpi: Callable[..., Any]) -> None:
    power = scpi(voltage_v=5.1, current_limit_a=2.5)
    power.on()
    assert asks(power, "VOLT?", "CURR?", "OUTP?") == ["5.100", "2.500", "ON"]
    assert (power.read().volts, power.read().amps) == (5.02, 0.7)
    assert power.read().watts == pytest.approx(3.514)
    assert power.limit(5.0, 1.5)
    assert asks(power, "VOLT?", "CURR?") == ["5.000", "1.500"]
    with pytest.raises(
        SetupError, match=r"is on at 5 V, and .* 4\.8 V; the voltage of a live output"
    ):
        power.limit(4.8, None)
    power.off()
    assert asks(power, "OUTP?") == ["OFF"]
    power.cycle()
    assert asks(power, "OUTP?") == ["ON"]
    power.close()
    power.close()
    assert power.read().amps == 0.7, "and it can be opened again"
    power.close()


def test_a_board_that_draws_its_limit_is_cut_off(scpi: Callable[..., Any]) -> None:
    power = scpi(voltage_v=5.0, current_limit_a=2.0)
    power.on()
    assert power.watch() is None
    asks(power, "TEST:LOAD 1.990")
    cut = power.watch()
    assert cut is not None and (cut.amps, cut.limit_a) == (1.99, 2.0)
    assert asks(power, "OUTP?") == ["OFF"]
    power.close()


def test_a_value_that_the_supply_did_not_take_is_an_error(scpi: Callable[..., Any]) -> None:
    power = scpi(voltage_v=12.0)
    with pytest.raises(SetupError, match=r"node left: supply TCPIP::supply::INSTR .*output 2"):
        power.on()
    power.close()


@pytest.mark.parametrize("said", ["nan", "9.91E37", "-9.9E37", "inf"])
def test_an_overflow_reading_of_a_supply_is_not_a_latch_up(
    scpi: Callable[..., Any], tmp_path: Path, said: str
) -> None:
    """As most do in the moment in which a range changes. NaN is below no limit, either."""
    power = scpi(current_limit_a=2.0)
    lost = SUPPLY.replace(
        'r: "{:.3f}"}\n        setter: {q: "TEST', f'r: "{said}"}}\n        setter: {{q: "TEST'
    )
    assert lost != SUPPLY
    (tmp_path / "psu.yaml").write_text(lost.replace('default: "OFF"', 'default: "ON"'))
    with pytest.raises(SetupError, match=r"`MEAS:CURR.` was answered by .*has measured nothing"):
        power.watch()
    assert power.gives_power(), "and the board is not cut off"
    power.close()


def test_a_tripped_supply_is_reported_with_its_own_error(
    scpi: Callable[..., Any], tmp_path: Path
) -> None:
    power = scpi(voltage_v=5.0)
    head, rest = SUPPLY.split("    properties:")
    start, end = rest.index("      output:"), rest.index("      volts:")
    queue = """\
      - {q: "OUTP ON"}
      - {q: "OUTP?", r: "0"}
      - {q: "SYST:ERR?", r: '302,"Over-current protection tripped"'}
    properties:"""
    head = "".join(line for line in head.splitlines(True) if "SYST:ERR" not in line)
    (tmp_path / "psu.yaml").write_text(f"{head}{queue}{rest[:start]}{rest[end:]}")
    with pytest.raises(SetupError, match=r"did not switch on; its error queue: 302,.Over-current"):
        power.on()
    power.close()


def test_a_supply_that_is_not_there_is_named_with_what_to_try(scpi: Callable[..., Any]) -> None:
    power = scpi(resource="TCPIP::other::INSTR")
    for use in (power.off, power.check):
        with pytest.raises(SetupError, match="::other::INSTR output 2: does not answer") as caught:
            use()
    assert "remote interface" in (caught.value.remedy or "")


def test_without_pyvisa_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def no_visa(name: str, *args: Any, **more: Any) -> Any:
        if name == "pyvisa":
            raise ImportError(name)
        return real(name, *args, **more)

    monkeypatch.setattr(builtins, "__import__", no_visa)
    with pytest.raises(SetupError, match="PyVISA, which is not installed") as caught:
        make("left", supply(kind="scpi", resource="x")).on()
    assert "pip install 'pyvisa>=1.14' 'pyvisa-py>=0.7'" in (caught.value.remedy or "")


# --- programs -------------------------------------------------------------------------------------

UHUBCTL = """#!/bin/sh
echo "$@" >> {log}
case "$*" in *"-a off"*) s="0000 off";; *) s="0503 power highspeed";; esac
[ -e {stuck} ] && s="0503 power highspeed"
echo "Current status for hub 1-1"; echo "  Port 2: 0503 power"
echo "New status for hub 1-1"; echo "  Port 2: $s"
"""
GPIOSET = """#!/bin/sh
[ "$1" = --version ] && echo "gpioset (libgpiod) v2.1" && exit 0
echo "$@" >> {log}
[ -e {stuck} ] && echo "gpioset: error: permission denied" >&2 && exit 1
exec sleep 60
"""


QUIET = '#!/bin/sh\n[ "$1" = --version ] && exit 0'


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the PATH with programs that only say what they were asked."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in (("uhubctl", UHUBCTL), ("gpioset", GPIOSET)):
        path = folder / name
        path.write_text(text.format(log=tmp_path / "log", stuck=tmp_path / "stuck"))
        path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return tmp_path


def asked(tools: Path) -> list[str]:
    return (tools / "log").read_text().splitlines()


def test_a_hub_port_is_switched_and_a_hub_that_pretends_is_found_out(tools: Path) -> None:
    power = make("left", supply(kind="usbhub", hub="1-1", port=2, off_s=0))
    power.cycle()
    assert asked(tools) == ["-l 1-1 -p 2 -a off", "-l 1-1 -p 2 -a on"]
    (tools / "stuck").touch()
    with pytest.raises(SetupError, match=r"USB hub 1-1 port 2: uhubctl says .* switched off"):
        power.off()


def test_a_relay_line_is_held_until_the_instrument_is_closed(tools: Path) -> None:
    power: Any = make("left", supply(kind="relay", line=17, active_low=True))
    power.on()
    holder = power._holder
    assert holder.poll() is None
    power.off()
    assert holder.poll() is not None, "one holds the line at a time"
    assert asked(tools) == ["-c /dev/gpiochip0 17=0", "-c /dev/gpiochip0 17=1"]
    last = power._holder
    power.close()
    assert last.poll() is not None
    (tools / "stuck").touch()
    with pytest.raises(SetupError, match=r"relay at /dev/gpiochip0 line 17: .*permission denied"):
        power.on()


RELEASING = """#!/usr/bin/env python3
import pathlib, signal, sys
if "--version" in sys.argv:
    sys.exit(print("gpioset (libgpiod) v2.1"))
relay = pathlib.Path({relay!r})
relay.write_text(sys.argv[-1].partition("=")[2])
def release(*_):
    relay.write_text("input")  # the kernel gives the line back; the relay falls off
    sys.exit()
signal.signal(signal.SIGTERM, release)
signal.pause()
"""


def test_a_relay_falls_off_at_the_end_of_a_run_as_documented(tools: Path) -> None:
    """What the board has then depends on the contact: boards/README.md, "Power"."""
    relay = tools / "relay"
    (tools / "bin" / "gpioset").write_text(RELEASING.format(relay=str(relay)))
    power = make("left", supply(kind="relay", line=17))
    power.on()
    assert relay.read_text() == "1"
    power.close()
    assert relay.read_text() == "input"


def test_gpioset_that_says_no_version_is_taken_for_an_old_one(tools: Path) -> None:
    gpioset = tools / "bin" / "gpioset"
    gpioset.write_text(gpioset.read_text().replace("v2", "").replace("#!/bin/sh", QUIET))
    power: Any = make("left", supply(kind="relay", line=17))
    power.on()
    power.close()
    assert asked(tools) == ["--mode=signal /dev/gpiochip0 17=1"]


def test_a_missing_program_is_named_with_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for data, package in (
        ({"kind": "usbhub", "hub": "1-1", "port": 1}, "uhubctl"),
        ({"kind": "relay", "line": 1}, "gpiod"),
    ):
        power = make("left", supply(**data))
        for use in (power.on, power.check):
            with pytest.raises(SetupError, match="there is no program") as caught:
                use()
            assert package in (caught.value.remedy or "")


def test_a_run_without_its_power_program_is_refused_at_its_start(tools: Path) -> None:
    """Not when a board has fallen silent, hours later."""
    hub = make("left", supply(kind="usbhub", hub="1-1", port=1))
    relay = make("left", supply(kind="relay", line=1))
    for power in (hub, relay):
        power.check()
    assert not (tools / "log").exists(), "nothing was switched"
    plug = make("left", supply(kind="command", on="true", off="no-such-plug off"))
    rig = Rig(
        [Node("left", 0, SerialBoard("left", "/nowhere", 115200, power=plug))], "infer", 1, Timing()
    )
    with pytest.raises(SetupError, match="power by command: there is no program no-such-plug"):
        rig.open()
    rig.close()


def test_the_user_s_own_programs_switch_and_read(tmp_path: Path) -> None:
    state = tmp_path / "state"
    power = make(
        "left",
        supply(
            kind="command",
            off_s=0,
            on=f"cp /dev/null {state}",
            off=["rm", str(state)],
            read=["echo", "5.01 V, 0.42 A"],
        ),
    )
    power.on()
    assert state.exists()
    power.cycle()
    assert state.exists()
    power.off()
    assert not state.exists()
    assert (power.read().volts, power.read().amps) == (5.01, 0.42)
    with pytest.raises(SetupError, match=r"node left: power by command: `rm .*ended with code 1"):
        power.off()


def test_a_command_is_quoted_as_in_a_shell_and_is_in_none(tmp_path: Path) -> None:
    file = tmp_path / "a file"
    script = 'sh -c \'echo "$1" | tr a b >"$2"\''
    power = make(
        "left",
        supply(
            kind="command", on=f"{script} plug 'x a' '{file}'", off=f"touch {tmp_path}/$(id);ls"
        ),
    )
    power.on()
    assert file.read_text() == "x b\n"
    power.off()
    assert (tmp_path / "$(id);ls").exists()


def test_a_program_that_hangs_or_prints_no_reading_is_an_error(tmp_path: Path) -> None:
    power = make(
        "left",
        supply(kind="command", on="sleep 60", off="true", read="echo off", timeout_s=0.05),
    )
    with pytest.raises(SetupError, match=r"did not end within 0\.05 s"):
        power.on()
    with pytest.raises(SetupError, match="expected volts and amperes"):
        power.read()


def test_what_a_hanging_program_has_started_switches_nothing_later(tmp_path: Path) -> None:
    state = tmp_path / "state"
    script = f"(sleep 0.6; touch {state}) & sleep 60"
    power = make("left", supply(kind="command", on=["sh", "-c", script], off="true", timeout_s=0.2))
    with pytest.raises(SetupError, match=r"did not end within 0\.2 s"):
        power.on()
    time.sleep(0.7)
    assert not state.exists()


def test_power_by_hand_without_a_terminal_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SetupError, match="stdin is not a terminal"):
        make("left", supply(kind="manual")).off()


SNMPSET = """#!/bin/sh
[ "$1 $2 $3" = "-v2c -c private" ] && [ "$6" = i ] || exit 2
echo "$5=$7" >> {log}
"""


def test_the_poe_recipe_of_the_documents_switches_the_port_by_rfc_3621(tools: Path) -> None:
    text = (Path(__file__).parents[2] / "boards" / "README.md").read_text()
    (block,) = [b for b in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) if "snmpset" in b]
    program = tools / "bin" / "snmpset"
    program.write_text(SNMPSET.format(log=tools / "log"))
    program.chmod(0o755)
    part = textwrap.indent(block, "    ")
    described = parse_bench(f"boards:\n  - name: left\n    port: x\n{part}").boards[0].power
    assert described is not None
    power = make("left", described)
    power.check()
    power.off()
    power.on()
    enable = "1.3.6.1.2.1.105.1.1.1.3.1.7"  # pethPsePortAdminEnable: true(1), false(2)
    assert asked(tools) == [f"{enable}=2", f"{enable}=1"]


# --- smart plugs ----------------------------------------------------------------------------------


class Plug(BaseHTTPRequestHandler):
    """A plug with the interface that its server has: Shelly Gen1, Gen2, or Tasmota."""

    server: PlugServer

    def do_GET(self) -> None:
        plug = self.server
        plug.asked.append(self.path)
        path, _, query = self.path.partition("?")
        words = dict(word.split("=") for word in unquote(query).split("&") if "=" in word)
        answer: Any = None
        if plug.model == "shelly1" and path == "/relay/1":
            plug.switch(words.get("turn", "").upper())
            answer = {"ison": plug.on, "has_timer": False}
        elif plug.model == "shelly2" and path == "/rpc/Switch.Set" and words["id"] == "1":
            answer = {"was_on": plug.on}
            plug.switch({"true": "ON", "false": "OFF"}[words["on"]])
        elif plug.model == "shelly2" and path == "/rpc/Switch.GetStatus" and words["id"] == "1":
            answer = {"id": 1, "output": plug.on, "voltage": 231.0, "current": 0.03}
        elif plug.model == "tasmota" and path == "/cm" and words["cmnd"].startswith("Power2"):
            plug.switch(words["cmnd"].partition(" ")[2].upper())
            answer = {"POWER2": "ON" if plug.on else "OFF"}
        self.send_response(404 if answer is None else plug.status)
        self.end_headers()
        self.wfile.write(b"" if answer is None else json.dumps(answer).encode())

    def log_message(self, *_: Any) -> None:
        pass


class PlugServer(ThreadingHTTPServer):
    def __init__(self, model: str) -> None:
        super().__init__(("127.0.0.1", 0), Plug)
        self.model, self.on, self.status, self.stuck = model, False, 200, False
        self.asked: list[str] = []
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def switch(self, state: str) -> None:
        if state and not self.stuck:
            self.on = state == "ON"

    def power(self, **data: Any) -> Power:
        url = f"http://127.0.0.1:{self.server_port}/"
        given = {"plug": self.model, "url": url, "channel": 2, "off_s": 0, **data}
        return make("left", supply(kind="http", **given))


@pytest.fixture
def plug(request: pytest.FixtureRequest) -> Iterator[PlugServer]:
    with PlugServer(request.param) as server:
        yield server
        server.shutdown()


EVERY_PLUG = pytest.mark.parametrize("plug", ["shelly1", "shelly2", "tasmota"], indirect=True)


@EVERY_PLUG
def test_a_plug_is_switched_by_its_documented_requests(plug: PlugServer) -> None:
    power = plug.power()
    power.check()
    assert not plug.on, "to look at it switches nothing"
    power.on()
    assert plug.on and power.gives_power()
    power.cycle()
    power.off()
    assert not plug.on and power.gives_power() is False
    assert power.read() == PowerReading(None, None), "mains volts are not the board's"
    switched = {"shelly1": "turn=on", "shelly2": "on=true", "tasmota": "Power2%20On"}[plug.model]
    assert sum(switched in path for path in plug.asked) == 2


@EVERY_PLUG
def test_a_plug_that_does_not_switch_or_answer_is_an_error(plug: PlugServer) -> None:
    plug.stuck = True
    with pytest.raises(SetupError, match=r"outlet 2: did not switch on"):
        plug.power().on()
    with pytest.raises(SetupError, match=r"answered 404 Not Found"):
        plug.power(channel=4).check()
    plug.status = 401
    with pytest.raises(SetupError, match="answered 401") as caught:
        plug.power().check()
    assert "password" in (caught.value.remedy or "")
    plug.server_close()
    plug.shutdown()
    with pytest.raises(SetupError, match="does not answer as a plug"):
        plug.power(timeout_s=0.5).check()


# --- boards, and the monitor ----------------------------------------------------------------------


def test_a_serial_board_without_a_supply_says_what_to_write() -> None:
    board = SerialBoard("left", "/dev/null", 115200)
    assert not board.can_cycle
    with pytest.raises(SetupError, match="nothing is known that switches its power") as caught:
        board.power_cycle()
    assert "power:" in (caught.value.remedy or "")


def test_a_serial_board_with_one_is_switched_by_it() -> None:
    power = MockPower("left", supply(kind="mock", off_s=0))
    board = SerialBoard("left", "/dev/null", 115200, power=power)
    assert board.can_cycle
    board.power_off()
    assert not power.is_on
    board.power_cycle()
    assert power.is_on and power.cycles == 1


def events_until(monitor: PowerMonitor, what: Callable[[PowerEvent], bool]) -> list[PowerEvent]:
    seen: list[PowerEvent] = []
    deadline = time.monotonic() + 20
    while not any(what(event) for event in seen):
        assert time.monotonic() < deadline, seen
        seen += monitor.take()
        time.sleep(0.005)
    return seen


def test_the_monitor_reads_limits_and_cuts() -> None:
    power = MockPower("left", supply(kind="mock", current_limit_a=2.0))
    monitor = PowerMonitor([power], period_s=0.005)
    monitor.start()
    first = events_until(monitor, lambda e: e.reading.amps == 0.5)
    assert all(e.cut is None and not e.error for e in first)
    monitor.limit("left", 4.5, 1.0)
    events_until(monitor, lambda e: e.reading.volts == 4.5)
    assert power.limit_a == 1.0
    power.load_a = 3.0
    seen = events_until(monitor, lambda e: e.cut is not None)
    monitor.close()
    cuts = [e.cut for e in seen if e.cut is not None]
    assert not power.is_on and [c.limit_a for c in cuts] == [1.0]
    assert "hil power" not in {t.name for t in threading.enumerate()}


def test_a_limit_of_power_is_one_of_current_at_the_voltage_that_is_there() -> None:
    power = MockPower("left", supply(kind="mock", voltage_v=5.0, current_limit_a=9.0))
    power.off()
    monitor = PowerMonitor([power], period_s=0.005)
    monitor.start()
    monitor.limit_power("left", 9.2)  # a Pi 4 that may draw half more than its 6.1 W
    monitor.limit_power("nobody", 1.0)
    events_until(monitor, lambda e: e.reading.volts == 0.0)
    assert power.limit_a == 9.0  # it is off: not forgotten
    power.on()
    events_until(monitor, lambda e: power.limit_a != 9.0)
    assert power.limit_a == pytest.approx(9.2 / 5.0)
    monitor.close()


def test_an_instrument_that_fails_is_reported_once() -> None:
    asked: list[str] = []

    class Broken(MockPower):
        def read(self) -> Any:
            asked.append(self.node)
            raise self.failed("no answer", "plug it in")

    class Good(MockPower):
        def read(self) -> Any:
            return PowerReading(5.0, 0.5 if len(asked) < 20 else 0.7)

    powers = [Broken("left", supply(kind="mock")), Good("right", supply(kind="mock"))]
    monitor = PowerMonitor(powers, period_s=0.001, clock=VirtualClock())
    monitor.start()
    seen = events_until(monitor, lambda e: e.reading.amps == 0.7)
    monitor.close()
    told = [e.error for e in seen if e.node == "left"]
    assert told == ["node left: mock supply: no answer"] and len(asked) >= 20


def test_no_cut_and_no_failure_is_forgotten_however_late_the_run_asks() -> None:
    """A run whose host stood still asks after thousands of readings."""
    read: list[str] = []
    enough = threading.Event()

    class Broken(MockPower):
        def read(self) -> Any:
            raise self.failed("no answer", "plug it in")

    class Counted(MockPower):
        def read(self) -> Any:
            read.append(self.node)
            if len(read) > 3000:
                enough.set()
            return PowerReading(5.0, 0.5)

    latched = MockPower("latched", supply(kind="mock", current_limit_a=2.0))
    latched.load_a = 3.0
    powers = [latched, Broken("left", supply(kind="mock")), Counted("right", supply(kind="mock"))]
    monitor = PowerMonitor(powers, period_s=0.001, clock=VirtualClock())
    monitor.start()
    assert enough.wait(60)
    monitor.close()
    seen = monitor.take()
    assert [e.error for e in seen if e.error] == ["node left: mock supply: no answer"]
    assert [e.node for e in seen if e.cut is not None] == ["latched"]
    assert [e.at_us for e in seen] == sorted(e.at_us for e in seen) and monitor.take() == []


def test_one_that_fails_slowly_does_not_hide_the_others() -> None:
    """A supply that was unplugged costs its time-out each time it is asked."""
    asked: list[str] = []

    class Gone(MockPower):
        def watch(self) -> None:
            asked.append(self.node)
            threading.Event().wait(0.05)
            raise self.failed("does not answer", "plug it in")

    class Good(MockPower):
        def watch(self) -> None:
            asked.append(self.node)

    powers = [Gone("a", supply(kind="mock")), Good("b", supply(kind="mock"))]
    monitor = PowerMonitor(powers, period_s=0.001)
    monitor.start()
    events_until(monitor, lambda _: asked.count("b") >= 20)
    monitor.close()
    assert 1 <= asked.count("a") <= 10


def test_a_rig_without_supplies_has_no_thread_for_them() -> None:
    monitor = PowerMonitor([])
    monitor.start()
    assert not monitor._threads
    monitor.limit("nobody", 5.0, 1.0)
    assert isinstance(MockPower("x", supply(kind="mock")), Power)


# --- the bench file -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("power", "words"),
    [
        ("{kind: scpi}", "a scpi supply needs it"),
        ("{kind: usbhub, hub: 1-1}", "a usbhub supply needs it"),
        ("{kind: relay}", "a relay supply needs it"),
        ("{kind: command, on: x}", "a command supply needs it"),
        ('{kind: command, on: "say \'x", off: y}', "no closing quotation"),
        ("{kind: mock, hub: 1-1}", "only usbhub supplies have it"),
        ("{kind: plug}", "expected one of scpi, template, usbhub"),
        ("{kind: mock, voltage_v: -1}", "expected a number above 0"),
        ("{kind: mock, volts: 5}", "unknown key"),
        ("{kind: http, plug: shelly1}", "an http supply needs it"),
        ("{kind: http, plug: kasa, url: 'http://a'}", "expected one of shelly1"),
        ("{kind: http, plug: tasmota, url: 'a/b'}", "text"),
        ("{kind: scpi, resource: 'TCPIP::a::INSTR', baud: 9600}", "only a supply on a serial line"),
        ("{kind: scpi, resource: x, latchup_a: 1}", "not below the current limit"),
        ("{kind: scpi, resource: x, current_limit_a: 1, latchup_a: 1}", "not below the current"),
        ("{kind: scpi, resource: x, voltage_v: 5, ovp_v: 5}", "trips at the supply voltage"),
        ("{kind: scpi, resource: x, ocp_delay_s: 0.1}", "no current limit to trip at"),
        ("{kind: template, resource: x}", "a template supply needs it"),
        ("{kind: template, resource: x, commands: {on: 'A{chan}', off: B}}", "cannot be filled in"),
        (
            "{kind: template, resource: x, commands: {on: A, off: B, select: C}}",
            "could not be read",
        ),
        (
            "{kind: template, resource: x, commands: {on: A, off: B, set_volts: V, ask_volts: W}}",
            "expected `{value}`",
        ),
        ("5", "expected a mapping"),
    ],
)
def test_a_wrong_supply_is_reported_with_its_place(power: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_bench(f"boards:\n- name: a\n  port: x\n  power: {power}\n")
    assert words in str(caught.value) and ":4:" in str(caught.value)


TWICE = {
    "an output of a supply": (
        '{kind: scpi, resource: "TCPIP::10.0.0.9::INSTR", channel: 2, voltage_v: 24}',
        '{kind: scpi, resource: "tcpip0::10.0.0.9::inst0::instr", channel: 2, voltage_v: 5}',
    ),
    "a hub port": ("{kind: usbhub, hub: 1-1, port: 2}", '{kind: usbhub, hub: "1-1", port: 2}'),
    "a relay line": (
        "{kind: relay, line: 4}",
        "{kind: relay, line: 4, chip: gpiochip0, active_low: true}",
    ),
    "a plug": (
        "{kind: http, plug: shelly1, url: 'http://A'}",
        "{kind: http, plug: shelly2, url: 'http://a/'}",
    ),
}


@pytest.mark.parametrize("what", TWICE)
def test_two_boards_on_one_output_are_refused_with_the_place(what: str) -> None:
    one, two = TWICE[what]
    text = f"boards:\n- {{name: a, port: x, power: {one}}}\n- {{name: b, port: y, power: {two}}}\n"
    with pytest.raises(ConfigError) as caught:
        parse_bench(text)
    (problem,) = caught.value.problems
    assert problem.line == 3 and "and so is board a" in problem.message
    for key, number in (("channel", 2), ("port", 2), ("line", 4)):
        text = text.replace(f"{key}: {number}", f"{key}: {number + 1}", 1)
    parse_bench(text.replace("http://A", "http://b"))


def test_two_nodes_of_a_scenario_on_one_output_are_refused() -> None:
    power = {"kind": "usbhub", "hub": "1-1", "port": 2}
    nodes = [
        {"name": name, "board": "serial", "port": f"/dev/{name}", "power": power} for name in "ab"
    ]
    text = json.dumps(
        {"workload": "attitude", "frames": 5, "rig": {"scheme": "dmr", "nodes": nodes}}
    )
    with pytest.raises(ConfigError, match="node b is on port 2 of hub 1-1, and so is node a"):
        parse_scenario(text)


@pytest.mark.parametrize(
    ("printed", "volts", "amps"),
    [
        ("5.02 0.61", 5.02, 0.61),
        ("5.02 V 610 mA\n", 5.02, 0.61),
        ("5020mV, .61A", 5.02, 0.61),
        ("5\n-6.1e-1\n", 5.0, -0.61),
    ],
)
def test_what_a_program_measures_is_taken_in_its_units(
    printed: str, volts: float, amps: float
) -> None:
    power = make("left", supply(kind="command", on="true", off="true", read=["printf", printed]))
    reading = power.read()
    assert reading.volts == pytest.approx(volts) and reading.amps == pytest.approx(amps)


@pytest.mark.parametrize(
    "printed",
    [
        "5,02 0,61",
        "5.02,0.61",
        "ch1: 5.02 V 0.61 A",
        "Voltage 5.02V, Current 610 mA",
        "5.02",
        " ",
        "5.02 0.61 3.06",
        "0.61 A 5.02 V",
        "5.02 kV 0.61 A",
        "5.02 V 0.61 W",
        "nan nan",
        "inf 1",
        "1e999 0.6",
        "5.02 -1e999",
        "1_0 2",
        "5.02 V 0.61 A ok",
        "5.02-0.61",
    ],
)
def test_any_other_text_is_refused_with_what_was_printed(printed: str) -> None:
    power = make("left", supply(kind="command", on="true", off="true", read=["printf", printed]))
    with pytest.raises(SetupError, match="expected volts and amperes") as caught:
        power.read()
    assert repr(printed.strip()) in caught.value.message
