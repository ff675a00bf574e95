"""Adapters are known by what they are, whatever number they got."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from serial.tools import list_ports

from hil.errors import SetupError
from hil.rig.discovery import adapters as module
from hil.rig.discovery.adapters import adapters, find
from hil.rig.discovery.bench_file import _candidates
from hil.scenario.bench import parse_bench


def port(device: str, serial: str | None = None, location: str | None = None) -> Any:
    return SimpleNamespace(
        device=device, name=device, description="n/a", serial_number=serial, location=location
    )


@pytest.fixture
def plugged(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Any]:
    """What is plugged in, to be changed."""
    ports: list[Any] = []
    monkeypatch.setattr(list_ports, "comports", lambda: list(ports))
    monkeypatch.setattr(module, "BY_ID", tmp_path)
    return ports


def test_an_adapter_is_found_under_whatever_number(plugged: list[Any]) -> None:
    plugged += [port("/dev/ttyUSB0", "AAA", "1-1.2:1.0"), port("/dev/ttyUSB1", "BBB", "1-1.3:1.0")]
    assert find("usb-serial:AAA") == "/dev/ttyUSB0"
    plugged[0].device, plugged[1].device = "/dev/ttyUSB1", "/dev/ttyUSB0"
    assert find("usb-serial:AAA") == "/dev/ttyUSB1"
    assert find("usb-path:1-1.3:1.0") == find("usb-path:1-1.3") == "/dev/ttyUSB0"


def test_a_missing_adapter_is_reported_with_those_present(plugged: list[Any]) -> None:
    plugged += [port("/dev/ttyUSB0", "AAA", "1-1.2:1.0"), port("/dev/ttyAMA0")]
    with pytest.raises(SetupError, match="usb-serial:XYZ is not plugged in") as caught:
        find("usb-serial:XYZ")
    assert "usb-serial:AAA (/dev/ttyUSB0)" in (caught.value.remedy or "")


def test_ports_of_one_adapter_are_distinguished(plugged: list[Any]) -> None:
    plugged += [port(f"/dev/ttyUSB{n}", "QUAD", f"1-1:1.{n}") for n in range(4)]
    assert [a.identity for a in adapters()] == [f"usb-serial:QUAD:1.{n}" for n in range(4)]
    assert find("usb-serial:QUAD:1.2") == "/dev/ttyUSB2"
    with pytest.raises(SetupError, match="has 4 ports") as caught:
        find("usb-serial:QUAD")
    assert "usb-serial:QUAD:1.3" in (caught.value.remedy or "")


def test_those_without_a_number_are_known_by_their_socket(plugged: list[Any]) -> None:
    plugged += [port("/dev/ttyUSB0", None, "3-2.1:1.0"), port("/dev/ttyAMA0")]
    first, second = adapters()
    assert (first.identity, second.identity) == (None, "usb-path:3-2.1:1.0")


def test_names_that_stay_are_used(plugged: list[Any], tmp_path: Path) -> None:
    (tmp_path / "tty").touch()
    (tmp_path / "usb-FTDI-if00").symlink_to(tmp_path / "tty")
    plugged.append(port(str(tmp_path / "tty"), "AAA"))
    found = {a.device: a.stable for a in adapters()}
    assert found[str(tmp_path / "tty")] in {str(tmp_path / "tty"), str(tmp_path / "usb-FTDI-if00")}


def test_the_consoles_of_a_bench_are_not_asked_whether_they_are_boards(plugged: list[Any]) -> None:
    plugged += [
        port("/dev/ttyUSB0", "AAA", "1-1.2:1.0"),
        port("/dev/ttyUSB1", "BBB", "1-1.3:1.0"),
        port("/dev/ttyUSB2", "CCC", "1-1.4:1.0"),
    ]
    bench = parse_bench(
        "schema: 1\nboards:\n"
        "  - {name: a, port: /dev/ttyUSB0, console: usb-serial:BBB}\n"
        "  - {name: b, port: /dev/ttyUSB7, console: /dev/ttyUSB2}\n"
    )
    asked = [candidate.port for candidate in _candidates((), bench, adapters())]
    assert asked == ["/dev/ttyUSB0", "/dev/ttyUSB7"]
    named = [candidate.port for candidate in _candidates(["/dev/ttyUSB1"], bench, adapters())]
    assert named == ["/dev/ttyUSB1"], "who names it wants it"
