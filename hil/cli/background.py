"""A run in a process of its own, so that the screen in front of it may come and go.

Its session is its own, too: a terminal that hangs up, a Ctrl-C, a screen that is killed do not
reach it. What it says goes to a file that nobody has to read, and that leaves no trace.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from typing import IO

__all__ = ["BackgroundRun"]


class BackgroundRun:
    """`hil` with these words, in the background from now on."""

    def __init__(self, words: Sequence[str]) -> None:
        self._said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  (closed by `finish`)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "hil", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._said,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        """It has not ended yet."""
        return self._process.poll() is None

    def interrupt(self) -> None:
        """Let it end after the frame, as Ctrl-C does; a second time, at once."""
        if self.running:
            self._process.send_signal(signal.SIGINT)

    def detach(self) -> None:
        """It goes on without us."""
        self._said.close()
        self._process.returncode = 0  # nobody waits for it, and Python need not complain of that

    def finish(self) -> tuple[int, str]:
        """Wait for its end: exit code, and what it said on stderr."""
        code = self._process.wait()
        self._said.seek(0)
        text = self._said.read().decode("utf-8", "replace").strip()
        self._said.close()
        return (code if code >= 0 else 128 - code), text
