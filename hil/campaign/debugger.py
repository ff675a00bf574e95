"""The hand-over of an experiment to gdb: the worker stands stopped at its fault, which has just
happened, and a file of commands lets gdb attach to it and say so.

The worker is a process of this computer that its agent has let go of. It makes no system call,
and what it shares with the agent does not matter any more; the agent ends it when its board is
closed."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hil import assets
from hil.campaign.recall import RecalledStep
from hil.campaign.repeat import address_of, fault_of, site_of, with_content
from hil.campaign.repetition import Fault
from hil.campaign.symbols import SOURCES
from hil.errors import SetupError
from hil.record.campaign_file import CampaignFile
from hil.record.recorded_experiment import RecordedExperiment
from hil.rig.backends.process import ProcessBoard
from hil.scenario import UpsetTarget
from hil.wire.campaign import OpenedStep, StrikeStop

__all__ = ["HandedOver", "find_gdb", "gdb_commands", "hand_over", "write_commands"]

_PC_LINES: Final = 5


@dataclass(frozen=True, slots=True)
class HandedOver:
    """A worker that stands at its fault, stopped: process `pid`. `upset`: the address of the byte,
    or the register, that was changed; `opened`: where its memory lies."""

    pid: int
    fault: Fault
    upset: int | None
    opened: OpenedStep


def find_gdb() -> str:
    """Return the path of gdb. Raises: SetupError if there is none."""
    path = shutil.which("gdb")
    if path is None:
        raise SetupError("gdb is not installed", remedy="sudo apt-get install gdb")
    return path


def hand_over(
    recalled: RecalledStep, file: CampaignFile, recorded: RecordedExperiment
) -> HandedOver:
    """Carry out an experiment up to its fault, and let the agent let go of its worker.

    Raises: SetupError if the worker is not a process of this computer; NodeError, LinkTimeout,
    RecordError."""
    board = recalled.board
    if not isinstance(board.node.board, ProcessBoard):
        raise SetupError(
            f"the worker of node {board.node.name} is not a process of this computer, to which gdb "
            "could attach",
            remedy="--gdb takes a campaign on process boards; --repeat works on every board",
        )
    fault, site = fault_of(recalled, file, recorded), site_of(recalled, recorded)
    board.step.run([site], severity=False)  # walks there
    struck = board.step.strike(site, StrikeStop.FOR_DEBUGGER)
    opened = board.step.opened
    upset = address_of(opened, site)
    return HandedOver(struck.pid, with_content(recalled, site, fault), upset, opened)


def gdb_commands(handed: HandedOver, lines: Iterable[str]) -> str:
    """Return the commands that let gdb attach to the worker, and print `lines`."""
    opened, fault = handed.opened, handed.fault
    pointers = {
        "ticks": 0,
        "state": opened.state_at,
        "input": opened.input_at,
        "output": opened.output_at,
        "heap": opened.heap_at,
        "stack": opened.stack_at,
    }
    commands = [
        "set confirm off",
        "set pagination off",
        "set auto-load libthread-db off",  # it has one thread, which is none of the C library's
        "handle SIGVTALRM nostop noprint nopass",  # the timer of the worker's experiments
        f"set substitute-path {SOURCES} {_quoted(assets.sources_dir())}",
        f"attach {handed.pid}",
        "handle SIGSTOP nostop noprint nopass",  # with which it was left
        *(
            f"set ${name} = (unsigned char *) {opened.arena + at:#x}"
            for name, at in pointers.items()
        ),
    ]
    if handed.upset is not None:
        commands.append(f"set $upset = (unsigned char *) {handed.upset:#x}")
    commands += [_echo(""), *map(_echo, lines)]
    names = ", ".join(f"${name}" for name in (*pointers, *(["upset"] if handed.upset else [])))
    commands.append(
        _echo(f"{names} point to the worker's memory. The step ends at worker_trap_rest.")
    )
    commands.append(
        _echo("It hangs if $ticks becomes too large: it stops at worker_trap_tick then.")
    )
    commands.append("set pagination on")
    if (
        fault.target != UpsetTarget.GPR
    ):  # which may have changed the program counter to where nothing is
        commands.append(f"x/{_PC_LINES}i $pc")
    return "\n".join(commands) + "\n"


def _quoted(path: Path) -> str:
    """Return a path as one word of a gdb command."""
    text = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def _echo(line: str) -> str:
    text = line.replace("\\", "\\\\")
    return f"echo {text}\\n"


def write_commands(folder: Path, handed: HandedOver, lines: Iterable[str]) -> Path:
    """Write the commands to a file in `folder`; return its path."""
    path = folder / "attach.gdb"
    path.write_text(gdb_commands(handed, lines), encoding="utf-8")
    return path
