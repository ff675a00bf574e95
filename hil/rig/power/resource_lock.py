"""Exclusive use of an instrument for one transaction, across the processes and users of this
computer.

A lock file for each resource (hil.rig.lock_file) is locked while a transaction runs: the selected
output is state of the instrument, so that no other process may write between its selection and the
command. The file stays between transactions: it also says whether the last one was complete.

One instrument may have several names: those of its host, an interface each of LAN and USB. Its
serial number is locked, too, as soon as it is known.
"""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable
from typing import Final

from hil.clock import HOST
from hil.rig.lock_file import (
    is_at,
    lock_path,
    open_lock_file,
    owner_in,
    try_lock,
    write_owner,
)

__all__ = ["InstrumentBusy", "ResourceLock", "TransactionLocks"]

_POLL_S: Final = 0.001
_OPEN: Final = b"in a transaction\n"


class InstrumentBusy(Exception):
    """Another process had the instrument for the whole waiting time; the message names it."""


class ResourceLock:
    """The lock of the resource `name`, for one transaction. `acquire` and `release` may be called
    by different threads.

    While it is held, the file says so in its second line: where the line has stayed, a transaction
    was given up, and the instrument may still carry out a command of it."""

    def __init__(self, name: str) -> None:
        self.path = lock_path("instrument", name)
        self._guard = threading.Lock()
        self._fd = -1

    def acquire(self, left_s: Callable[[], float]) -> bool:
        """Lock, waiting as long as `left_s()`, the remaining time, is positive. Returns whether the
        last transaction, of whatever process, ended with the answer to its last command.

        Raises: InstrumentBusy with the owner's name; SetupError if the file cannot be opened."""
        fd = open_lock_file(self.path)
        began = HOST.now_us() / 1e6
        try:
            while not (is_locked := try_lock(fd)) or not is_at(fd, self.path):
                if is_locked:  # it was removed as a stale file: others lock another one
                    os.close(fd)
                    fd = open_lock_file(self.path)
                    continue
                if left_s() <= 0:
                    owner, waited_s = owner_in(fd), HOST.now_us() / 1e6 - began
                    raise InstrumentBusy(
                        f"in use by {owner or 'another process'} for more than {waited_s:.1f} s"
                    )
                # With jitter: a process with many transactions must not always come first.
                HOST.sleep_us(_POLL_S * random.uniform(0.5, 1.5) * 1e6)  # noqa: S311
            was_complete = _OPEN not in os.pread(fd, 2000, 0)
            write_owner(fd, _OPEN)
        except BaseException:
            os.close(fd)
            raise
        with self._guard:
            self._fd = fd
        return was_complete

    def release(self, *, complete: bool) -> None:
        """Unlock; `complete`: the instrument has answered all that it was sent. Idempotent."""
        with self._guard:
            fd, self._fd = self._fd, -1
        if fd >= 0:
            if complete:
                write_owner(fd)
            os.close(fd)


class TransactionLocks:
    """The locks of one transaction, each by its name; acquired in the order of the calls."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._locks: dict[str, ResourceLock] = {}

    def acquire(self, name: str, left_s: Callable[[], float]) -> bool:
        """Acquire the lock of the resource `name`, unless this transaction has it already. Returns
        and raises: as `ResourceLock.acquire`."""
        with self._guard:
            if name in self._locks:
                return True
            lock = self._locks[name] = ResourceLock(name)
        return lock.acquire(left_s)

    def release(self, *, complete: bool) -> None:
        """Release all, as `ResourceLock.release`. Idempotent."""
        with self._guard:
            locks = list(self._locks.values())
        for lock in locks:
            lock.release(complete=complete)
