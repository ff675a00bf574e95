"""The options of `hil run`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hil.cli import completion

__all__ = [
    "Accel",
    "Bench",
    "Boards",
    "CaptureLinks",
    "Control",
    "Duration",
    "Frames",
    "NoTui",
    "Out",
    "Pace",
    "Quiet",
    "Resume",
    "SchemeName",
    "Seed",
    "Source",
    "Use",
    "WaitBench",
    "WaitBoards",
]

Source = Annotated[
    str | None,
    typer.Argument(
        metavar="SCENARIO",
        help="A scenario file, or the name of a shipped one.",
        autocompletion=completion.scenarios,
    ),
]
Boards = Annotated[
    str | None,
    typer.Option(
        metavar="KIND",
        help="Put every node on this kind of board: inproc, process, emulated.",
        autocompletion=completion.software_kinds,
    ),
]
Bench = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Put the nodes on the boards of this bench; with --boards, the rest on those.",
    ),
]
Use = Annotated[
    str | None,
    typer.Option(
        metavar="BOARD,...",
        help="Boards of the bench to take: names, tags or profiles, in order.",
        autocompletion=completion.board_lists,
    ),
]
WaitBoards = Annotated[
    str | None,
    typer.Option(
        metavar="TIME", help="Wait this long for boards that boot, are absent, or are in use."
    ),
]
WaitBench = Annotated[
    str | None,
    typer.Option(
        metavar="TIME", help="Wait this long for boards and supplies that others have reserved."
    ),
]
SchemeName = Annotated[
    str | None,
    typer.Option(
        metavar="S", help="simplex, dmr, tmr, 4mr to 7mr, ...", autocompletion=completion.schemes
    ),
]
Seed = Annotated[int | None, typer.Option(metavar="N", help="Everything random is drawn from it.")]
Frames = Annotated[int | None, typer.Option(metavar="N", help="Length in frames.")]
Duration = Annotated[
    str | None, typer.Option(metavar="TIME", help="Length in simulated time: 90s, 2h, 7d.")
]
Pace = Annotated[
    str | None,
    typer.Option(metavar="P", help="realtime, 60x or free.", autocompletion=completion.paces),
]
Accel = Annotated[float | None, typer.Option(metavar="X", help="Multiply all upset rates by this.")]
Out = Annotated[
    Path | None,
    typer.Option("-o", "--out", metavar="DIR", help="Folder of the run; default: runs/TIME-NAME."),
]
Resume = Annotated[
    Path | None,
    typer.Option(
        metavar="RUN",
        help="Continue an interrupted run.",
        autocompletion=completion.unfinished_runs,
    ),
]
Control = Annotated[
    bool, typer.Option("--control", help="Take commands from `hil control` and screens.")
]
CaptureLinks = Annotated[
    bool,
    typer.Option("--capture", help="Write all bytes of all links to RUN/capture.pcapng."),
]
NoTui = Annotated[bool, typer.Option("--no-tui", help="No screen, only a progress display.")]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="No progress, no notices; the outcome in a line.")
]
