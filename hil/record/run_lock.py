"""The lock on a run folder: one process at a time writes the record in it.

It is a lock on the open file description of `run.lock` (fcntl(2), F_OFD_SETLK): the kernel releases
it when its owner ends, however it ends, and it can be tested without being taken. The descriptor is
closed in every program that the owner starts. The file holds the owner's process id, and is removed
when the lock is released; after a kill it stays and means nothing.

A file can be deleted while it is locked. So the owner locks the folder itself as well (flock(2)),
where the file system has such locks on folders: most have, network file systems may not."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import struct
import time
from pathlib import Path
from types import TracebackType
from typing import Final

from hil.errors import RecordError, UsageError

__all__ = ["FILE_NAME", "RunLock", "is_running", "refuse_if_running"]

FILE_NAME: Final = "run.lock"
_FLOCK: Final = struct.Struct("@hhqqi4x")  # struct flock: type, whence, start, len (0: all), pid
_HELD: Final = frozenset({errno.EAGAIN, errno.EACCES})
_ASKING_S: Final = 0.5
_OWNER_WRITES_S: Final = 1.0
"""The owner has the lock a moment before its process id is in the file."""


class RunLock:
    """Holds the lock on the folder `run_dir` until `release`, or until this process ends.

    Raises: UsageError, with the owner's process id, if another process (or another lock of this
    one) holds it; RecordError if the folder's file system has no locks or cannot be written."""

    def __init__(self, run_dir: Path) -> None:
        self.run_dir = run_dir
        self._path = run_dir / FILE_NAME
        self._fd = self._take()
        try:
            self._folder = _locked_folder(run_dir)
        except BaseException:
            with contextlib.suppress(OSError):
                self._path.unlink()  # the owner's was deleted, this one is nobody's
            os.close(self._fd)
            raise

    def _take(self) -> int:
        while True:
            fd = _opened(self._path)
            try:
                if not _lock(fd, self._path):
                    raise _running(self.run_dir, fd)
                if not _is_at(fd, self._path):
                    os.close(fd)  # its owner has just released and removed it
                    continue
                os.ftruncate(fd, 0)
                os.write(fd, f"{os.getpid()}\n".encode())
            except OSError as error:
                os.close(fd)
                raise _cannot(self._path, error) from error
            except UsageError:
                os.close(fd)
                raise
            return fd

    def release(self) -> None:
        """Release the lock, so that other processes can write the record. Idempotent."""
        if self._fd < 0:
            return
        with contextlib.suppress(OSError):
            if _is_at(self._fd, self._path):
                self._path.unlink()  # while it is locked: who opened it sees that it is gone
        os.close(self._folder)
        os.close(self._fd)
        self._fd = -1

    def __enter__(self) -> RunLock:  # noqa: PYI034  (typing.Self is younger than Python 3.10)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


def refuse_if_running(run_dir: Path) -> None:
    """Refuse if a process holds the lock on `run_dir`. The lock on the file is not taken, not even
    for a moment, and whoever wants the one on the folder waits for longer than this holds it: so
    this question refuses nobody else.

    Raises: UsageError if a process holds the lock."""
    with contextlib.suppress(OSError):
        fd = os.open(run_dir / FILE_NAME, os.O_RDONLY | os.O_CLOEXEC)  # another user's, too
        try:
            asked = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
            lock = _FLOCK.unpack(fcntl.fcntl(fd, fcntl.F_OFD_GETLK, asked))
            if lock[0] != fcntl.F_UNLCK:
                raise _running(run_dir, fd)
        finally:
            os.close(fd)
    with contextlib.suppress(OSError):  # who starts a run will say why it cannot be
        os.close(_locked_folder(run_dir, shared=True))


def is_running(run_dir: Path) -> bool:
    """Return whether a process holds the lock on `run_dir`."""
    try:
        refuse_if_running(run_dir)
    except UsageError:
        return True
    return False


def _opened(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    except OSError as error:
        raise _cannot(path, error) from error


def _locked_folder(run_dir: Path, *, shared: bool = False) -> int:
    """Return a descriptor of the folder that holds a lock on it, if its file system has any.

    Raises: UsageError if another process holds it for longer than somebody who only asks does."""
    fd = os.open(run_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    end_s = time.monotonic() + _ASKING_S
    try:
        while True:
            try:
                fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno not in _HELD:
                    return fd  # no such locks here: the one on the file is all there is
                if time.monotonic() > end_s:
                    raise _running(run_dir, None) from error
            else:
                return fd
            time.sleep(0.005)
    except BaseException:
        os.close(fd)
        raise


def _lock(fd: int, path: Path) -> bool:
    try:
        fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
    except OSError as error:
        if error.errno in _HELD:
            return False
        raise _cannot(path, error) from error
    return True


def _is_at(fd: int, path: Path) -> bool:
    try:
        here, there = os.fstat(fd), path.stat()
    except FileNotFoundError:
        return False
    return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)


def _running(run_dir: Path, fd: int | None) -> UsageError:
    owner = "its run.lock was deleted" if fd is None else _owner(fd)
    return UsageError(
        f"a run is still active in {run_dir} ({owner}): only one process writes a record",
        remedy=f"look at it with `hil watch {run_dir}`; once it has ended, `hil run --resume "
        f"{run_dir}` continues it if it is not complete",
    )


def _owner(fd: int) -> str:
    end_s = time.monotonic() + _OWNER_WRITES_S
    while True:
        with contextlib.suppress(OSError, ValueError):
            return f"process {int(os.pread(fd, 32, 0))}"
        if time.monotonic() > end_s:
            return "process unknown"
        time.sleep(0.005)


def _cannot(path: Path, error: OSError) -> RecordError:
    return RecordError(
        f"cannot lock {path}: {error.strerror or error}",
        remedy="choose a folder on a local disk that can be written (--out, from Python out=)",
    )
