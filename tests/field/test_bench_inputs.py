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
from hil.errors import ConfigError, SetupError
from hil.rig.backends.process import find_agent
from hil.rig.discovery import adapters as adapters_module
from hil.rig.discovery.adapters import adapters
from hil.rig.power import make
from hil.scenario import load_bench
from hil.scenario.supply import SupplyConfig
from tests.command_line import Hil, wait_for_row
from tests.rig.supplies.running import running_supply

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


@pytest.mark.slow
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


def test_f08_the_serial_line_of_a_supply_has_the_settings_of_the_bench_file() -> None:
    bench = load_bench(HERE / "bench" / "scpi_serial_settings.yaml")
    power = bench.boards[0].power
    assert power is not None and (power.baud, power.stop_bits) == (115200, 2)


def test_f08_a_supply_on_the_network_has_no_line_to_set(tmp_path: Path) -> None:
    text = (HERE / "bench" / "scpi_serial_settings.yaml").read_text()
    file = tmp_path / "bench.yaml"
    file.write_text(text.replace("ASRL/dev/ttyUSB9::INSTR", "TCPIP::10.0.0.9::INSTR"))
    with pytest.raises(ConfigError, match="only a supply on a serial line has `baud`"):
        load_bench(file)


def test_f07_a_command_that_a_supply_does_not_know_is_named_with_the_remedy(tmp_path: Path) -> None:
    pytest.importorskip("pyvisa_py", reason="pyvisa-py is not installed")
    siglent = ("--dialect", "siglent", "--idn", "Siglent Technologies,SPD3303X,SPD3X,1.01,V1.0")
    with running_supply(tmp_path, *siglent) as supply:
        power = supply.power("left", 1, dialect="single", timeout_s=0.5)
        with pytest.raises(SetupError) as caught:
            power.on()
        power.close()
        assert "`OUTP?`" in caught.value.message and "SPD3303X" in caught.value.message
        assert "it may not know this command" in (caught.value.remedy or "")
        assert "`dialect:`" in (caught.value.remedy or "")
        power = supply.power("left", 1)
        power.off()
        power.on()
        power.close()


def test_f06_a_board_whose_current_peaks_for_10_ms_keeps_its_power(tmp_path: Path) -> None:
    pytest.importorskip("pyvisa_py", reason="pyvisa-py is not installed")
    with running_supply(tmp_path) as supply:
        power = supply.power("left", 1, current_limit_a=2.0)
        power.on()
        supply.order("peak 1 0.01")
        assert power.watch() is None and power.gives_power()
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
