"""Reads what a process board writes to stderr, beside the run: a pipe that nobody reads is full
after 64 KiB, and whoever writes then blocks."""

from __future__ import annotations

import os
import threading
from typing import IO, Final, Protocol

from hil.clock import HOST, Clock

__all__ = ["TAIL", "StderrReader", "StderrSink"]

TAIL: Final = 4096
"""[byte] The end of the text that is kept for messages."""
_PASSED_MAX: Final = 256 << 10
"""[byte] Passed on in a second at most: what an agent prints must not cost the run its time."""
_WINDOW_US: Final = 1_000_000
_SLICE_US: Final = 500_000
_CLOSING_S: Final = 2.0
_LAST_READS: Final = 64


class StderrSink(Protocol):
    """Takes the text, from the thread of the reader: the console of a node."""

    def on_stderr(self, data: bytes) -> None:
        """Take bytes that the board's processes wrote."""

    def note(self, text: str) -> None:
        """Add a note for the record, such as that text was lost."""


class StderrReader:
    """Reads `stream` until its end, or until it is closed, and passes it on to `sink`; None: to
    nobody. `name`: that of the node. Thread-safe."""

    def __init__(
        self, stream: IO[bytes], sink: StderrSink | None, name: str, clock: Clock = HOST
    ) -> None:
        self._stream = stream
        self._sink = sink
        self._name = name
        self._clock = clock
        self._tail = b""
        self._passed = 0
        self._since_us = 0
        self._noted = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read, name=f"hil stderr {name}", daemon=True)
        self._thread.start()

    @property
    def tail(self) -> str:
        """Return the end of the text so far."""
        return self._tail.decode(errors="replace").strip()

    def close(self) -> None:
        """Read what is there, and close the stream. Idempotent."""
        self._stop.set()
        self._thread.join(_CLOSING_S)
        if not self._thread.is_alive():  # else it would read from whatever has that number next
            self._stream.close()

    # --- in the thread ------------------------------------------------------------------------

    def _read(self) -> None:
        fd, more = self._stream.fileno(), _LAST_READS
        while more:
            ending = self._stop.is_set()
            more -= ending  # a process that escaped may write without end
            if not self._clock.readable([fd], 0 if ending else _SLICE_US):
                if ending:
                    return
                continue
            try:
                data = os.read(fd, 65536)
            except OSError:
                return
            if not data:
                return
            self._tail = (self._tail + data)[-TAIL:]
            self._pass_on(data)

    def _pass_on(self, data: bytes) -> None:
        """Pass `data` on, unless it is too much for this second."""
        if self._sink is None:
            return
        now_us = self._clock.now_us()
        if now_us - self._since_us >= _WINDOW_US:
            self._since_us, self._passed = now_us, 0
        room = max(0, _PASSED_MAX - self._passed)
        self._passed += len(data)
        if room:
            self._sink.on_stderr(data[:room])
        if len(data) > room and not self._noted:
            self._noted = True
            self._sink.note(
                f"node {self._name}: text of its stderr is lost: more than {_PASSED_MAX >> 10} KiB "
                "in a second"
            )
