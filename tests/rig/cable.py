"""A serial cable with two adapters, made of ptys: it can be unplugged at both ends, comes back
under another number, and may be bad.

    host --- pty ===[ adapter ]=== relay ===[ adapter ]=== pty --- board

Each end is a symlink to a pty, as /dev/serial/by-id names are; unplugging removes the link and
closes the pty under whoever has it open, plugging in makes a new pty.
"""

from __future__ import annotations

import contextlib
import os
import random
import select
import termios
import threading
import time
import tty
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Badness:
    """What becomes of the bytes of one direction, each kind with its probability for a byte."""

    rng: random.Random
    corrupt: float = 0.0
    drop: float = 0.0
    duplicate: float = 0.0
    delay: float = 0.0
    delay_s: float = 0.003
    counts: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("bytes", "corrupt", "drop", "duplicate", "delay"), 0)
    )
    _held: list[tuple[float, bytes]] = field(default_factory=list)

    def through(self, data: bytes) -> bytes:
        """What comes out at once. A delayed byte is overtaken by those behind it."""
        out = bytearray()
        now = time.monotonic()
        for byte in data:
            self.counts["bytes"] += 1
            dice = self.rng.random()
            for kind in ("corrupt", "drop", "duplicate", "delay"):
                chance = getattr(self, kind)
                if dice < chance:
                    break
                dice -= chance
            else:
                out.append(byte)
                continue
            self.counts[kind] += 1
            if kind == "corrupt":
                out.append(byte ^ self.rng.randrange(1, 256))
            elif kind == "duplicate":
                out += bytes([byte, byte])
            elif kind == "delay":
                self._held.append((now + self.delay_s, bytes([byte])))
        return bytes(out)

    def late(self) -> bytes:
        """The delayed bytes whose time has come."""
        now = time.monotonic()
        due = b"".join(data for at, data in self._held if at <= now)
        self._held = [(at, data) for at, data in self._held if at > now]
        return due

    def next_s(self) -> float | None:
        return min((max(0.0, at - time.monotonic()) for at, _ in self._held), default=None)


class End:
    """One adapter: a symlink `path` to a pty while it is plugged in."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.master = -1
        self.pending = b""  # what its computer has not taken yet
        self._slave = -1  # held open: a pty whose last user closes hangs up

    def plug(self) -> None:
        self.master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self.master, False)
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()
        self.path.symlink_to(os.ttyname(self._slave))

    def unplug(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()
        for fd in (self._slave, self.master):
            if fd >= 0:
                os.close(fd)
        self.master = self._slave = -1
        self.pending = b""

    @property
    def rate(self) -> tuple[int, int]:
        """Input and output rate that whoever opened it has set."""
        settings = termios.tcgetattr(self._slave)
        return settings[4], settings[5]


class Cable:
    """`host` and `board` are its ends; `to_board` and `to_host` may do badly to what travels.
    Unplugging and plugging in wait until the relay lets go of the descriptors.

    `limit`: bytes travel whole only while both ends are set to the same rate, and that is at most
    this one (a termios speed); otherwise they come out as others. `mute`: asked for every piece of
    bytes whether it gets lost."""

    def __init__(
        self,
        folder: Path,
        name: str,
        to_board: Badness | None = None,
        to_host: Badness | None = None,
    ) -> None:
        self.host = End(folder / f"{name}-host")
        self.board = End(folder / f"{name}-board")
        self.to_board, self.to_host = to_board, to_host
        self.limit: int | None = None
        self.mute: Callable[[End, bytes], bool] | None = None
        self.garbled = 0
        self._rng = random.Random(name)
        self._lock = threading.Lock()
        self._wake_in, self._wake_out = os.pipe()
        self._ended = False
        self.host.plug()
        self.board.plug()
        self._thread = threading.Thread(target=self._relay, name=f"cable {name}", daemon=True)
        self._thread.start()

    def _nudge(self) -> None:
        os.write(self._wake_out, b"x")

    def unplug(self, end: End) -> None:
        with self._lock:
            end.unplug()
        self._nudge()

    def plug(self, end: End) -> None:
        with self._lock:
            end.plug()
        self._nudge()

    def say(self, data: bytes) -> None:
        """Something that a booting board says on its console."""
        with self._lock, contextlib.suppress(OSError):
            os.write(self.host.master, data)

    def close(self) -> None:
        self._ended = True
        self._nudge()
        self._thread.join(10)
        self.host.unplug()
        self.board.unplug()
        os.close(self._wake_in)
        os.close(self._wake_out)

    def _relay(self) -> None:
        ways = ((self.host, self.board, self.to_board), (self.board, self.host, self.to_host))
        while not self._ended:
            waits = [s for _, _, b in ways if b is not None and (s := b.next_s()) is not None]
            # As a wire with flow control: what the far end does not take is not read.
            reads = [a.master for a, b, _ in ways if a.master >= 0 and not b.pending]
            writes = [e.master for e in (self.host, self.board) if e.pending and e.master >= 0]
            try:
                ready = select.select([self._wake_in, *reads], writes, [], min(waits, default=None))
            except (OSError, ValueError):
                continue  # an end was unplugged in this moment
            if self._wake_in in ready[0]:
                os.read(self._wake_in, 4096)
            with self._lock:
                for source, sink, bad in ways:
                    self._carry(source, sink, bad)

    def _at_rates(self, source: End, sink: End, data: bytes) -> bytes:
        assert self.limit is not None
        if sink.master < 0 or (source.rate == sink.rate and source.rate[0] <= self.limit):
            return data
        self.garbled += len(data)
        pieces = (self._rng.randbytes(self._rng.randrange(3)) for _ in data)
        return b"".join(pieces)

    def _carry(self, source: End, sink: End, bad: Badness | None) -> None:
        data = b""
        if source.master >= 0 and not sink.pending:
            with contextlib.suppress(OSError):
                data = os.read(source.master, 65536)
        if data and self.limit is not None:
            data = self._at_rates(source, sink, data)
        if data and self.mute is not None and self.mute(source, data):
            data = b""
        if bad is not None:
            data = bad.through(data) + bad.late()
        if sink.master < 0:
            return
        sink.pending += data
        if sink.pending:
            with contextlib.suppress(BlockingIOError):
                sink.pending = sink.pending[os.write(sink.master, sink.pending) :]


@contextlib.contextmanager
def cables(folder: Path, names: str, **bad: Any) -> Iterator[list[Cable]]:
    """Cables with these one-letter names, all equally bad, each in its own way."""
    made: list[Cable] = []
    try:
        for name in names:
            ways = [
                Badness(random.Random(f"{name} {way}"), **bad) if bad else None
                for way in ("to_board", "to_host")
            ]
            made.append(Cable(folder, name, *ways))
        yield made
    finally:
        for cable in made:
            cable.close()
