"""Options and arguments that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hil.cli import completion

__all__ = ["AnyCompiler", "AnyTarget", "Ascii", "Json", "RunFolder", "Workloads"]

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout instead.")]
Ascii = Annotated[bool, typer.Option("--ascii", help="The screen in ASCII.")]
RunFolder = Annotated[
    Path, typer.Argument(metavar="RUN", help="Folder of a run.", autocompletion=completion.runs)
]
AnyCompiler = Annotated[
    str | None, typer.Option("--compiler", metavar="CC", help="Use this compiler, no other.")
]
AnyTarget = Annotated[
    str | None,
    typer.Option(
        metavar="TRIPLE",
        help="aarch64, armv7, riscv64 or x86-64, or a triple of one.",
        autocompletion=completion.triples,
    ),
]
Workloads = Annotated[
    list[Path] | None,
    typer.Option(
        "--workload",
        metavar="NAME.c",
        autocompletion=completion.c_files,
        help="Compile this workload of your own in (scenarios/workloads/template.c); repeat it.",
    ),
]
