"""`hil check` and `hil schema`: scenarios, bench files and board profiles, before a run."""

# ruff: noqa: PLC0415  (imports in functions: `hil --help` must not load the engine)

from __future__ import annotations

import enum
import json
from typing import TYPE_CHECKING, Annotated

import typer

from hil.cli import completion
from hil.cli.options import Json
from hil.cli.output import answer, out, say, show
from hil.errors import UsageError
from hil.exit_codes import Exit

if TYPE_CHECKING:
    from hil.json_values import JsonObject

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
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Of a scenario: every key as a page to read.")
    ] = False,
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
    if markdown and kind is not _SchemaOf.scenario:
        raise UsageError("--markdown is for scenarios", remedy="hil schema scenario --markdown")
    if markdown:
        out(_scenario_page(scenario_schema()).rstrip("\n"))
        return Exit.PASS
    content = schemas[kind]()
    out(json.dumps(content, indent=2))
    return Exit.PASS


def _scenario_page(content: JsonObject) -> str:
    import yaml

    from hil import assets
    from hil.views.key_reference import key_reference

    files = sorted(assets.scenarios_dir().rglob("*.yaml"))
    return key_reference(
        dict(content),
        "Scenario reference",
        "Every key of a scenario, made from its models by `hil schema scenario --markdown`. "
        "Examples are those of shipped scenarios where one has the key. What the keys are for: "
        "[README.md](README.md).",
        [yaml.safe_load(path.read_text(encoding="utf-8")) for path in files],
    )
