"""Exclusive use of an instrument for one transaction, across the processes and users of this
computer.

A lock file for each resource is locked (flock) while a transaction runs: the selected output is
state of the instrument, so that no other process may write between its selection and the command.
The file names the process that has the lock. It stands in one folder for all users, whatever their
TMPDIR is, and everybody may lock it.
"""

from __future__ import annotations

import fcntl
import getpass
import hashlib
import os
import random
import stat
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from hil.clock import HOST
from hil.errors import SetupError

__all__ = ["InstrumentBusy", "ResourceLock"]

_FOLDERS: Final = ("/run/lock", "/tmp")  # noqa: S108 (the same for all users, with its sticky bit)
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
        digest = hashlib.sha256(name.encode()).hexdigest()[:16]
        self.path = _folder() / f"hil-instrument-{digest}.lock"
        self._guard = threading.Lock()
        self._fd = -1

    def acquire(self, left_s: Callable[[], float]) -> bool:
        """Lock, waiting as long as `left_s()`, the remaining time, is positive. Returns whether the
        last transaction, of whatever process, ended with the answer to its last command.

        Raises: InstrumentBusy with the owner's name; SetupError if the file cannot be opened."""
        fd = self._open()
        began = HOST.now_us() / 1e6
        try:
            while not _locked(fd):
                if left_s() <= 0:
                    text = os.pread(fd, 200, 0).decode(errors="replace")
                    owner = text.partition("\n")[0].strip()
                    waited_s = HOST.now_us() / 1e6 - began
                    raise InstrumentBusy(
                        f"in use by {owner or 'another process'} for more than {waited_s:.1f} s"
                    )
                # With jitter: a process with many transactions must not always come first.
                HOST.sleep_us(_POLL_S * random.uniform(0.5, 1.5) * 1e6)  # noqa: S311
            was_complete = _OPEN not in os.pread(fd, 400, 0)
            _write_owner(fd, _OPEN)
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
                _write_owner(fd, b"")
            os.close(fd)

    def _open(self) -> int:
        """Return a descriptor of the file, which is created where there is none.

        A file of another user in a folder with a sticky bit may not be opened with O_CREAT (Linux,
        fs.protected_regular), and need not be writable to be locked."""
        flags = os.O_CLOEXEC | os.O_NOFOLLOW
        for _ in range(2):
            for access in (os.O_RDWR, os.O_RDONLY):
                try:
                    return os.open(self.path, access | flags)
                except FileNotFoundError:
                    break
                except PermissionError:
                    continue
                except OSError as error:
                    raise self._unusable(error) from error
            try:
                fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | flags, 0o666)
            except FileExistsError:
                continue  # another process was quicker
            except OSError as error:
                raise self._unusable(error) from error
            os.fchmod(fd, 0o666)  # whatever the umask is
            return fd
        raise self._unusable(PermissionError(13, "Permission denied"))

    def _unusable(self, error: OSError) -> SetupError:
        return SetupError(
            f"the lock file {self.path} cannot be opened: {error.strerror}",
            remedy=f"`sudo chmod 666 {self.path}`, or remove it while no run uses the instrument",
        )


def _folder() -> Path:
    for name in _FOLDERS:
        folder = Path(name)
        try:
            mode = folder.stat().st_mode
        except OSError:
            continue
        if stat.S_ISDIR(mode) and mode & stat.S_IWOTH and mode & stat.S_ISVTX:
            return folder
    return Path(_FOLDERS[-1])


def _locked(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _write_owner(fd: int, state: bytes) -> None:
    program = Path(sys.argv[0]).name or "python"
    text = f"{program} (pid {os.getpid()}, user {_user()})\n".encode() + state
    try:
        os.pwrite(fd, text, 0)
        os.ftruncate(fd, len(text))
    except OSError:
        pass  # opened for reading only: the last owner stays named


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
