"""Options and arguments that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["Ascii", "Json", "RunFolder"]

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout instead.")]
Ascii = Annotated[bool, typer.Option("--ascii", help="The screen in ASCII.")]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run.")]
