"""What `hil discover` writes is accepted, whatever adapters and boards call themselves.

Public reports behind this: CP2102 adapters that are all "0001" (espressif/esptool 1026,
indilib/indi 1444), copies of the FT232 that are all A50285BI, adapters without a number."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from serial.tools import list_ports, list_ports_linux

from hil.errors import SetupError
from hil.rig.discovery import adapters as module
from hil.rig.discovery.adapters import Adapter, adapters, find
from hil.rig.discovery.bench_file import Discovery, merge
from hil.rig.discovery.probe import ProbeResult
from hil.scenario.bench import parse_bench
from hil.wire.messages import Hello

NUMBERS = (
    "0001",
    "0001",
    "0001",
    "A50285BI",
    "A50285BI",
    None,
    None,
    "",
    "with space",
    "tab\there",
    'quo"te',
    "apo'strophe",
    "1:1.0",
    "a:b:c",
    "back\\slash",
    "new\nline",
    "\x1b[31mred",
    "\x00",
    "caf\xe9",
    "\u202eabc",
    "\U0001f600",
    "\udcff\udcfe",
    "x" * 300,
    "null",
    "true",
    "yes",
    "1e5",
    "0x10",
    "# no comment",
    "{a: b}",
    "- a",
    "&anchor",
    "*alias",
    "!tag",
    "%d",
    "@home",
    "~",
    "-",
    "00:11:22:33",
    "FT4ABC",
)
SOCKETS = ("1-1", "1-1.2", "3-2.1.4", "usb1", None, "1-1.2", "../x", "1-1 ")
MODELS = (
    "",
    "Raspberry Pi 4 Model B Rev 1.4",
    "x\n  - {name: evil, port: /dev/evil}",
    "# a\r\n# b",
    "\x1b]0;title\x07",
    "\u2028",
    "\ufffe",
    "Pi\x85",
    "\U0001f600",
    "a" * 31,
    "'",
    '"',
    "&a *b",
)


@pytest.fixture
def plugged(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Any]:
    ports: list[Any] = []
    monkeypatch.setattr(list_ports, "comports", lambda: list(ports))
    monkeypatch.setattr(module, "BY_ID", tmp_path / "by-id")
    return ports


def port(device: str, serial: str | None, location: str | None) -> Any:
    return SimpleNamespace(
        device=device, name=device, description="n/a", serial_number=serial, location=location
    )


def odd_ports(rng: random.Random) -> list[Any]:
    ports = []
    for index in range(rng.randint(1, 6)):
        socket = rng.choice(SOCKETS)
        interface = rng.choice(("", ":1.0", f":1.{index}", ":x", ":"))
        location = None if socket is None else f"{socket}{interface}"
        ports.append(port(f"/dev/ttyUSB{index}", rng.choice(NUMBERS), location))
    return ports


def hello_of(rng: random.Random, boot_id: int) -> Hello:
    return Hello(
        wire_version=2,
        pointer_bits=64,
        cores=4,
        memory_mib=906,
        boot_id=boot_id,
        uptime_us=1,
        targets=frozenset({"state"}),
        gpr_count=34,
        vector_bytes=528,
        port="linux",
        arch="aarch64",
        version="0.1.0",
        board=rng.choice(MODELS),
        serial=rng.choice((*NUMBERS, "", "")) or "",
    )


def probed(here: list[Adapter], hellos: dict[str, Hello]) -> list[ProbeResult]:
    """Every adapter has a board behind it, which is known by where it hung first."""
    return [ProbeResult(a.device, a, 115200, hellos[a.device]) for a in here]


@pytest.mark.parametrize("seed", range(80))
def test_what_is_written_is_accepted_and_found_again(
    plugged: list[Any], tmp_path: Path, seed: int
) -> None:
    rng = random.Random(seed)
    plugged += odd_ports(rng)
    here = adapters()
    hellos = {a.device: hello_of(rng, index + 1) for index, a in enumerate(here)}
    bench = tmp_path / "b.yaml"
    found = Discovery(probed(here, hellos), bench=bench)
    text = merge(found, None, bench, here)
    boards = parse_bench(text).boards
    assert [board.name for board in boards] == [found.names[a.device] for a in here]

    for board, adapter in zip(boards, here, strict=True):
        assert board.port == adapter.device
        assert board.serial in {None, hellos[adapter.device].serial}
        if board.adapter is not None:
            assert find(board.adapter) == adapter.device

    bench.write_text(text, encoding="utf-8")
    again = Discovery(probed(here, hellos), bench=bench)
    assert merge(again, parse_bench(text), bench, here) == text
    assert again.changes == []


@pytest.mark.parametrize("seed", range(40))
def test_boards_that_are_known_by_their_adapter_are_found_under_other_devices(
    plugged: list[Any], tmp_path: Path, seed: int
) -> None:
    rng = random.Random(1000 + seed)
    plugged += odd_ports(rng)
    here = adapters()
    hellos = {a.device: replace(hello_of(rng, i + 1), serial="") for i, a in enumerate(here)}
    bench = tmp_path / "b.yaml"
    text = merge(Discovery(probed(here, hellos), bench=bench), None, bench, here)
    bench.write_text(text, encoding="utf-8")
    before = parse_bench(text).boards

    devices = [p.device for p in plugged]
    rng.shuffle(devices)
    moved = dict(zip([p.device for p in plugged], devices, strict=True))
    for p in plugged:
        p.device = moved[p.device]
    here = adapters()
    after = merge(
        Discovery(probed(here, {moved[d]: h for d, h in hellos.items()}), bench=bench),
        parse_bench(text),
        bench,
        here,
    )
    for old, new in zip(before, parse_bench(after).boards, strict=False):
        assert old.name == new.name and old.adapter == new.adapter
        if old.adapter is not None and old.port is not None:
            assert new.port == moved[old.port]


def test_a_number_that_others_have_too_gives_way_to_the_socket(
    plugged: list[Any], tmp_path: Path
) -> None:
    """One adapter was plugged in first; two more that call themselves the same come later."""
    rng = random.Random(1)
    plugged.append(port("/dev/ttyUSB0", "0001", "1-1.1:1.0"))
    bench = tmp_path / "b.yaml"
    here = adapters()
    hellos = {"/dev/ttyUSB0": replace(hello_of(rng, 1), serial="")}
    text = merge(Discovery(probed(here, hellos), bench=bench), None, bench, here)
    assert parse_bench(text).boards[0].adapter == "usb-serial:0001"
    bench.write_text(text)

    plugged += [port(f"/dev/ttyUSB{n}", "0001", f"1-1.{n + 1}:1.0") for n in (1, 2)]
    with pytest.raises(SetupError, match="3 ports, of several adapters") as caught:
        find("usb-serial:0001")
    assert "usb-path:1-1.1:1.0 (/dev/ttyUSB0)" in (caught.value.remedy or "")

    here = adapters()
    hellos |= {f"/dev/ttyUSB{n}": replace(hello_of(rng, n + 1), serial="") for n in (1, 2)}
    found = Discovery(probed(here, hellos), bench=bench)
    boards = parse_bench(merge(found, parse_bench(text), bench, here)).boards
    assert [b.adapter for b in boards] == [f"usb-path:1-1.{n}:1.0" for n in (1, 2, 3)]
    notes = found.report().notes
    assert sum("3 adapters have the serial number 0001" in note for note in notes) == 3


def test_a_device_without_a_text_description_does_not_hide_others(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    dev = tmp_path / "dev"
    dev.mkdir()
    for name in ("ttyUSB0", "ttyUSB1"):
        (dev / name).touch()

    def comports() -> list[Any]:
        raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")

    def sysfs(device: str) -> Any:
        if device.endswith("0"):
            comports()
        return SimpleNamespace(
            device=device,
            name="x",
            description="n/a",
            serial_number="AAA",
            location="1-1:1.0",
            subsystem="usb-serial",
        )

    monkeypatch.setattr(list_ports, "comports", comports)
    monkeypatch.setattr(list_ports_linux, "SysFS", sysfs)
    monkeypatch.setattr(module, "DEV", dev)
    monkeypatch.setattr(module, "BY_ID", tmp_path / "none")
    assert [(a.device, a.identity) for a in adapters()] == [
        (str(dev / "ttyUSB0"), None),
        (str(dev / "ttyUSB1"), "usb-serial:AAA"),
    ]
