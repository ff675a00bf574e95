"""`hil check` and `hil schema`: scenario and bench files, before anything runs."""

# ruff: noqa: PLC0415  (imports in functions: `hil --help` must not load the engine)

from __future__ import annotations

import enum
import json
from typing import Annotated

import typer

from hil.cli.options import Json
from hil.cli.output import answer, out, say, show
from hil.exits import Exit

__all__ = ["check", "schema"]


def check(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="Scenario or bench files, or names.")
    ],
    as_json: Json = False,
) -> int:
    """Check scenario and bench files without running them: all problems of all files."""
    from hil.check import check_all
    from hil.views import tables

    found = check_all(files)
    bad = [file for file in found if not file.ok]
    if as_json:
        answer({"ok": not bad, "files": [file.as_json() for file in found]})
    elif len(bad) < len(found):
        good = [file for file in found if file.ok]
        show(lambda glyphs: tables.check_lines(good, glyphs), width=200)
    for file in bad:
        for problem in file.problems:
            say(str(problem))
    if bad:
        count = sum(len(file.problems) for file in bad)
        say(f"hil: {count} problem{'s'[: count > 1]} in {len(bad)} of {len(found)} files")
    return Exit.USAGE if bad else Exit.PASS


class _SchemaOf(str, enum.Enum):
    scenario = "scenario"
    bench = "bench"


def schema(
    kind: Annotated[_SchemaOf, typer.Argument(help="Of which file.")] = _SchemaOf.scenario,
) -> int:
    """Print the JSON Schema of scenario or bench files, for completion in editors."""
    from hil.scenario import bench_schema, scenario_schema

    content = bench_schema() if kind is _SchemaOf.bench else scenario_schema()
    out(json.dumps(content, indent=2))
    return Exit.PASS
