"""Lines that do something to bytes: noise that costs nothing, and faults that are named.

Public reports behind these cases: bytes before a transmission (rhjdjong/SlipLib, plerup's
espsoftwareserial, raspberrypi/linux 7409), 0xFF doubled by a port server in telnet mode
(cminyard/ser2net 91, teraterm 499), flow control that is not switched off (ser2net 85)."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from hil.rig.discovery.bench_file import discover
from tests.amount import mostly_slow
from tests.command_line import Hil
from tests.field.defective_line import (
    Defect,
    agent_behind,
    doubled,
    even_parity,
    mark_parity,
    noise,
    odd_parity,
    seven_bits,
    telnet_server,
    translated,
    whole,
    without,
)

SCENARIO = "workload: sha256\nframes: 120\nrig: {scheme: simplex}\nexpect: {availability: 1}\n"
BANNER = b"ser2net port 4000 device /dev/ttyUSB0 [115200N81] (Debian GNU/Linux)\r\n"
NEGOTIATION = b"\xff\xfb\x03\xff\xfb\x01\xff\xfd\x2c"


def run_on(hil: Hil, port: str) -> tuple[int, str]:
    bench = hil.write("b.yaml", f'schema: 1\nboards:\n  - {{name: x, port: "{port}"}}\n')
    scenario = hil.write("s.yaml", SCENARIO)
    done = hil("run", scenario, "--bench", bench, "--out", "r", "--no-tui")
    return done.code, done.out + done.err


@pytest.mark.parametrize(
    ("to_board", "to_host", "greeting"),
    [
        pytest.param(whole, noise(1, 1), b"", id="a byte before each answer"),
        pytest.param(
            noise(1, 1), whole, b"", id="a byte before each request", marks=pytest.mark.slow
        ),
        pytest.param(noise(50, 128), noise(50, 128), b"", id="much", marks=pytest.mark.slow),
        pytest.param(whole, whole, BANNER, id="a banner", marks=pytest.mark.slow),
        pytest.param(whole, whole, NEGOTIATION, id="telnet options", marks=pytest.mark.slow),
    ],
)
def test_noise_before_transmissions_costs_no_frame_and_few_repetitions(
    hil: Hil, to_board: Defect, to_host: Defect, greeting: bytes
) -> None:
    with agent_behind(to_board, to_host, greeting) as port:
        assert discover([port]).answered
        code, text = run_on(hil, port)
    assert code == 0, text
    with closing(sqlite3.connect(hil.cwd / "r" / "run.db")) as db:
        sent, again = db.execute("SELECT max(tx_frames), max(retries) FROM links").fetchone()
    assert sent >= 120 and again <= sent / 10


FAULTS = [
    pytest.param(
        doubled(0xFF), doubled(0xFF), "0xFF is doubled", "both ways", "rfc2217://", id="telnet"
    ),
    pytest.param(
        telnet_server, whole, "0xFF is doubled", "to the board", "rfc2217://", id="telnet server"
    ),
    pytest.param(
        whole, doubled(0xFF), "0xFF is doubled", "from the board", "raw mode", id="telnet client"
    ),
    pytest.param(
        without(0x11, 0x13),
        without(0x11, 0x13),
        "bytes 0x11 and 0x13 are swallowed",
        "both ways",
        "XON/XOFF",
        id="xonxoff",
    ),
    pytest.param(
        whole, without(0x13), "byte 0x13 is swallowed", "from the board", "XON/XOFF", id="xoff"
    ),
    pytest.param(
        seven_bits, whole, "from 0x80 up lose their highest bit", "to the board", "8N1", id="7 out"
    ),
    pytest.param(whole, seven_bits, "lose their highest bit", "from the board", "8N1", id="7 back"),
    pytest.param(
        seven_bits, seven_bits, "lose their highest bit", "from the board", "8N1", id="7 bits"
    ),
    pytest.param(whole, even_parity, "even parity", "from the board", "8N1", id="even"),
    pytest.param(whole, odd_parity, "odd parity", "from the board", "8N1", id="odd"),
    pytest.param(whole, mark_parity, "highest bit set", "from the board", "8N1", id="mark"),
    pytest.param(even_parity, whole, "damaged at the board", "", "8N1", id="even out"),
    pytest.param(
        translated(b"\r", b"\n"),
        translated(b"\n", b"\r\n"),
        "bytes 0x0a and 0x0d are translated",
        "",
        "raw mode",
        id="line ends",
    ),
    pytest.param(
        whole,
        without(0x03, 0x1A),
        "bytes 0x03, 0x1a are changed or lost",
        "from the board",
        "raw bytes",
        id="control characters",
    ),
    pytest.param(
        doubled(0xFF),
        without(0x11, 0x13),
        "0xFF is doubled",
        "0x11 and 0x13 are swallowed",
        "XON/XOFF",
        id="two faults",
    ),
]


@pytest.mark.parametrize(
    ("to_board", "to_host", "what", "way", "remedy"), mostly_slow(FAULTS, keep=1)
)
def test_a_line_that_changes_bytes_is_named_by_discover(
    tmp_path: Path, to_board: Defect, to_host: Defect, what: str, way: str, remedy: str
) -> None:
    bench = tmp_path / "b.yaml"
    with agent_behind(to_board, to_host) as port:
        found = discover([port], bench=bench)
    (entry,) = found.probed
    assert entry.why == "line" and entry.hello is None, entry
    assert what in entry.reason and way in entry.reason
    assert remedy in entry.remedy
    assert not bench.exists()


@pytest.mark.parametrize(
    ("to_board", "to_host", "what", "way", "remedy"),
    [
        pytest.param(*fault.values, marks=() if fault.id == "telnet" else pytest.mark.slow)
        for fault in FAULTS
        if fault.id in {"telnet", "xonxoff", "7 bits", "even out"}
    ],
)
@pytest.mark.slow
def test_a_line_that_changes_bytes_is_named_by_the_run_that_it_prevents(
    hil: Hil, to_board: Defect, to_host: Defect, what: str, way: str, remedy: str
) -> None:
    with agent_behind(to_board, to_host) as port:
        code, text = run_on(hil, port)
    text = " ".join(text.split())
    assert code == 3
    assert what in text and way in text and remedy in text
