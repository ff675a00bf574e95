"""The kernel log of this computer, which is that of boards that are its processes."""

from __future__ import annotations

import ctypes
import os
import re
from collections.abc import Sequence
from typing import Final

__all__ = ["host_kernel_log", "lines_since"]

_READ_ALL: Final = 3
_SIZE: Final = 10
"""Actions of syslog(2)."""
_PRIORITY: Final = re.compile(rb"^<\d+>")


def host_kernel_log() -> tuple[str, ...]:
    """Return all lines of the kernel's ring buffer, without priorities, as `dmesg` shows them.
    Raises: OSError if this user may not read it, or there is none."""
    try:
        syslog = ctypes.CDLL(None, use_errno=True).klogctl
    except (OSError, AttributeError):
        raise OSError("this system has no kernel log that a program can read") from None
    size = _checked(syslog(_SIZE, None, 0))
    buffer = ctypes.create_string_buffer(size)
    length = _checked(syslog(_READ_ALL, buffer, size))
    content = buffer.raw[:length]
    return tuple(
        _PRIORITY.sub(b"", line).decode("utf-8", "replace") for line in content.splitlines()
    )


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def lines_since(before: Sequence[str], now: Sequence[str]) -> tuple[tuple[str, ...], bool]:
    """Return the lines that a ring buffer has gained since it was `before`, and whether it may have
    dropped some of them: nothing of what it had is left."""
    if not before:
        return tuple(now), False
    for at in range(len(now) - 1, -1, -1):
        if now[at] == before[-1]:
            return tuple(now[at + 1 :]), False
    return tuple(now), True
