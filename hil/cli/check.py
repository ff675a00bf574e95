"""`hil check` and `hil schema`: scenarios, bench files and board profiles, before a run."""

# ruff: noqa: PLC0415  (imports in functions: `hil --help` must not load the engine)

from __future__ import annotations

import enum
import json
from typing import Annotated

import typer

from hil.cli import completion
from hil.cli.options import Json
from hil.cli.output import answer, out, say, show
from hil.exit_codes import Exit

__all__ = ["check", "schema"]


def check(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...",
            help="Scenarios, bench files, board profiles: files, or names of shipped ones.",
            autocompletion=completion.scenarios,
        ),
    ],
    as_json: Json = False,
) -> int:
    """Check scenarios, bench files and board profiles without running them.

    Reports all problems of all files, each with its line and what to do. Exit 2 if there are any.
    """
    from hil.doctor.files import check_all
    from hil.views import tables

    results = check_all(files)
    bad = [file for file in results if not file.ok]
    if as_json:
        answer({"ok": not bad, "files": [file.as_json() for file in results]})
    elif len(bad) < len(results):
        good = [file for file in results if file.ok]
        show(lambda glyphs: tables.check_lines(good, glyphs), width=200)
    for file in results:
        for warning in file.warnings:
            say(f"warning: {warning}")
    for file in bad:
        for problem in file.problems:
            say(str(problem))
    if bad:
        count = sum(len(file.problems) for file in bad)
        say(f"hil: {count} problem{'s'[: count > 1]} in {len(bad)} of {len(results)} files")
    return Exit.USAGE if bad else Exit.PASS


class _SchemaOf(str, enum.Enum):
    scenario = "scenario"
    bench = "bench"
    board = "board"
    evidence = "evidence"


def schema(
    kind: Annotated[_SchemaOf, typer.Argument(help="The kind of file.")] = _SchemaOf.scenario,
) -> int:
    """Print the JSON Schema of scenarios, bench files, board profiles or evidence files."""
    from hil.board_types.profile_schema import board_schema
    from hil.report.evidence.evidence_file import evidence_schema
    from hil.scenario import bench_schema, scenario_schema

    schemas = {
        _SchemaOf.scenario: scenario_schema,
        _SchemaOf.bench: bench_schema,
        _SchemaOf.board: board_schema,
        _SchemaOf.evidence: evidence_schema,
    }
    content = schemas[kind]()
    out(json.dumps(content, indent=2))
    return Exit.PASS
