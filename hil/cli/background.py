"""Runs `hil run` in a background process, independent of the screen that shows it.

The process has a session of its own: a terminal that hangs up, Ctrl-C and a killed screen do not
affect it. Its stderr goes to an unnamed temporary file, which does not block it.
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
    """A background process that runs `hil` with the arguments `words`."""

    def __init__(self, words: Sequence[str]) -> None:
        self._stderr: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  (closed by `finish`)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "hil", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._stderr,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        """Return the process number."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Return whether the process has not ended."""
        return self._process.poll() is None

    def interrupt(self) -> None:
        """Send SIGINT, as Ctrl-C does: the run ends after its frame, with a second one at once."""
        if self.running:
            self._process.send_signal(signal.SIGINT)

    def detach(self) -> None:
        """Leave the process running and do not wait for its end."""
        self._stderr.close()
        self._process.returncode = 0  # Python then does not warn that it was not waited for

    def finish(self) -> tuple[int, str]:
        """Wait for the end of the process; return its exit code and its stderr."""
        code = self._process.wait()
        self._stderr.seek(0)
        text = self._stderr.read().decode("utf-8", "replace").strip()
        self._stderr.close()
        return (code if code >= 0 else 128 - code), text
