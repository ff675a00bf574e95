"""Echoes: ptys with `cat` behind each, to measure what the operating system needs without hil."""

from __future__ import annotations

import contextlib
import os
import pty
import shutil
import subprocess
import tty
from collections.abc import Iterator

from hil.clock import HOST
from hil.errors import SetupError


class Echo:
    """A transport to `cat` behind a pty. Raises: SetupError if `cat` cannot be started."""

    def __init__(self) -> None:
        board, host = pty.openpty()
        tty.setraw(host)
        self.fd: int | None = host
        self.host_fd = host
        try:
            self._program = subprocess.Popen(
                [shutil.which("cat") or "cat"], stdin=board, stdout=board
            )
        except OSError as error:
            os.close(host)
            raise SetupError(f"cannot start `cat`, which perf compares with: {error}") from error
        finally:
            os.close(board)

    def write(self, data: bytes) -> None:
        os.write(self.host_fd, data)

    def read(self) -> bytes:
        return os.read(self.host_fd, 65536)

    def close(self) -> None:
        if self.fd is not None:
            self._program.kill()
            self._program.wait()
            os.close(self.host_fd)
        self.fd = None


@contextlib.contextmanager
def echoes(count: int) -> Iterator[list[Echo]]:
    """Start `count` echoes that have answered once; end them afterwards."""
    with contextlib.ExitStack() as stack:
        out: list[Echo] = []
        for _ in range(count):
            echo = Echo()
            stack.callback(echo.close)
            out.append(echo)
        ping_pong(out, 20)
        yield out


def ping_pong(some: list[Echo], size: int) -> None:
    """Send `size` bytes to all echoes at once, and wait until all have come back."""
    missing = {echo.host_fd: size for echo in some}
    by_fd = {echo.host_fd: echo for echo in some}
    for echo in some:
        echo.write(b"\x55" * size)
    while missing:
        for fd in HOST.readable(list(missing), 1e6):
            missing[fd] -= len(by_fd[fd].read())
            if not missing[fd]:
                del missing[fd]
