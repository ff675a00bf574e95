"""The options of `hil orbit`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hil.cli import completion

__all__ = [
    "Accel",
    "Campaign",
    "Duration",
    "Every",
    "Mission",
    "Output",
    "Plot",
    "Reliability",
    "Scrub",
    "Source",
    "Sweep",
]

Source = Annotated[
    str,
    typer.Argument(
        metavar="SCENARIO",
        help="A file, or a shipped one; or a TLE, OMM, OEM.",
        autocompletion=completion.orbits,
    ),
]
Output = Annotated[
    Path | None,
    typer.Option("-o", "--out", metavar="FILE", help="Write a profile: .csv or .npz."),
]
Plot = Annotated[Path | None, typer.Option(metavar="FILE", help="Draw it: .png, .svg or .pdf.")]
Every = Annotated[
    float | None, typer.Option(metavar="SECONDS", help="Time between rows; default: the step.")
]
Duration = Annotated[str | None, typer.Option(metavar="TIME", help="As 90s, 2h, 7d.")]
Accel = Annotated[float | None, typer.Option(metavar="X", help="Multiply upset rates.")]
Sweep = Annotated[
    list[str] | None,
    typer.Option(
        metavar="KEY=FIRST:LAST:STEP",
        autocompletion=completion.sweep_keys,
        help="Fly many orbits, as altitude_km=400:2000:50, and compare them; repeat it.",
    ),
]
Campaign = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="With --sweep: up to which altitude a scheme is enough, by a campaign.",
        autocompletion=completion.results,
    ),
]
Mission = Annotated[
    str, typer.Option(metavar="TIME", help="With --campaign: the length of the mission.")
]
Reliability = Annotated[
    float, typer.Option(metavar="P", help="With --campaign: of no failure in the mission.")
]
Scrub = Annotated[
    str,
    typer.Option(
        metavar="TIME", help="With --campaign: mean time until a failed node is repaired."
    ),
]
