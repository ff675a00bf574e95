"""`hil doctor` and `hil perf`: self-tests and measurements of this computer."""

# ruff: noqa: PLC0415  (imports in functions: `hil --help` must not load the engine)

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from typing import Annotated

import typer

from hil.cli import completion
from hil.cli.options import Json
from hil.cli.output import answer, show
from hil.exit_codes import Exit

__all__ = ["doctor", "perf"]


def doctor(as_json: Json = False) -> int:
    """Test whether this computer can run scenarios: known faults must be detected."""
    from hil.doctor.computer import examine, possible
    from hil.doctor.findings import Check
    from hil.views import tables

    checks: list[Check] = []
    for check in examine():
        checks.append(check)
        if not as_json:
            show(partial(tables.doctor_line, check))
    able = possible(checks)
    if as_json:
        answer({"ok": able, "checks": [c.as_json() for c in checks]})
    else:
        show(lambda glyphs: tables.doctor_verdict(checks, able, glyphs))
    return Exit.PASS if able else Exit.ENVIRONMENT


def perf(
    quick: Annotated[bool, typer.Option("--quick", help="Shorter, and less exact.")] = False,
    rows: Annotated[
        list[str] | None,
        typer.Option(
            "--row",
            metavar="NAME",
            help="Measure only this group; can be given again.",
            autocompletion=completion.rows,
        ),
    ] = None,
    as_json: Json = False,
) -> int:
    """Measure the speed of hil on this computer, and compare it with references and targets.

    Exit 0 if all targets are met, 1 if one is missed.
    """
    from hil.perf import PerfRow, run_perf
    from hil.views import tables

    def show_row(row: PerfRow) -> None:
        if not as_json:
            show(partial(tables.perf_row, row))

    results = run_perf(quick, rows or None, show_row)
    missed = any(row.ok is False for row in results)
    if as_json:
        answer({"ok": not missed, "rows": [asdict(row) for row in results]})
    else:
        show(partial(tables.perf_verdict, results))
    return Exit.FAIL if missed else Exit.PASS
