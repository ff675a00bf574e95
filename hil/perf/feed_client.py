"""A client of `hil feed` for measurements, as a process of its own: `python -m` this module.

It takes all packets, reads the endpoint for Prometheus once a second, and prints what it got as
JSON when the feed ends. It knows the packets by their primary headers alone."""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import urllib.request
from typing import Final

from hil.export.ccsds_packets import FRAME, TIME_FIELDS

__all__ = ["received_frames"]

_HEADER: Final = 6
_BODY: Final = _HEADER + sum(field.bits for field in TIME_FIELDS) // 8
_SCRAPE_S: Final = 1.0
_NICE: Final = 10


def received_frames(data: bytes) -> list[int]:
    """Return the numbers of the frames in a stream of space packets, in their order."""
    frames, at = [], 0
    while at < len(data):
        if int.from_bytes(data[at : at + 2], "big") & 0x7FF == FRAME.apid:
            frames.append(int.from_bytes(data[at + _BODY : at + _BODY + 8], "big"))
        at += _HEADER + 1 + int.from_bytes(data[at + 4 : at + 6], "big")
    return frames


def _scrape(url: str, ended: threading.Event, sizes: list[int]) -> None:
    while not ended.wait(_SCRAPE_S):
        with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310  (our own endpoint)
            sizes.append(len(answer.read()))


def main(packets: str, metrics: str) -> None:
    """Take the packets at one address until they end, and the metrics at another meanwhile."""
    os.nice(_NICE)  # it stands for another computer
    host, _, port = packets.rpartition(":")
    ended, sizes, data = threading.Event(), [0], bytearray()
    url = f"http://{metrics}/metrics"
    scraping = threading.Thread(target=_scrape, args=(url, ended, sizes))
    with socket.create_connection((host, int(port))) as connection:
        scraping.start()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while part := connection.recv(1 << 16):
            data += part
    ended.set()
    scraping.join()
    frames = received_frames(bytes(data))
    sys.stdout.write(json.dumps({"frames": frames, "scrapes": len(sizes) - 1}))


if __name__ == "__main__":
    main(*sys.argv[1:])
