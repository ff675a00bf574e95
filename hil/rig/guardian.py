"""A separate program: runs another program, and kills everything that one has started when it ends.

    python guardian.py PARENT PROGRAM [ARGUMENT...]

The guardian ends when PROGRAM ends, with its exit code or of the same signal, when the process
PARENT that started it ends, or on SIGTERM.
Whatever PROGRAM leaves behind becomes a child of the guardian, even what has left its session or
was orphaned on purpose, and is killed."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_SIGNALS = {signal.SIGTERM, signal.SIGCHLD, signal.SIGCONT}
_ROUNDS = 500
"""Rounds of killing, about 1 ms apart: a process that forks meanwhile needs another one."""


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _become(program: list[str], guardian: int) -> None:
    """Replace this process, a child of the guardian, with the program."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    if os.getppid() == guardian:  # the guardian did not end before PDEATHSIG was set
        os.execv(program[0], program)  # noqa: S606 (that is what it is for)


def _end_of(child: int) -> int | None:
    """Return the wait status with which `child` has ended, None if it has not; reap every process
    that has ended."""
    while True:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid in (0, child):
            return status if pid == child else None


def _end_like(status: int) -> None:
    """End this process with the exit code of a wait status, or of its signal."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # the program has left its own
        if number != signal.SIGKILL:
            signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, (number,))
        os.kill(os.getpid(), number)
    os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


def _children() -> list[int]:
    """Return the children of this process, zombies included."""
    parent, pids = str(os.getpid()).encode(), []
    for entry in filter(str.isdecimal, os.listdir("/proc")):  # noqa: PTH208 (starts without pathlib)
        try:
            with open(f"/proc/{entry}/stat", "rb") as stat:  # noqa: PTH123
                text = stat.read()
        except OSError:
            continue
        if text[text.rindex(b")") + 2 :].split()[1] == parent:
            pids.append(int(entry))
    return pids


def main() -> None:
    """Run the program that the command line names, and kill all that is left when it ends."""
    parent, program, guardian = int(sys.argv[1]), sys.argv[2:], os.getpid()
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    _prctl(_PR_SET_PDEATHSIG, signal.SIGCONT)  # wakes the guardian even if it has been stopped
    if os.getppid() != parent:
        return
    child = os.fork()
    if not child:
        try:
            _become(program, guardian)
        finally:
            os._exit(127)
    null = os.open(os.devnull, os.O_RDWR)
    for pipe in (0, 1, 2):  # only the program holds the pipes: the host sees EOF when it ends
        os.dup2(null, pipe)
    status: int | None = None
    while os.getppid() == parent:
        if signal.sigwait(_SIGNALS) == signal.SIGTERM or (status := _end_of(child)) is not None:
            break
    for _ in range(_ROUNDS):
        remaining = _children()
        if not remaining:
            break
        for pid in remaining:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, os.WNOHANG)
        signal.sigtimedwait((), 0.001)
    if status is not None:
        _end_like(status)


if __name__ == "__main__":
    main()
