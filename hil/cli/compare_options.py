"""The options of `hil compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hil.cli import completion

__all__ = [
    "First",
    "Orbit",
    "OrbitProfile",
    "Runs",
    "SchemeBoards",
    "SchemeFrames",
    "SchemeNames",
    "SchemePicture",
    "Second",
    "SweptOver",
    "Top",
]

First = Annotated[
    Path,
    typer.Argument(
        metavar="A",
        help="Result file of a campaign; with --schemes, a scenario.",
        autocompletion=completion.scenarios_or_results,
    ),
]
Second = Annotated[
    Path | None,
    typer.Argument(
        metavar="[B]", help="Result file of another.", autocompletion=completion.results
    ),
]
Top = Annotated[
    int, typer.Option(metavar="N", help="List the N worst bytes, functions, instructions.")
]
SchemeNames = Annotated[
    str | None,
    typer.Option(
        metavar="A,B",
        help="Redundancy schemes to run the scenario with; own: its own.",
        autocompletion=completion.scheme_lists,
    ),
]
SweptOver = Annotated[
    str | None,
    typer.Option(
        metavar="KEY=VALUES",
        help="Schemes: for each value, as persistence=0,1,2,4,8.",
        autocompletion=completion.over_keys,
    ),
]
Runs = Annotated[
    int | None, typer.Option(metavar="N", help="Schemes: runs of each, with N seeds; default: 1.")
]
SchemeBoards = Annotated[
    str | None,
    typer.Option(
        metavar="KIND",
        help="Schemes: inproc or process, for all nodes.",
        autocompletion=completion.fast_kinds,
    ),
]
SchemeFrames = Annotated[
    int | None, typer.Option("--frames", metavar="N", help="Schemes: length of each run.")
]
SchemePicture = Annotated[
    Path | None,
    typer.Option("-o", "--out", metavar="FILE", help="Schemes: draw .png, .svg or .pdf."),
]
Orbit = Annotated[
    str | None,
    typer.Option(
        metavar="SCENARIO",
        help="Failures a day, FIT and MTTF in this flight.",
        autocompletion=completion.orbits,
    ),
]
OrbitProfile = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="In orbit: on this board, not its own.",
        autocompletion=completion.profiles,
    ),
]
