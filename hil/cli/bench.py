"""`hil bench ...`: the boards of a bench and their cables, without a run."""

# ruff: noqa: PLC0415  (imports in functions: `hil --help` must not load the rig)

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hil.cli.options import Json
from hil.cli.output import answer, say, show
from hil.exit_codes import Exit

__all__ = ["bench_app"]

bench_app = typer.Typer(
    no_args_is_help=True, help="A bench: test its boards, cables and supplies without a run."
)


@bench_app.callback()
def _group() -> None:
    """Keep `test` a command of its own: with one command only typer would leave its name out."""


@bench_app.command("test")
def bench_test(
    bench: Annotated[Path, typer.Argument(metavar="BENCH", help="The bench file.")],
    use: Annotated[
        str | None,
        typer.Option(metavar="BOARD,...", help="Test these only; default: all but absent ones."),
    ] = None,
    as_json: Json = False,
) -> int:
    """Test every board of a bench: its port, agent and identity, and the measures of its link.

    Exit codes: 0 no fault, 1 faults were found, 2 wrong file or board, 3 the bench is in use.
    """
    from hil.rig.bench_test.bench_tester import BenchTester, boards_to_test
    from hil.scenario import load_bench
    from hil.views.bench_test import bench_test_lines

    names = [name.strip() for name in (use or "").split(",") if name.strip()]
    boards = boards_to_test(load_bench(bench), names)
    report = BenchTester(bench, boards, say).run()
    if as_json:
        answer(report.as_json())
    else:
        show(lambda glyphs: bench_test_lines(report, glyphs), width=110)
    return Exit.PASS if report.ok else Exit.FAIL
