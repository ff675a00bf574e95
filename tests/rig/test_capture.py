"""The raw capture, read by foreign parsers."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from hil.engine.loop import Loop, RunSetup
from hil.record.reader import Reader
from hil.rig import capture as capture_module
from hil.rig.backends.inproc import InprocBoard
from hil.rig.capture import INBOUND, LINKTYPE_USER0, OUTBOUND, Capture
from hil.rig.node import Node
from hil.scenario import Scenario

NOT_THERE = "python-pcapng is not installed"


def scenario(board: str, frames: int) -> Scenario:
    return Scenario.model_validate(
        {"workload": "sha256", "frames": frames, "rig": {"scheme": "tmr", "board": board}}
    )


def blocks_of(path: Path) -> list[Any]:
    pcapng = pytest.importorskip("pcapng", reason=NOT_THERE)
    with path.open("rb") as file:
        return list(pcapng.FileScanner(file))


def parsed(path: Path) -> tuple[list[str], list[Any]]:
    """Return the names of the interfaces, and the packets."""
    blocks = pytest.importorskip("pcapng.blocks", reason=NOT_THERE)
    found = blocks_of(path)
    names = [b.options["if_name"] for b in found if isinstance(b, blocks.InterfaceDescription)]
    assert all(
        b.link_type == LINKTYPE_USER0 for b in found if isinstance(b, blocks.InterfaceDescription)
    )
    return names, [b for b in found if isinstance(b, blocks.EnhancedPacket)]


def totals(packets: list[Any]) -> dict[tuple[int, int], int]:
    out: dict[tuple[int, int], int] = defaultdict(int)
    for packet in packets:
        direction = packet.options["epb_flags"].inout
        number = {"inbound": INBOUND, "outbound": OUTBOUND}.get(direction, direction)
        out[packet.interface_id, number] += len(packet.packet_data)
    return out


@pytest.mark.parametrize("board", ["inproc", "process"])
def test_a_capture_has_every_byte_with_its_direction_and_time(tmp_path: Path, board: str) -> None:
    Loop(scenario(board, 120), tmp_path, setup=RunSetup(capture=True)).run()
    names, packets = parsed(tmp_path / "capture.pcapng")
    assert names == ["a", "b", "c"]
    reader = Reader(tmp_path)
    links = reader.rows("SELECT * FROM links ORDER BY node")
    reader.close()
    counted = totals(packets)
    for link in links:
        assert counted[link["node"], OUTBOUND] == link["tx_bytes"]
        assert counted[link["node"], INBOUND] == link["rx_bytes"]
    times = [p.timestamp for p in packets]
    assert times == sorted(times) and times[-1] - times[0] < 60


def test_a_run_has_the_same_digest_with_and_without_a_capture(tmp_path: Path) -> None:
    digests = []
    for name, capture in (("with", True), ("without", False)):
        (tmp_path / name).mkdir()
        digests.append(
            Loop(scenario("inproc", 300), tmp_path / name, setup=RunSetup(capture=capture)).run()
        )
    assert digests[0].run_digest == digests[1].run_digest


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
def test_wireshark_opens_a_capture(tmp_path: Path) -> None:
    Loop(scenario("inproc", 20), tmp_path, setup=RunSetup(capture=True)).run()
    fields = ("frame.interface_name", "frame.p2p_dir", "frame.packet_flags_direction", "frame.len")
    command = ["tshark", "-r", str(tmp_path / "capture.pcapng"), "-T", "json"]
    for name in fields:
        command += ["-e", name]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    packets = json.loads(done.stdout)
    _, mine = parsed(tmp_path / "capture.pcapng")
    assert len(packets) == len(mine) > 100
    layers = [p["_source"]["layers"] for p in packets]
    assert {layer["frame.interface_name"][0] for layer in layers} == {"a", "b", "c"}
    directions = {int(layer["frame.packet_flags_direction"][0], 0) for layer in layers}
    assert directions == {INBOUND, OUTBOUND}


KILLED = """
import os, signal, sys
from pathlib import Path
from hil.engine.loop import Loop, RunSetup
from hil.scenario import Scenario
s = Scenario.model_validate({"workload": "sha256", "frames": 1000000,
                             "rig": {"scheme": "tmr", "board": "inproc"}})
out = Path(sys.argv[1])
def stop():
    if loop._tape.path.stat().st_size > 200_000:
        os.kill(os.getpid(), signal.SIGKILL)
    return False
loop = Loop(s, out, setup=RunSetup(capture=True), stop=stop)
loop.run()
"""


@pytest.mark.slow
def test_the_capture_of_a_killed_run_can_be_read(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL
    _, packets = parsed(tmp_path / "capture.pcapng")
    assert sum(len(p.packet_data) for p in packets) > 100_000


def test_packets_that_a_slow_disk_costs_are_counted_and_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capture_module, "_QUEUE_BYTES", 100)
    node = Node("a", 0, InprocBoard("a", 0))
    capture = Capture(tmp_path / "c.pcapng", [node])
    with capture._more:  # the writing thread takes nothing from the queue meanwhile
        for _ in range(5):
            capture.take(0, OUTBOUND, bytes(40))
    assert capture.failure == "the capture dropped 3 packets: the disk was too slow"
    capture.close()
    assert node.tap is None
    blocks = pytest.importorskip("pcapng.blocks", reason=NOT_THERE)
    found = blocks_of(tmp_path / "c.pcapng")
    (end,) = [b for b in found if isinstance(b, blocks.InterfaceStatistics)]
    assert end.options["isb_ifdrop"] == 3


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_ends_the_capture_and_not_the_run(tmp_path: Path) -> None:
    node = Node("a", 0, InprocBoard("a", 0))
    capture = Capture(tmp_path / "c.pcapng", [node])
    fd = os.open("/dev/full", os.O_WRONLY)
    os.dup2(fd, capture._fd)
    os.close(fd)
    capture.take(0, OUTBOUND, b"x")
    capture._thread.join(10)
    capture.take(0, OUTBOUND, b"y")
    assert capture.failure == "the capture ended early: No space left on device"
    capture.close()
