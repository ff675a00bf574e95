"""A program of its own: runs a program, and ends it and all that it has started with itself.

    python guardian.py PARENT PROGRAM [ARGUMENT...]

It ends when the program does, when the process PARENT does (which has started it), or on SIGTERM.
Whatever the program leaves behind becomes a child of this one, however it was hidden."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_NEWS = {signal.SIGTERM, signal.SIGCHLD, signal.SIGCONT}
_ROUNDS = 500


def _set(option: int, value: int) -> None:
    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _run(program: list[str], guardian: int) -> None:
    _set(_PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    if os.getppid() == guardian:
        os.execv(program[0], program)  # noqa: S606 (that is what it is for)


def _has_ended(child: int) -> bool:
    while True:
        pid, _ = os.waitpid(-1, os.WNOHANG)
        if pid in (0, child):
            return pid == child


def _children() -> list[int]:
    us, found = str(os.getpid()).encode(), []
    for entry in filter(str.isdecimal, os.listdir("/proc")):  # noqa: PTH208 (starts without pathlib)
        try:
            with open(f"/proc/{entry}/stat", "rb") as stat:  # noqa: PTH123
                text = stat.read()
        except OSError:
            continue
        if text[text.rindex(b")") + 2 :].split()[1] == us:
            found.append(int(entry))
    return found


def main() -> None:
    """Run the program that the command line names."""
    parent, program, us = int(sys.argv[1]), sys.argv[2:], os.getpid()
    signal.pthread_sigmask(signal.SIG_BLOCK, _NEWS)
    _set(_PR_SET_CHILD_SUBREAPER, 1)
    _set(_PR_SET_PDEATHSIG, signal.SIGCONT)  # comes through to a stopped process, too
    if os.getppid() != parent:
        return
    child = os.fork()
    if not child:
        try:
            _run(program, us)
        finally:
            os._exit(127)
    nothing = os.open(os.devnull, os.O_RDWR)
    for pipe in (0, 1):  # the program's alone: each end tells of the other's
        os.dup2(nothing, pipe)
    while os.getppid() == parent:
        if signal.sigwait(_NEWS) == signal.SIGTERM or _has_ended(child):
            break
    for _ in range(_ROUNDS):
        left = _children()
        if not left:
            break
        for pid in left:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, os.WNOHANG)
        signal.sigtimedwait((), 0.001)


if __name__ == "__main__":
    main()
