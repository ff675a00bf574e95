"""A signal at the worst moment of a screen: while it gives the terminal back."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

PROGRAM = """
import os, signal, sys
from textual.app import App
from textual.drivers.linux_driver import LinuxDriver
from hil.views.ended_by_signals import run_app

class Short(App[str]):
    def on_ready(self) -> None:
        self.exit("left")

given_back = LinuxDriver._disable_mouse_support

def interrupted(driver: LinuxDriver) -> None:
    os.kill(os.getpid(), signal.SIGTERM)  # its thread that reads keys has not been told to end
    given_back(driver)

LinuxDriver._disable_mouse_support = interrupted
signal.signal(signal.SIGTERM, signal.default_int_handler)
try:
    run_app(Short())
except KeyboardInterrupt:
    sys.exit(130)
"""


def test_a_signal_while_the_terminal_is_given_back_leaves_no_thread(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        cwd=tmp_path,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm-256color"},
    )
    os.close(theirs)
    shown = b""
    until = time.monotonic() + 60
    try:
        while time.monotonic() < until and select.select([ours], [], [], 60)[0]:
            try:
                shown += os.read(ours, 65536)
            except OSError:  # nobody has the other end any more, and all that it wrote is read
                break
        assert process.wait(timeout=30) == 130, shown[-2000:]
    finally:
        process.kill()
        os.close(ours)
    assert b"\x1b[?1049l" in shown, "the terminal has its own screen again"
    if b"Traceback" in shown:
        pytest.fail(shown.decode("utf-8", "replace"))
