"""The space packets of a run over TCP, as ground systems read them, and the files for these."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import yaml

from hil.export import ccsds_feed, feed_files
from hil.export.ccsds_feed import PacketFeed
from hil.export.ccsds_packets import PACKETS, TIME_FIELDS
from hil.export.ccsds_stream import write_packets
from tests.waiting import wait_until

FILES = Path(feed_files.__file__).parent / "files"
PRIMARY = 6


@pytest.fixture
def packets(flown: Path, tmp_path: Path) -> bytes:
    pytest.importorskip("spacepackets")
    write_packets(flown, tmp_path / "run.ccsds")
    return (tmp_path / "run.ccsds").read_bytes()


@pytest.fixture
def feed(packets: bytes, flown: Path) -> Iterator[PacketFeed]:
    with closing(PacketFeed(flown, "127.0.0.1", 0)) as served:
        yield served


def received(connection: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size and (part := connection.recv(1 << 16)):
        data += part
    return bytes(data)


def test_a_client_that_has_everything_keeps_its_connection(
    feed: PacketFeed, packets: bytes
) -> None:
    """Yamcs and OpenC3 connect again to what has closed, and would get it all once more."""
    with socket.create_connection(("127.0.0.1", feed.port), timeout=30) as connection:
        assert received(connection, len(packets)) == packets
        connection.settimeout(3 * ccsds_feed._POLL_S)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        assert feed.is_waited_for
    wait_until(lambda: not feed.is_waited_for)


def test_until_the_end_a_connection_ends_with_the_run(packets: bytes, flown: Path) -> None:
    with (
        closing(PacketFeed(flown, "127.0.0.1", 0, until_end=True)) as feed,
        socket.create_connection(("127.0.0.1", feed.port), timeout=30) as connection,
    ):
        assert received(connection, len(packets) + 1) == packets


def test_until_the_end_a_connection_ends_with_a_run_that_was_killed(killed: Path) -> None:
    pytest.importorskip("spacepackets")
    with (
        closing(PacketFeed(killed, "127.0.0.1", 0, until_end=True)) as feed,
        socket.create_connection(("127.0.0.1", feed.port), timeout=30) as connection,
    ):
        packets = received(connection, 1 << 20)
    assert b"killed" in packets and b"running" not in packets


def test_yamcs_and_openc3_are_told_where_time_and_length_of_a_packet_are() -> None:
    yamcs = yaml.safe_load((FILES / "yamcs.hil.yaml").read_text(encoding="utf-8"))
    how = yamcs["dataLinks"][0]["packetPreprocessorArgs"]
    assert how["timeEncoding"]["type"] == "FLOAT64" and how["timeEncoding"]["epoch"] == "UNIX"
    for packet in PACKETS:
        before = [*TIME_FIELDS, *packet.fields]
        names = [field.name for field in before]
        at = PRIMARY + sum(field.bits for field in before[: names.index("unix_s")]) // 8
        assert at == how["timestampOffset"]
    streams = yamcs["streamConfig"]
    assert yamcs["dataLinks"][0]["stream"] in {stream["name"] for stream in streams["tm"]}
    interface = (FILES / "plugin.txt").read_text(encoding="utf-8").partition("INTERFACE")[2]
    where = re.search(r"LENGTH (\d+) (\d+) (\d+) (\d+) BIG_ENDIAN", interface)
    # CCSDS 133.0-B: 16 bits behind 32, one less than the bytes behind the primary header
    assert where is not None and where.groups() == ("32", "16", str(PRIMARY + 1), "1")
