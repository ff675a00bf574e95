"""Raw capture: every byte of every link, with its time, as a pcapng file that Wireshark opens.

    SHB, then one IDB per link (if_name is the name of the node), then an EPB per write or read, and
    at the end an ISB per link that dropped packets, with their number (isb_ifdrop).

A packet holds the bytes of one write or one read, which need not be whole frames. They have the
LINKTYPE_USER0 (147): as they are on the line, without any header. The direction is in epb_flags:
outbound (2) from host to board, inbound (1) from board to host. Times are UTC in microseconds.
(draft-ietf-opsawg-pcapng; https://www.tcpdump.org/linktypes.html)

The loop only puts bytes into a queue of bounded size; a thread writes whole blocks, so the file can
be read up to its last block however the process ends. A packet that does not fit in the queue is
dropped and counted.
"""

from __future__ import annotations

import os
import struct
import threading
import time
from collections import deque
from pathlib import Path
from typing import Final

from hil.errors import SetupError
from hil.rig.backends.capabilities import rate_of, set_rate
from hil.rig.node import Node
from hil.rig.transport import LineRate, Transport

LINKTYPE_USER0: Final = 147
INBOUND: Final = 1
OUTBOUND: Final = 2

_QUEUE_BYTES: Final = 8 << 20
_BATCH_BYTES: Final = 1 << 18
_SHB, _IDB, _ISB, _EPB = 0x0A0D0D0A, 1, 5, 6
_OPT_END, _IF_NAME, _EPB_FLAGS, _ISB_IFDROP, _SHB_USERAPPL = 0, 2, 2, 5, 4


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def _option(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + _padded(value)


def _block(kind: int, body: bytes) -> bytes:
    length = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + length + body + length


def section_header(program: str) -> bytes:
    """Return the block that begins a pcapng file (SHB); `program` has written it."""
    body = struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)
    return _block(_SHB, body + _option(_SHB_USERAPPL, program.encode()) + _option(_OPT_END, b""))


def interface(name: str) -> bytes:
    """Return the block that describes a link (IDB)."""
    body = struct.pack("<HHI", LINKTYPE_USER0, 0, 0)
    return _block(_IDB, body + _option(_IF_NAME, name.encode()) + _option(_OPT_END, b""))


def packet(index: int, time_us: int, direction: int, data: bytes) -> bytes:
    """Return the block of one packet (EPB) on link `index`; `time_us` is UTC."""
    head = struct.pack("<5I", index, time_us >> 32, time_us & 0xFFFFFFFF, len(data), len(data))
    flags = _option(_EPB_FLAGS, struct.pack("<I", direction)) + _option(_OPT_END, b"")
    return _block(_EPB, head + _padded(data) + flags)


def statistics(index: int, time_us: int, dropped: int) -> bytes:
    """Return the block with the number of packets that link `index` dropped (ISB)."""
    head = struct.pack("<3I", index, time_us >> 32, time_us & 0xFFFFFFFF)
    drop = _option(_ISB_IFDROP, struct.pack("<Q", dropped)) + _option(_OPT_END, b"")
    return _block(_ISB, head + drop)


class Capture:
    """Writes the bytes of all `nodes` to a capture file. Create it before their links are opened:
    it sets `Node.tap`. `dropped` counts the packets of each node that are missing in the file.

    `take` may be called from any thread; the file is written by a thread of its own.

    Raises: SetupError if the file cannot be created."""

    def __init__(self, path: Path, nodes: list[Node], program: str = "hil") -> None:
        self.path = path
        self.dropped = [0] * len(nodes)
        self._nodes = nodes
        self._queue: deque[tuple[int, int, int, bytes]] = deque()
        self._queued = 0
        self._more = threading.Condition(threading.RLock())
        self._closing = False
        self._failed: OSError | None = None
        try:
            self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
            os.write(self._fd, section_header(program) + b"".join(interface(n.name) for n in nodes))
        except OSError as error:
            raise SetupError(
                f"cannot write the capture {path}: {error.strerror}",
                remedy="choose another place with --out, or leave --capture out",
            ) from error
        for index, node in enumerate(nodes):
            node.tap = _Tap(self, index)
        self._thread = threading.Thread(target=self._write, name="hil capture", daemon=True)
        self._thread.start()

    def take(self, index: int, direction: int, data: bytes) -> None:
        """Queue the bytes of one write or read of node `index`; drop them if the queue is full.
        Never waits for the disk."""
        with self._more:
            if self._queued + len(data) > _QUEUE_BYTES or self._failed is not None:
                self.dropped[index] += 1
                return
            self._queued += len(data)
            self._queue.append((index, time.time_ns() // 1000, direction, data))
            self._more.notify()

    def _write(self) -> None:
        """Write what is queued until the capture is closed, or the disk is full (in the thread)."""
        while True:
            with self._more:
                while not self._queue and not self._closing:
                    self._more.wait()
                batch, size = [], 0
                while self._queue and size < _BATCH_BYTES:
                    batch.append(self._queue.popleft())
                    size += len(batch[-1][3])
                self._queued -= size
            if not batch:
                return
            try:
                self._put(b"".join(packet(*queued) for queued in batch))
            except OSError as error:  # a full disk: the run continues without its capture
                self._failed = error
                return

    def _put(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._fd, view) :]

    @property
    def failure(self) -> str | None:
        """Return what is missing in the file and why, as a sentence; None if it is complete."""
        if self._failed is not None:
            return f"the capture ended early: {self._failed.strerror}"
        if any(self.dropped):
            return f"the capture dropped {sum(self.dropped)} packets: the disk was too slow"
        return None

    def close(self) -> None:
        """Write what is queued, close the file and remove the taps. Idempotent."""
        if self._fd < 0:
            return
        with self._more:
            self._closing = True
            self._more.notify()
        self._thread.join()
        for index, dropped in enumerate(self.dropped):
            if dropped and self._failed is None:
                self._put(statistics(index, time.time_ns() // 1000, dropped))
        os.close(self._fd)
        self._fd = -1
        for node in self._nodes:
            node.tap = None


class _Tap:
    """Puts a `TappedTransport` in front of each transport that a node opens."""

    def __init__(self, capture: Capture, index: int) -> None:
        self._capture = capture
        self._index = index

    def __call__(self, transport: Transport) -> Transport:
        return TappedTransport(transport, self._capture, self._index)


class TappedTransport:
    """A transport in front of `inner` that also copies its bytes to a capture."""

    def __init__(self, inner: Transport, capture: Capture, index: int) -> None:
        self._inner = inner
        self._capture = capture
        self._index = index
        self.fd: int | None = inner.fd

    @property
    def rate(self) -> LineRate | None:
        """Return the line's rate; None if it has none."""
        return rate_of(self._inner)

    def set_rate(self, baud: int) -> None:
        set_rate(self._inner, baud)

    def write(self, data: bytes) -> None:
        self._capture.take(self._index, OUTBOUND, bytes(data))
        self._inner.write(data)

    def read(self) -> bytes:
        data = self._inner.read()
        if data:
            self._capture.take(self._index, INBOUND, data)
        return data

    def close(self) -> None:
        self.fd = None
        self._inner.close()
