"""Console logs: what the boards of a run print, in `RUN/console/NODE.log`.

    2026-11-02T14:03:07.412345Z     12.345678 link    U-Boot 2026.01
    time of day (UTC)           seconds       source  text, escaped (hil.rig.console.escape)

The seconds count from the moment at which the run began, or was resumed. Lines of the source `hil`
are remarks of this program: where text is missing, and why.

The run only puts lines into a queue of bounded size; a thread writes them. What does not fit in the
queue, or on the disk, is lost and counted, and a note in the record says so. A log ends at
`LOG_BYTES`; of damaged frames it has `DAMAGED_BYTES` at most, so that a bad line does not use up
the space of a panic. The last of the disk is left to the record."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Final

from hil.clock import Clock, utc_us
from hil.rig.console.lines import ConsoleLine, ConsoleSource
from hil.rig.console.node_console import NodeConsole

__all__ = ["DAMAGED_BYTES", "FOLDER", "LOG_BYTES", "ConsoleLogs", "log_path"]

FOLDER: Final = "console"
LOG_BYTES: Final = 16 << 20
DAMAGED_BYTES: Final = 1 << 20
_QUEUE_BYTES: Final = 4 << 20
_LINE_COST: Final = 200
"""[byte] What a short line takes in the queue."""

_RESERVE_BYTES: Final = 16 << 20
_EVERY_S: Final = 0.25
_CLOSING_S: Final = 5.0
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)


def log_path(run_dir: Path, node: str) -> Path:
    """Return the path of a node's log in a run folder."""
    return run_dir / FOLDER / f"{node}.log"


class ConsoleLogs:
    """Writes the lines of `consoles`, by node, to logs in `run_dir`. The folder and a log are
    created when there is something to write. Nothing is raised: what fails is a note.

    Thread-safe."""

    def __init__(self, run_dir: Path, consoles: Mapping[str, NodeConsole], clock: Clock) -> None:
        self._clock = clock
        self._began_us = clock.now_us()
        self._consoles = dict(consoles)
        self._logs = {
            name: _Log(log_path(run_dir, name), name, console)
            for name, console in self._consoles.items()
        }
        self._queue: deque[tuple[_Log, ConsoleLine]] = deque()
        self._queued = 0
        self._more = threading.Condition()
        self._closing = False
        for name, console in self._consoles.items():
            console.attach(partial(self._take, self._logs[name]))
        self._thread = threading.Thread(target=self._write, name="hil consoles", daemon=True)
        self._thread.start()

    def _take(self, log: _Log, line: ConsoleLine) -> None:
        """Queue a line for `log`; drop and count it if the queue is full. Never waits for the
        disk."""
        cost = len(line.content) + _LINE_COST
        with self._more:
            if self._queued + cost > _QUEUE_BYTES:
                log.dropped += len(line.content) + len(line.end)
                return
            self._queued += cost
            self._queue.append((log, line))
            self._more.notify()

    def close(self) -> None:
        """Write what is queued and close the logs; a disk that hangs is waited for briefly.
        Idempotent."""
        if self._closing:
            return
        for console in self._consoles.values():
            console.flush(at_once=True)
            console.attach(None)
        with self._more:
            self._closing = True
            self._more.notify()
        self._thread.join(_CLOSING_S)
        if self._thread.is_alive():
            for name, console in self._consoles.items():
                console.note(f"node {name}: console text is lost: the disk does not answer")

    # --- in the thread ------------------------------------------------------------------------

    def _write(self) -> None:
        while True:
            with self._more:
                if not self._queue and not self._closing:
                    self._more.wait(_EVERY_S)
                batch, self._queue, self._queued = self._queue, deque(), 0
                over = self._closing
                drops = {log: log.dropped for log in self._logs.values() if log.dropped}
                for log in drops:
                    log.dropped = 0
            self._write_batch(batch)
            for log, dropped in drops.items():  # they came behind the batch: it filled the queue
                log.lose(dropped, "the disk was too slow")
            if over:
                for log in self._logs.values():
                    log.close(self._stamp(self._clock.now_us()))
                return
            for console in self._consoles.values():
                console.flush()

    def _write_batch(self, batch: deque[tuple[_Log, ConsoleLine]]) -> None:
        texts: dict[_Log, list[_Entry]] = {}
        for log, line in batch:
            texts.setdefault(log, []).append(_Entry(line, self._stamp(line.at_us)))
        for log, entries in texts.items():
            log.write(entries)

    def _stamp(self, at_us: int) -> str:
        """Return both times of a moment on the host's clock, as they stand in a log."""
        moment = _EPOCH + timedelta(microseconds=utc_us() - (self._clock.now_us() - at_us))
        day = moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
        return f"{day} {(at_us - self._began_us) / 1e6:12.6f}"


@dataclass(frozen=True, slots=True)
class _Entry:
    line: ConsoleLine
    stamp: str

    @property
    def size(self) -> int:
        return len(self.line.content) + len(self.line.end)

    @property
    def text(self) -> str:
        return f"{self.stamp} {self.line.source.value:<7} {self.line.text}\n"


class _Log:
    """One log. Only the thread that writes uses it, but for `dropped`, which the lock of
    `ConsoleLogs` protects."""

    def __init__(self, path: Path, node: str, console: NodeConsole) -> None:
        self.dropped = 0
        self._path = path
        self._node = node
        self._console = console
        self._fd = -1
        self._size = 0
        self._damaged = 0
        self._missing = 0
        self._noted: set[str] = set()
        self._stopped = False
        self._cut = False  # the last write ended within a line

    def lose(self, count: int, why: str) -> None:
        """Count bytes of the console that are missing in the log from here on."""
        self._missing += count
        if why not in self._noted and not self._stopped:
            self._noted.add(why)
            self._console.note(f"node {self._node}: console text is lost: {why}")

    def write(self, entries: list[_Entry]) -> None:
        """Write lines as far as there is room; what is not written is lost."""
        if self._stopped:
            return
        total = sum(entry.size for entry in entries)
        try:
            self._open(entries[0].stamp)
            free = os.fstatvfs(self._fd)
            if free.f_bavail * free.f_frsize < _RESERVE_BYTES:
                self.lose(total, "the disk is almost full")
            else:
                self._put(self._texts(entries))
                self._missing = 0
        except OSError as error:
            self.lose(total, error.strerror or str(error))

    def _texts(self, entries: list[_Entry]) -> bytes:
        """Return what to write for `entries`; note if the log ends with it."""
        out = b"\n" if self._cut else b""
        if self._missing:
            out += self._remark(entries[0].stamp, _gap(self._missing))
        for entry in entries:
            if entry.line.missing:
                out += self._remark(entry.stamp, _gap(entry.line.missing))
                continue
            if entry.line.source is ConsoleSource.DAMAGED:
                self._damaged += entry.size
                if self._damaged > DAMAGED_BYTES:
                    if self._damaged - entry.size <= DAMAGED_BYTES:
                        out += self._remark(entry.stamp, "no more damaged frames are logged")
                    continue
            text = entry.text.encode()
            if self._size + len(out) + len(text) > LOG_BYTES:  # before the run was resumed, too
                out += self._remark(entry.stamp, f"the log ends here: it has {LOG_BYTES} bytes")
                self._stopped = True
                self._console.note(
                    f"node {self._node}: its console log ends: it has {LOG_BYTES} bytes"
                )
                break
            out += text
        return out

    @staticmethod
    def _remark(stamp: str, text: str) -> bytes:
        return f"{stamp} {'hil':<7} {text}\n".encode()

    def _open(self, stamp: str) -> None:
        if self._fd >= 0:
            return
        self._path.parent.mkdir(exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        self._fd = os.open(self._path, flags, 0o644)
        self._size = os.fstat(self._fd).st_size
        if self._size:
            self._put(self._remark(stamp, "the run was resumed"))

    def _put(self, data: bytes) -> None:
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._fd, view) :]
        finally:
            written = len(data) - len(view)
            self._size += written
            if written:
                self._cut = data[written - 1 : written] != b"\n"

    def close(self, stamp: str) -> None:
        """Write what is missing at the end, and close the file."""
        if self._fd < 0:
            return
        try:
            if self._missing and not self._stopped:
                self._put(self._texts_at_end(stamp))
        except OSError:
            pass  # the note in the record says that text is lost
        os.close(self._fd)
        self._fd = -1

    def _texts_at_end(self, stamp: str) -> bytes:
        line_end = b"\n" if self._cut else b""
        return line_end + self._remark(stamp, _gap(self._missing))


def _gap(count: int) -> str:
    return f"{count} bytes are missing here"
