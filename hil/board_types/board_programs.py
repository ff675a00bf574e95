"""Programs of `workload: exec` on a board: `--exec` of its agent, and which files are copied there.

filter=./ab_filter,-v            a file of this computer, copied to `PROGRAMS`, with an argument
net=board:/opt/net,/opt/e.plan   a program that is on the board already
onnx=./onnx_worker.py,file:model.onnx    a file that it reads, copied beside it: its argument then
"""

from __future__ import annotations

import itertools
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hil.board_types.compilers import BuildTarget
from hil.errors import UsageError

__all__ = ["PROGRAMS", "BoardProgram", "board_programs", "check_machine", "programs_of_start"]

PROGRAMS: Final = "/usr/local/lib/hil"
"""The folder of a board into which programs are copied."""

_MOST: Final = 8
_NAME: Final = re.compile(r"[a-z0-9_-]{1,10}")
_ON_BOARD: Final = "board:"
_FILE: Final = "file:"
_PLAIN: Final = re.compile(r"[A-Za-z0-9_./:=+@,-]*")
"""What needs no quoting in a unit of systemd, nor in a shell."""

_EXAMPLE: Final = "--exec filter=./ab_filter, or --exec net=board:/opt/net,/opt/e.plan"


@dataclass(frozen=True, slots=True)
class BoardProgram:
    """A program that an agent allows as `exec:NAME`. `command`: its path on the board, and its
    arguments behind commas; `file`: the file of this computer that is copied there, None for a
    program that is on the board already; `beside`: files that are copied into the same folder."""

    name: str
    command: str
    file: Path | None = None
    beside: tuple[Path, ...] = ()

    @property
    def option(self) -> str:
        """Return the value of the agent's option `--exec`."""
        return f"{self.name}={self.command}"


def board_programs(texts: Sequence[str]) -> tuple[BoardProgram, ...]:
    """Return the programs that `NAME=PATH[,ARGUMENT...]` name.

    Raises:
        UsageError: A text has another form, a file is missing, or there are too many programs.
    """
    programs = tuple(map(_program, texts))
    names = [program.name for program in programs]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UsageError(f"--exec: there are two programs `{twice}`", remedy="name them apart")
    if len(programs) > _MOST:
        raise UsageError(f"--exec: {len(programs)} programs; an agent allows {_MOST}")
    return programs


def _program(text: str) -> BoardProgram:
    name, equals, command = text.partition("=")
    if not equals or not _NAME.fullmatch(name) or not command:
        raise UsageError(
            f"--exec `{text[:80]}`: expected NAME=PATH[,ARGUMENT...], NAME of 1 to 10 of a-z0-9_-",
            remedy=_EXAMPLE,
        )
    if not _PLAIN.fullmatch(command.removeprefix(_ON_BOARD)):
        raise UsageError(
            f"--exec {name}: `{command[:80]}` has characters that a service file would change",
            remedy="use letters, digits and _ . / : = + @ - only",
        )
    if command.startswith(_ON_BOARD):
        on_board = command.removeprefix(_ON_BOARD)
        if not on_board.startswith("/"):
            raise UsageError(
                f"--exec {name}: `{on_board[:80]}` is not an absolute path of the board",
                remedy=_EXAMPLE,
            )
        return BoardProgram(name, on_board)
    path, *arguments = command.split(",")
    file, beside = Path(path), [Path(a.removeprefix(_FILE)) for a in arguments if _is_file(a)]
    for one in beside:
        if not one.is_file():
            raise UsageError(
                f"--exec {name}: there is no file {one} on this computer", remedy="check the path"
            )
    if not file.is_file():
        raise UsageError(
            f"--exec {name}: there is no file {path} on this computer",
            remedy=f"check the path; a program that is on the board is `{name}=board:/path`",
        )
    words = [
        f"{PROGRAMS}/{Path(a.removeprefix(_FILE)).name}" if _is_file(a) else a for a in arguments
    ]
    there = ",".join([f"{PROGRAMS}/{name}", *words])
    return BoardProgram(name, there, file.resolve(), tuple(one.resolve() for one in beside))


def _is_file(argument: str) -> bool:
    """Return whether an argument names a file of this computer."""
    return argument.startswith(_FILE)


def check_machine(programs: Sequence[BoardProgram], target: BuildTarget) -> None:
    """Check that copied programs are for the processor of the board; scripts are for any.

    Raises:
        UsageError: A program is for another processor, or cannot be read.
    """
    for program in programs:
        if program.file is None:
            continue
        try:
            with program.file.open("rb") as file:
                head = file.read(20)
        except OSError as error:
            raise UsageError(f"cannot read {program.file}: {error.strerror}") from error
        if head[:4] != b"\x7fELF" or len(head) < 20:
            continue
        machine = struct.unpack_from("<H", head, 18)[0]
        if machine != target.machine:
            raise UsageError(
                f"--exec {program.name}: {program.file} is for another processor (ELF machine "
                f"{machine}), the board is {target.name} ({target.machine})",
                remedy=f"compile it for {target.zig}",
            )


def programs_of_start(words: Sequence[str]) -> tuple[BoardProgram, ...]:
    """Return the programs that a board's agent is started with, by the words of its start. Their
    files are on the board already."""
    options = [after for word, after in itertools.pairwise(words) if word == "--exec"]
    pairs = (option.partition("=") for option in options)
    return tuple(BoardProgram(name, command) for name, _, command in pairs)
