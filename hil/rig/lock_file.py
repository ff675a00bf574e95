"""Lock files: exclusive use of something by one process, across all users of this computer.

The file of a lock is locked (flock) as long as its owner has it, and names the owner. The lock of a
process that has ended, however it ended, is no lock. Its file stays, and is removed by a later
program (`remove_stale_locks`): ports of ptys have new names each time, so that files would pile up.
All files stand in one folder for all users, whatever their TMPDIR is, and everybody may lock them.

Whoever has locked a file must look whether it is still the one at its path (`is_at`): its last
owner, or a program that removes stale files, may have removed it meanwhile.
"""

from __future__ import annotations

import contextlib
import fcntl
import getpass
import hashlib
import itertools
import os
import re
import stat
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Final

from hil.clock import HOST, utc_us
from hil.errors import SetupError
from hil.printable import one_line

__all__ = [
    "HeldLock",
    "LockInUse",
    "is_at",
    "lock_path",
    "open_lock_file",
    "owner_in",
    "owner_text",
    "remove_stale_locks",
    "try_lock",
    "write_owner",
]

_FOLDERS: Final = ("/run/lock", "/tmp")  # noqa: S108 (the same for all users, with its sticky bit)
_OWNER_MAX: Final = 1000
_NAME: Final = re.compile(r"hil-[a-z]+-[0-9a-f]{16}\.lock")
_PID: Final = re.compile(r"\(pid (\d+), ")
_STALE_S: Final = 3600
_LOOKED_AT_MAX: Final = 10_000
"""Files of other programs in the same folder must not make this one slow."""
_PASSING_US: Final = 100_000
"""How long a lock may be held for an owner that has ended: `remove_stale_locks` looks at it."""


class LockInUse(Exception):
    """Another process, or another part of this one, has the lock; the message names it."""


class HeldLock:
    """Holds the lock of `kind` and `name` until `release`. `run`: the folder of the run for which
    it is held, if it is for one.

    Raises: LockInUse with the owner; SetupError if the file cannot be opened."""

    def __init__(self, kind: str, name: str, run: str = "") -> None:
        self.path = lock_path(kind, name)
        patient_until_us = HOST.now_us() + _PASSING_US
        while True:
            self._fd = open_lock_file(self.path)
            try:
                is_locked = try_lock(self._fd)
                owner = "" if is_locked else owner_in(self._fd)
                is_present = is_locked and is_at(self._fd, self.path)
            except BaseException:
                os.close(self._fd)
                raise
            if is_present:
                break
            os.close(self._fd)
            if is_locked:
                continue
            if not _has_ended(owner) or HOST.now_us() >= patient_until_us:
                raise LockInUse(owner or "another program")
            HOST.sleep_us(1000)
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


def remove_stale_locks() -> None:
    """Remove the files of locks that nobody has, and that nobody has written for an hour.

    A file that says more than its last owner stays (`write_owner`), and so does that of another
    user where only its owner may remove it."""
    with contextlib.suppress(OSError), os.scandir(_folder()) as entries:
        for entry in itertools.islice(entries, _LOOKED_AT_MAX):
            if _NAME.fullmatch(entry.name):
                _remove_if_stale(entry)


def _remove_if_stale(entry: os.DirEntry[str]) -> None:
    with contextlib.suppress(OSError):
        if utc_us() / 1e6 - entry.stat(follow_symlinks=False).st_mtime < _STALE_S:
            return
        path = Path(entry.path)
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            names_its_owner_only = os.pread(fd, 2 * _OWNER_MAX, 0).count(b"\n") < 2
            if names_its_owner_only and try_lock(fd) and is_at(fd, path):
                path.unlink()
        finally:
            os.close(fd)


def _has_ended(owner: str) -> bool:
    """Return whether the process that a lock file names as its owner has ended."""
    named = _PID.search(owner)
    if named is None:
        return False
    try:
        os.kill(int(named[1]), 0)
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:
        pass
    return False


def is_at(fd: int, path: Path) -> bool:
    """Return whether the open file `fd` is the one at `path`."""
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
