"""Children that hear signals as from a terminal."""

from __future__ import annotations

import signal

__all__ = ["hear_signals"]


def hear_signals() -> None:
    """For `preexec_fn`: what runs the tests (nohup, a shell's &) may have had signals ignored."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
