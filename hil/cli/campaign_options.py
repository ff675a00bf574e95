"""The options of `hil campaign`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hil.cli import completion

__all__ = [
    "ChecksumHits",
    "CleanSteps",
    "Confidence",
    "Confirm",
    "Exact",
    "FaultList",
    "Follow",
    "Frame",
    "Images",
    "Kind",
    "ManyFrames",
    "OutcomeName",
    "Plan",
    "Precision",
    "Proportional",
    "ResultFile",
    "Sampled",
    "Samples",
    "Scheme",
    "SchemeProof",
    "SeedOfDraw",
    "Severity",
    "Source",
    "Targets",
    "TextHits",
    "UpsetRate",
    "Weights",
    "Workers",
    "Workload",
    "WriteFaults",
]

_SAMPLE = "With --sampled"

Source = Annotated[
    str,
    typer.Argument(
        metavar="SCENARIO|RESULT",
        help="A file, or a shipped scenario.",
        autocompletion=completion.scenarios_or_results,
    ),
]
Exact = Annotated[bool, typer.Option("--exact", help="All single-bit faults of one step.")]
Sampled = Annotated[
    bool, typer.Option("--sampled", help="A sample of the faults of one or many steps.")
]
Targets = Annotated[
    str,
    typer.Option(
        metavar="A,B",
        help="state, input, output, heap, stack, gpr, vector; a sample also text.",
        autocompletion=completion.target_lists,
    ),
]
Frame = Annotated[int, typer.Option(metavar="N", help="The step of this frame.", min=0)]
Kind = Annotated[
    str | None,
    typer.Option(
        metavar="KIND",
        help="process, emulated or inproc, instead of its own.",
        autocompletion=completion.software_kinds,
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(metavar="N", help="Boards that share the work; default: cores.", min=1),
]
ResultFile = Annotated[
    Path | None,
    typer.Option("-o", "--out", metavar="FILE", help="The result; default: SCENARIO.campaign."),
]
ManyFrames = Annotated[
    str | None,
    typer.Option(
        metavar="A:B", help="Frames, such as 0:100 or 0:1000:10.", rich_help_panel=_SAMPLE
    ),
]
Samples = Annotated[
    int | None,
    typer.Option(
        metavar="N", help="At most N faults of each target.", min=1, rich_help_panel=_SAMPLE
    ),
]
Proportional = Annotated[
    bool,
    typer.Option(
        "--proportional",
        help="--samples in all, more of them of larger targets.",
        rich_help_panel=_SAMPLE,
    ),
]
Precision = Annotated[
    float | None,
    typer.Option(
        metavar="X",
        help="Stop when the share is known to ± X; default without --samples: 0.01.",
        rich_help_panel=_SAMPLE,
    ),
]
Confidence = Annotated[
    float, typer.Option(metavar="X", help="Of the intervals.", rich_help_panel=_SAMPLE)
]
OutcomeName = Annotated[
    str,
    typer.Option(
        metavar="EFFECT",
        help="The outcome that --precision is about.",
        autocompletion=completion.outcomes,
        rich_help_panel=_SAMPLE,
    ),
]
SeedOfDraw = Annotated[
    int | None,
    typer.Option(
        metavar="N", help="Of the draw; default: the scenario's.", min=0, rich_help_panel=_SAMPLE
    ),
]
FaultList = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Carry out the faults of a list.", rich_help_panel=_SAMPLE),
]
WriteFaults = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Write the faults as a list, and carry out none.",
        rich_help_panel=_SAMPLE,
    ),
]
Plan = Annotated[
    bool,
    typer.Option(
        "--plan",
        help="Print how many experiments are needed, and carry out none.",
        rich_help_panel=_SAMPLE,
    ),
]
Scheme = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="simplex, dmr, tmr, 4mr, ..., of --boards.",
        autocompletion=completion.schemes,
    ),
]
SchemeProof = Annotated[
    bool, typer.Option("--scheme-proof", help="What the redundancy makes of every single upset.")
]
TextHits = Annotated[
    int,
    typer.Option(
        "--text-hits", metavar="N", help="What N hits each cost a text, by their place.", min=0
    ),
]
ChecksumHits = Annotated[
    int,
    typer.Option(
        "--checksum-hits",
        metavar="N",
        help="What the checksums of NAME+abft find of N hits of each part.",
        min=0,
    ),
]
CleanSteps = Annotated[
    int,
    typer.Option(
        metavar="N", help="With --checksum-hits: steps without upsets, for false alarms.", min=0
    ),
]
Confirm = Annotated[
    int,
    typer.Option(
        metavar="N", help="With --scheme-proof or several workloads: full runs of faults.", min=0
    ),
]
Severity = Annotated[
    bool, typer.Option("--severity", help="With --exact: how wrong each wrong output is.")
]
Follow = Annotated[
    int, typer.Option(metavar="N", help="With --exact: N further steps of latent faults.", min=0)
]
Weights = Annotated[
    bool,
    typer.Option("--weights", help="Every bit of every weight of a model, judged by its loss."),
]
Images = Annotated[
    int, typer.Option(metavar="N", help="With --weights: images of the loss.", min=1, max=10_000)
]
Workload = Annotated[
    str | None,
    typer.Option(
        metavar="A,B,...",
        help="Instead of the scenario's. With --exact or --weights several: one table of all.",
        autocompletion=completion.workload_lists,
    ),
]
UpsetRate = Annotated[
    float,
    typer.Option(metavar="X", help="With several workloads: upsets of a bit [1/day]."),
]
