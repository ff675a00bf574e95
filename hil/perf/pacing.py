"""Simulated serial lines: transports that deliver bytes at the speed of a baud rate.

Each direction of a line carries one byte at a time, ten bit times per byte (8N1). `PacedLines`
moves the bytes of all lines of a rig in real time. Shortly before a byte arrives it spins instead
of sleeping, so that the time of waking up is not measured. There is no thread: a read waits, and
moves all lines meanwhile. Not thread-safe.
"""

from __future__ import annotations

import time
from collections import deque
from typing import Final

from hil.clock import HOST
from hil.rig.transport import Transport

BITS_PER_BYTE: Final = 10
_SPIN_S: Final = 0.002
_IDLE_S: Final = 20.0
"""A board on a busy computer may think for seconds, and its answer comes wholly or never."""


class _Direction:
    """One direction of a line: the bytes that are under way, and when the line is free again."""

    def __init__(self, byte_s: float) -> None:
        self._byte_s = byte_s
        self._free_at = 0.0
        self.under_way: deque[tuple[float, bytes]] = deque()
        self.bytes = 0

    def put(self, data: bytes, now: float) -> None:
        self._free_at = max(now, self._free_at) + len(data) * self._byte_s
        self.under_way.append((self._free_at, data))
        self.bytes += len(data)

    def take(self, now: float) -> bytes:
        out = b""
        while self.under_way and self.under_way[0][0] <= now:
            out += self.under_way.popleft()[1]
        return out

    @property
    def next_at(self) -> float:
        return self.under_way[0][0] if self.under_way else float("inf")


class PacedTransport:
    """A transport in front of `inner` that is as slow as a line of `baud`.

    `fd` is None, because only a read moves the bytes: it waits for them itself.
    """

    def __init__(self, lines: PacedLines, inner: Transport, baud: int) -> None:
        assert inner.fd is not None, "only boards behind a descriptor can be paced"
        self.fd: int | None = None
        self.inner = inner
        self.baud = baud
        self.inner_fd = inner.fd
        self.to_board = _Direction(BITS_PER_BYTE / baud)
        self.to_host = _Direction(BITS_PER_BYTE / baud)
        self._lines = lines

    def write(self, data: bytes) -> None:
        self.to_board.put(data, time.perf_counter())

    def read(self) -> bytes:
        """Return what arrives until a frame is complete: a board on a busy computer may send one in
        parts, and a transport without a descriptor answers a request wholly or never."""
        arrived = b""
        while not _has_whole_frame(arrived):
            more = self._lines.wait_for(self)
            if not more:
                break
            arrived += more
        return arrived

    def close(self) -> None:
        self._lines.remove(self)
        self.inner.close()


def _has_whole_frame(data: bytes) -> bool:
    """Return whether `data` has the end of a frame, a zero byte behind others; zeros before a frame
    may begin it."""
    return b"\0" in data.lstrip(b"\0")


class PacedLines:
    """Moves the bytes of all lines of one rig."""

    def __init__(self) -> None:
        self._all: list[PacedTransport] = []

    def add(self, inner: Transport, baud: int) -> PacedTransport:
        """Return a new line in front of `inner`."""
        line = PacedTransport(self, inner, baud)
        self._all.append(line)
        return line

    def remove(self, line: PacedTransport) -> None:
        """Remove a line, whose transport is closed."""
        if line in self._all:
            self._all.remove(line)

    def wait_for(self, line: PacedTransport) -> bytes:
        """Return the next bytes that arrive at the host on `line`; nothing if all lines are idle
        for `_IDLE_S`."""
        give_up_at = time.perf_counter() + _IDLE_S
        while True:
            now = time.perf_counter()
            for other in self._all:
                if other.to_board.next_at <= now:
                    other.inner.write(other.to_board.take(now))
                    give_up_at = now + _IDLE_S  # the board has something to answer
            self._collect(0)
            arrived = line.to_host.take(time.perf_counter())
            if arrived:
                return arrived
            at = min(min(o.to_board.next_at, o.to_host.next_at) for o in self._all)
            if at == float("inf") and now > give_up_at:
                return b""
            self._collect(min(at, give_up_at) - time.perf_counter() - _SPIN_S)

    def _collect(self, wait_s: float) -> None:
        """Put the bytes that boards send on their lines; wait at most `wait_s` for some."""
        fds = [line.inner_fd for line in self._all]
        ready = HOST.readable(fds, wait_s * 1e6)
        now = time.perf_counter()
        for line in self._all:
            if line.inner_fd in ready:
                line.to_host.put(line.inner.read(), now)
