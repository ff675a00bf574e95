"""A simulated board that an output feeds: an agent behind a terminal that stays when it is off."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import subprocess
import time
import tty
from pathlib import Path
from typing import Protocol

_POLL_S = 0.01


class Feed(Protocol):
    """What has power for a board, or not."""

    @property
    def feeds(self) -> bool: ...


class FedBoard:
    """An agent that starts `boot_s` after there is power, and is killed without it. The host's end
    of its line is at `link`, as an adapter is that the computer feeds."""

    def __init__(self, link: Path, agent: str, boot_s: float) -> None:
        self._words = [agent, "--port", "-", "--exit-with-parent"]
        self._boot_s = boot_s
        self._agent: subprocess.Popen[bytes] | None = None
        self._up_at = 0.0
        self._master, slave = pty.openpty()
        tty.setraw(slave)
        os.set_blocking(self._master, False)
        link.symlink_to(os.ttyname(slave))

    def run(self, feed: Feed) -> None:
        """Be the board for ever. The thread that does must live as long as the process."""
        while True:
            self._follow(feed.feeds)
            self._carry()

    def _follow(self, has_power: bool) -> None:
        if not has_power:
            self._up_at = 0.0
            if self._agent is not None:
                self._agent.kill()
                self._agent.communicate()
                self._agent = None
        elif self._agent is None:
            self._up_at = self._up_at or time.monotonic() + self._boot_s
            if time.monotonic() >= self._up_at:
                self._agent = subprocess.Popen(
                    self._words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
                )

    def _carry(self) -> None:
        agent = self._agent
        stdout = -1 if agent is None or agent.stdout is None else agent.stdout.fileno()
        ready = select.select([self._master, *([stdout] if agent else [])], [], [], _POLL_S)[0]
        if self._master in ready:
            data = os.read(self._master, 65536)
            if agent is not None and agent.stdin is not None:  # without power nobody hears it
                with contextlib.suppress(BrokenPipeError):
                    agent.stdin.write(data)
        if stdout in ready:
            data = os.read(stdout, 65536)
            with contextlib.suppress(BlockingIOError):  # nobody reads the host's end
                os.write(self._master, data)
