"""Field cases of the bench and of the verdict, from their input files (F01, F02, F05 to F09,
F20, F31); what else is known of these kinds has its tests where it belongs."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import pytest

from hil.doctor.files import check
from hil.errors import SetupError
from hil.rig.backends.process import find_agent
from hil.rig.discovery import adapters as adapters_module
from hil.rig.discovery.adapters import adapters
from hil.rig.power import make, scpi
from hil.scenario.supply import SupplyConfig
from tests.cli.conftest import Hil, hil, ready, wait_for_row

__all__ = ["hil", "ready"]

HERE = Path(__file__).parent


def told(name: str) -> list[str]:
    """The problems of a file, without the folder it lies in."""
    path = HERE / name
    return [str(p).replace(f"{path.parent}/", "") for p in check(str(path)).problems]


# --- the verdict --------------------------------------------------------------------------------


def errors_of(run: Path) -> tuple[int, list[str]]:
    """The number of errors that junit.xml counts, and what they say."""
    suite = ElementTree.parse(run / "junit.xml").getroot()  # noqa: S314 (it is our own)
    return int(suite.attrib["errors"]), [e.attrib["message"] for e in suite.iter("error")]


def test_f01_an_aborted_run_is_an_error_in_its_report(hil: Hil) -> None:
    process = hil.start("run", HERE / "verdict" / "aborted.yaml", "--out", "r", "--no-tui")
    wait_for_row(hil.cwd / "r" / "run.db", "SELECT count(*) FROM blocks", process)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 130
    count, (message,) = errors_of(hil.cwd / "r")
    assert count == 1 and message.startswith("ended by the user after ")
    assert message.endswith(" are missing")


def test_f02_boards_that_are_lost_for_good_are_an_error(hil: Hil) -> None:
    with subprocess.Popen(
        [str(find_agent()), "--port", "pty", "--exit-with-parent"],
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
    ) as agent:
        assert agent.stdout is not None
        port = agent.stdout.readline().split()[1]
        bench = hil.write("b.yaml", f"schema: 1\nboards:\n  - {{name: x, port: {port}}}\n")
        scenario = HERE / "verdict" / "lost_boards.yaml"
        process = hil.start("run", scenario, "--bench", bench, "--out", "r", "--no-tui")
        wait_for_row(hil.cwd / "r" / "run.db", "SELECT count(*) FROM blocks", process)
        agent.kill()
        process.communicate(timeout=50)
    assert process.returncode == 3
    count, (message,) = errors_of(hil.cwd / "r")
    assert count == 1 and message.startswith("the board of node x was lost and is not back: ")
    with closing(sqlite3.connect(hil.cwd / "r" / "run.db")) as db:
        (outcome,) = db.execute("SELECT value FROM meta WHERE key = 'outcome'").fetchone()
    assert outcome == "error"


def test_f20_a_tick_that_no_step_reaches_is_refused(hil: Hil) -> None:
    name = "verdict/tick_never_reached.yaml"
    (problem,) = told(name)
    assert problem.startswith("tick_never_reached.yaml:5:61: $.upsets.events[0].tick: tick 999:")
    assert "expected 0 (before it begins) to " in problem
    assert hil("run", HERE / name, "--out", "r", "--no-tui").code == 2


# --- adapters and ports -------------------------------------------------------------------------


def test_f05_three_adapters_with_one_number_are_written_so_that_they_are_accepted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ports: list[Any] = [
        SimpleNamespace(
            device=f"/dev/ttyUSB{i}",
            name=f"ttyUSB{i}",
            serial_number="0001",
            description="CP2102 USB to UART Bridge Controller",
            location=f"1-1.{i + 1}:1.0",
        )
        for i in range(3)
    ]
    monkeypatch.setattr("hil.rig.discovery.adapters.list_ports.comports", lambda: list(ports))
    monkeypatch.setattr(adapters_module, "BY_ID", tmp_path)
    assert {a.identity for a in adapters()} == {f"usb-path:1-1.{i}:1.0" for i in (1, 2, 3)}


def test_f31_a_url_without_a_port_number_is_refused_before_it_is_opened(hil: Hil) -> None:
    (problem,) = told("bench/socket_without_port.yaml")
    assert "has no port number; expected socket://HOST:PORT" in problem
    done = hil("discover", "socket://127.0.0.1")
    assert done.code == 2 and "has no port number" in done.err


# --- supplies -----------------------------------------------------------------------------------


def test_f08_the_settings_of_a_supplys_serial_line_are_named_with_what_is_used() -> None:
    found = told("bench/scpi_serial_settings.yaml")
    assert [problem.split(": ")[1] for problem in found] == [
        "$.boards[0].power.baud",
        "$.boards[0].power.stop_bits",
    ]
    for problem in found:
        assert "9600 baud, 8 data bits, no parity, 1 stop bit" in problem
        assert "USB or network" in problem


class _Siglent:
    """As an SPD3303X: OUTP CH1,ON in place of OUTP ON, and no OUTP? at all."""

    def write(self, command: str) -> None:
        pass

    def query(self, command: str) -> str:
        if command != "*IDN?":
            raise TimeoutError("VI_ERROR_TMO (-1073807339): Timeout expired")
        return "Siglent Technologies,SPD3303X,SPD3X,1.01,V1.0"

    def close(self) -> None:
        pass


def test_f07_a_command_that_a_supply_may_not_know_is_said_to_be_that(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    manager = SimpleNamespace(open_resource=lambda *_, **__: _Siglent(), close=lambda: None)
    monkeypatch.setattr(scpi, "_visa", lambda: SimpleNamespace(ResourceManager=lambda _: manager))
    power = make("left", SupplyConfig.model_validate({"kind": "scpi", "resource": "X"}))
    with pytest.raises(SetupError) as caught:
        power.on()
    assert "`OUTP?`" in caught.value.message and "SPD3303X" in caught.value.message
    assert "it may not know this command" in (caught.value.remedy or "")
    power.close()


class _PeakAtTheLimit:
    """A supply of 2 A whose board draws the limit in its first measurements, then 0.7 A."""

    def __init__(self, measurements_at_limit: int) -> None:
        self.at_limit = measurements_at_limit
        self.on = True

    def write(self, command: str) -> None:
        self.on = {"OUTP ON": True, "OUTP OFF": False}.get(command, self.on)

    def query(self, command: str) -> str:
        if command == "MEAS:CURR?":
            self.at_limit -= 1
            return "2.000" if self.at_limit >= 0 else "0.700"
        return {"*IDN?": "ACME", "OUTP?": str(int(self.on))}[command]

    def close(self) -> None:
        pass


@pytest.mark.parametrize(("measurements_at_limit", "cut"), [(0, False), (1, False), (2, True)])
def test_f06_a_peak_is_cut_if_two_consecutive_measurements_see_it_as_documented(
    monkeypatch: pytest.MonkeyPatch, measurements_at_limit: int, cut: bool
) -> None:
    instrument = _PeakAtTheLimit(measurements_at_limit)
    manager = SimpleNamespace(open_resource=lambda *_, **__: instrument, close=lambda: None)
    monkeypatch.setattr(scpi, "_visa", lambda: SimpleNamespace(ResourceManager=lambda _: manager))
    settings = {"kind": "scpi", "resource": "X", "current_limit_a": 2.0}
    power = make("left", SupplyConfig.model_validate(settings))
    assert (power.watch() is not None) is cut
    assert instrument.on is not cut
    power.close()


@pytest.mark.parametrize(
    "printed", (HERE / "bench" / "not_two_numbers.txt").read_text().split("\n")[:-1]
)
def test_f09_what_is_not_two_numbers_is_refused_as_it_was_printed(printed: str) -> None:
    settings = {"kind": "command", "on": "true", "off": "true", "read": ["printf", "%s", printed]}
    power = make("left", SupplyConfig.model_validate(settings))
    with pytest.raises(SetupError, match="expected volts and amperes") as caught:
        power.read()
    assert repr(printed) in caught.value.message
