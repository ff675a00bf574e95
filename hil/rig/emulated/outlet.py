"""The serial port of an emulated board as a pty, which any program can open like a real one."""

from __future__ import annotations

import os
import tty
from collections.abc import Callable
from typing import Final

from hil.clock import HOST
from hil.errors import SetupError
from hil.rig.emulated.board import EmulatedBoard
from hil.rig.transport import TransportLost

__all__ = ["serve"]

_POLL_S: Final = 0.5
_FRAME_END: Final = b"\0"
"""Ends every frame of the agent, and never occurs in console text."""


def serve(board: EmulatedBoard, up: Callable[[str, float], None]) -> str:
    """Switch `board` on and connect its serial port to a pty, until the board ends.

    `up(path, seconds)` is called when it has booted. Returns why the board ended. Raises:
    SetupError if it cannot be started, or does not boot."""
    ours, theirs = os.openpty()
    try:
        tty.setraw(theirs)
        os.set_blocking(ours, False)
        return _relay(board, ours, os.ttyname(theirs), up)
    finally:
        os.close(ours)
        os.close(theirs)  # held open until now, so that programs may close and open it
        board.shut_down()


def _relay(board: EmulatedBoard, ours: int, path: str, up: Callable[[str, float], None]) -> str:
    began_us = HOST.now_us()
    transport = board.connect()
    booted = False
    boots_until_us = began_us + board.boot_timeout_us
    while transport.fd is not None:
        failure = None if booted else board.boot_failure()
        if not booted and (failure or HOST.now_us() > boots_until_us):
            raise SetupError(
                f"no agent answered in {(HOST.now_us() - began_us) // 1_000_000} s: "
                f"{failure or board.console_tail()}",
                remedy="is its kernel one for arm64, with an initramfs, PL011 and ptrace?",
            )
        ready = HOST.readable([transport.fd, ours], _POLL_S * 1e6)
        try:
            if ours in ready:
                transport.write(os.read(ours, 4096))
            elif not ready:
                transport.write(b"")  # restarts the machine if its kernel requested it
            if transport.fd in ready:
                data = transport.read()
                _pass_on(ours, data)
                if not booted and _FRAME_END in data:
                    booted = True
                    up(path, (HOST.now_us() - began_us) / 1e6)
        except TransportLost as lost:
            return board.condition(disconnected=True) or str(lost)
    return "its port was closed"


def _pass_on(ours: int, data: bytes) -> None:
    """Write to the pty; as on a real line, bytes that no program reads are lost."""
    try:
        os.write(ours, data)
    except BlockingIOError:
        pass
