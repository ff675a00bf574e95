"""Lock files: exclusive use of something by one process, across all users of this computer.

The file of a lock is locked (flock) as long as its owner has it, and names the owner. The lock of a
process that has ended, however it ended, is no lock; a file that has stayed is harmless. All files
stand in one folder for all users, whatever their TMPDIR is, and everybody may lock them.
"""

from __future__ import annotations

import contextlib
import fcntl
import getpass
import hashlib
import os
import stat
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Final

from hil.clock import utc_us
from hil.errors import SetupError
from hil.printable import one_line

__all__ = [
    "HeldLock",
    "LockInUse",
    "lock_path",
    "open_lock_file",
    "owner_in",
    "owner_text",
    "try_lock",
    "write_owner",
]

_FOLDERS: Final = ("/run/lock", "/tmp")  # noqa: S108 (the same for all users, with its sticky bit)
_OWNER_MAX: Final = 1000


class LockInUse(Exception):
    """Another process, or another part of this one, has the lock; the message names it."""


class HeldLock:
    """Holds the lock of `kind` and `name` until `release`. `run`: the folder of the run for which
    it is held, if it is for one.

    Raises: LockInUse with the owner; SetupError if the file cannot be opened."""

    def __init__(self, kind: str, name: str, run: str = "") -> None:
        self.path = lock_path(kind, name)
        while True:
            self._fd = open_lock_file(self.path)
            try:
                is_locked = try_lock(self._fd)
                owner = "" if is_locked else owner_in(self._fd)
                # A file that its last owner has removed meanwhile is not the one that others lock.
                is_present = is_locked and _is_at(self._fd, self.path)
            except BaseException:
                os.close(self._fd)
                raise
            if is_present:
                break
            os.close(self._fd)
            if not is_locked:
                raise LockInUse(owner or "another program")
        write_owner(self._fd, run=run)

    def release(self) -> None:
        """Release the lock and remove its file. Idempotent."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            with contextlib.suppress(OSError):  # another user's file stays
                self.path.unlink()
            os.close(fd)


def lock_path(kind: str, name: str) -> Path:
    """Return the file of the lock `name` among those of `kind`."""
    return _folder() / f"hil-{kind}-{hashlib.sha256(name.encode()).hexdigest()[:16]}.lock"


def open_lock_file(path: Path) -> int:
    """Return a descriptor of the file, which is created where there is none.

    A file of another user in a folder with a sticky bit may not be opened with O_CREAT (Linux,
    fs.protected_regular), and need not be writable to be locked.

    Raises: SetupError if it cannot be opened."""
    flags = os.O_CLOEXEC | os.O_NOFOLLOW
    for _ in range(3):
        for access in (os.O_RDWR, os.O_RDONLY):
            try:
                return os.open(path, access | flags)
            except FileNotFoundError:
                break
            except PermissionError:
                continue
            except OSError as error:
                raise _unusable(path, error) from error
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | flags, 0o666)
        except FileExistsError:
            continue  # another process was quicker
        except OSError as error:
            raise _unusable(path, error) from error
        os.fchmod(fd, 0o666)  # whatever the umask is
        return fd
    raise _unusable(path, PermissionError(13, "Permission denied"))


def try_lock(fd: int) -> bool:
    """Lock a file if it is free, and return whether it is locked now."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def owner_text(run: str = "") -> str:
    """Return this process in words: program, number, user, the time of day, and the run."""
    path = Path(sys.argv[0])
    # `python -m hil`, as a run with a screen is started
    program = (path.parent if path.name == "__main__.py" else path).name or "python"
    since = datetime.fromtimestamp(utc_us() / 1e6, timezone.utc)
    parts = [f"pid {os.getpid()}", f"user {_user()}", f"since {since:%Y-%m-%d %H:%M:%S} UTC"]
    return one_line(f"{program} ({', '.join(parts + ([f'run {run}'] if run else []))})")


def write_owner(fd: int, state: bytes = b"", run: str = "") -> None:
    """Write this process into a lock file, and after it `state`."""
    text = f"{owner_text(run)}\n".encode() + state
    try:
        os.pwrite(fd, text, 0)
        os.ftruncate(fd, len(text))
    except OSError:
        pass  # opened for reading only: the last owner stays named


def owner_in(fd: int) -> str:
    """Return the owner that a lock file names; empty if it names none."""
    text = os.pread(fd, _OWNER_MAX, 0).decode(errors="replace")
    return one_line(text.partition("\n")[0].strip())


def _is_at(fd: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), path.stat(follow_symlinks=False))
    except OSError:
        return False


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


def _unusable(path: Path, error: OSError) -> SetupError:
    return SetupError(
        f"the lock file {path} cannot be opened: {error.strerror}",
        remedy=f"`sudo chmod 666 {path}`, or remove it while no program uses the bench",
    )


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
