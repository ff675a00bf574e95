"""Exceptions of `hil`: failures of the rig itself, never what it observes.

A node that disagrees, dies or misses a deadline is data (a verdict, a slip), not an exception.

    HilError                  anything below; `except HilError` is enough for a command line
    ├── UsageError            the command line asks for something impossible            (exit 2)
    ├── ConfigError           a file is wrong; also a ValueError                        (exit 2)
    ├── SetupError            hardware or environment is missing                        (exit 3)
    ├── KernelError           the C kernel refused a call                               (exit 3)
    ├── LinkError             the connection to a board failed                          (exit 3)
    │   ├── LinkTimeout       no answer in time; also a TimeoutError
    │   └── VersionMismatch   the board runs another version of the agent
    ├── NodeError             a board answers, but refuses what it is asked             (exit 3)
    │   └── ProgramFailed     the program of a workload `exec` does not start
    └── RecordError           the record of a run cannot be written or read             (exit 3)

Every error says what was expected, what came instead, and, as `remedy`, what to try.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Final

from hil.exit_codes import Exit
from hil.printable import one_line

__all__ = [
    "ConfigError",
    "HilError",
    "KernelError",
    "LinkError",
    "LinkTimeout",
    "NodeError",
    "Problem",
    "ProgramFailed",
    "RecordError",
    "SetupError",
    "UsageError",
    "VersionMismatch",
]

_PROBLEMS_SHOWN: Final = 20


class HilError(Exception):
    """Root of all errors of this package.

    `message` is what happened, `remedy` what to try (None if there is nothing to try);
    str() has both, ready to be shown to a user.
    Not raised itself.
    """

    exit_code: ClassVar[Exit] = Exit.ENVIRONMENT

    def __init__(self, message: str, *, remedy: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return self.message if self.remedy is None else f"{self.message}\n  try: {self.remedy}"


class UsageError(HilError):
    """The command line, or an argument of the Python API, asks for something impossible.

    Example scenarios: a scenario that does not exist; `--boards` together with `--bench`;
    `--resume` of a run that is complete.
    """

    exit_code: ClassVar[Exit] = Exit.USAGE


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in a configuration file, and where.

    `line` and `column` count from 1; 0 = there is none, because the whole file is meant or
    because `file` names a command line option, or is empty. `path` is like `$.rig.nodes[1].baud`.
    `message` says what is wrong and what was expected; `remedy` what to try, or is empty.
    """

    file: str
    line: int
    column: int
    path: str
    message: str
    remedy: str = ""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        text = ": ".join(part for part in (where, self.path, self.message) if part)
        return one_line(f"{text}; {self.remedy}" if self.remedy else text)


class ConfigError(HilError, ValueError):
    """A configuration file is wrong. Carries every problem found, not only the first.

    str() is the report, one problem a line: the first twenty of them, since what is wrong with one
    line of a generated file is often wrong with all. `problems` has every one.

    Example scenarios: an unknown key in a scenario; a baud rate out of range; an upset of a node
    that the rig does not have; a bench file that lists fewer boards than the scheme needs.
    """

    exit_code: ClassVar[Exit] = Exit.USAGE

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(problems)
        count = len(self.problems)
        lines = [str(problem) for problem in self.problems[:_PROBLEMS_SHOWN]]
        if count > len(lines):
            lines.append(f"and {count - len(lines)} more; --json lists all of them")
        super().__init__("\n".join(lines if count == 1 else [f"{count} problems:", *lines]))
        self.args = (self.problems,)


class SetupError(HilError):
    """Hardware, or something of this computer that is needed, is missing.

    Example scenarios: the serial port does not exist, is used by another program or may not be
    opened by this user; the `hil-agent` executable is not installed; the disk is full; a shipped
    scenario was not installed with the package.
    """


class KernelError(HilError):
    """The C kernel refused a call: `what` names the call, `status` is its negative hil_status_t.

    Example scenarios: a digest is asked for more bytes than exist; a stored checkpoint is
    damaged beyond repair. Usually a defect of this package: please report it.
    """

    def __init__(self, status: int, what: str) -> None:
        super().__init__(f"{what}: the C kernel answered with status {status}")
        self.status = status
        self.what = what
        self.args = (status, what)


class LinkError(HilError):
    """The connection to a board failed, and a repetition did not help.

    Example scenarios: the USB cable was pulled and not plugged in again; the port delivers bytes
    that are not frames, as with a wrong baud rate.
    """


class LinkTimeout(LinkError, TimeoutError):
    """A board did not answer in time.

    Example scenarios: no agent runs behind the port; the board has no power; RX and TX of the
    cable are swapped.
    """


class VersionMismatch(LinkError):
    """The agent on a board speaks another wire version than this host.

    Example scenarios: the host was updated, the board was not (`hil board install`).
    """


class NodeError(HilError):
    """A board answers, but cannot do what it is asked.

    Example scenarios: its agent lacks the workload of the scenario; it was reset again and again
    by its watchdog while the rig was brought up.
    """


class TraceForbidden(NodeError):
    """An agent may not trace its worker with ptrace, so it cannot start one.

    Example scenarios: a container whose seccomp profile forbids ptrace;
    `kernel.yama.ptrace_scope` is 3.
    """


class ProgramFailed(NodeError):
    """The program of a workload `exec` does not start on a board. `stderr` is the last of what it
    wrote on standard error; str() shows it.

    Example scenarios: a library is missing on the board; the program needs longer than `init_s` to
    load its engine.
    """

    def __init__(self, message: str, *, stderr: str, remedy: str | None = None) -> None:
        super().__init__(message, remedy=remedy)
        self.stderr = stderr

    def __str__(self) -> str:
        lines = [f"    {one_line(line)}" for line in self.stderr.splitlines()]
        if not lines:
            return super().__str__()
        tail = f"  try: {self.remedy}" if self.remedy else ""
        head = f"{self.message}\n  the last of its standard error:"
        return "\n".join([head, *lines, *([tail] if tail else [])])


class RecordError(HilError):
    """The record of a run cannot be written or read.

    Example scenarios: `run.db` is not a record of hil, or of a newer version; the file system
    became full or read-only during the run; a run that is to be resumed was made from another
    scenario.
    """
