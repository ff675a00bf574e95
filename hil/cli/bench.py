"""`hil bench ...`: the boards of a bench and their cables, without a run."""

# ruff: noqa: PLC0415  (imports in functions: `hil --help` must not load the rig)

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from hil.cli import completion
from hil.cli.help_texts import App
from hil.cli.options import Json
from hil.cli.output import answer, say, show
from hil.cli.signals import deferred_interrupts
from hil.errors import HilError, UsageError
from hil.exit_codes import Exit
from hil.printable import one_line, printable

if TYPE_CHECKING:
    from hil.scenario import BenchBoardConfig, BenchConfig
    from hil.scenario.bench_report import BenchTestReport

__all__ = ["bench_app"]

_BOOT_WAIT_S: Final = 120.0
"""At least twice the `boot_s` of the bench file, which may be measured again."""

bench_app = App(
    no_args_is_help=True, help="A bench: test its boards, cables and supplies without a run."
)


@bench_app.callback()
def _group() -> None:
    """Keep `test` a command of its own: typer would omit the name of a single command."""


@bench_app.command("test")
def bench_test(
    bench: Annotated[Path, typer.Argument(metavar="BENCH", help="The bench file.")],
    *,
    use: Annotated[
        str | None,
        typer.Option(
            metavar="BOARD,...",
            help="Test these only; default: all but absent ones.",
            autocompletion=completion.board_lists,
        ),
    ] = None,
    power: Annotated[
        bool, typer.Option("--power/--no-power", help="Switch each board off and on, or none.")
    ] = True,
    boot_wait: Annotated[
        float | None,
        typer.Option(metavar="S", help="Seconds that a board may need to boot. Default: 120."),
    ] = None,
    write: Annotated[
        bool,
        typer.Option("--write", help="Write `boot_s` and `fast_baud` of good boards to BENCH."),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before switching.")] = False,
    as_json: Json = False,
) -> int:
    """Test every board of a bench: its port, agent and identity, the measures of its link, and its
    power, which is switched off and on while all links are watched.

    One board is switched at a time, and every output is left as it was found, however the test
    ends. Exit codes: 0 no fault, 1 faults were found, 2 wrong file or board, 3 the bench is in use,
    or the file could not be written.
    """
    from hil.rig.bench_test.bench_tester import boards_to_test, switched_boards
    from hil.scenario import load_bench
    from hil.scenario.bench_choice import words_of
    from hil.views.bench_test import bench_test_lines

    if boot_wait is not None and not 1 <= boot_wait <= 3600:
        raise UsageError(f"--boot-wait {boot_wait:g}: expected seconds from 1 to 3600")
    content = load_bench(bench)
    boards = boards_to_test(content, words_of(use))
    switched = switched_boards(boards) if power else []
    if switched and not yes:
        _confirm(switched)
    wait_s = boot_wait or max([_BOOT_WAIT_S, *(2 * (b.boot_s or 0) for b in boards)])
    report = _tested(bench, content, boards, switched, wait_s)
    written = True
    if write:
        report, written = _written(bench, report)
    if as_json:
        answer(report.as_json())
    else:
        show(lambda glyphs: bench_test_lines(report, glyphs), width=120)
    if not written:
        return Exit.ENVIRONMENT
    return Exit.PASS if report.ok else Exit.FAIL


def _tested(
    file: Path,
    bench: BenchConfig,
    boards: Sequence[BenchBoardConfig],
    switched: Sequence[str],
    boot_wait_s: float,
) -> BenchTestReport:
    """Test `boards` of the bench, and switch the power of those that `switched` names.

    Raises: SetupError if the bench is in use."""
    from hil.rig.bench_test.bench_tester import BenchTester
    from hil.rig.bench_test.power_cycle import CyclePatience
    from hil.rig.power.bench_supplies import BenchSupplies
    from hil.rig.reservation import BenchReservation, distinct, uses_of

    with (
        deferred_interrupts() as interrupts,
        BenchSupplies(bench) as supplies,
        BenchReservation(
            distinct(use for board in boards for use in uses_of(board))
        ) as reservation,
    ):
        reservation.acquire()
        return BenchTester(
            file,
            boards,
            {name: supplies.power(name) for name in switched},
            say,
            patience=CyclePatience(boot_us=int(boot_wait_s * 1e6)),
            interruptible=interrupts.allowed,
        ).run()


def _written(file: Path, report: BenchTestReport) -> tuple[BenchTestReport, bool]:
    """Write the measured values into the bench file. Return the report with the changes, and
    whether the file was written; the report is shown in either case."""
    from hil.rig.bench_test.bench_update import update_bench

    try:
        return replace(report, changes=update_bench(file, report)), True
    except HilError as error:
        notes = (*report.notes, one_line(f"not written: {error.message}"))
        return replace(report, notes=notes), False


def _confirm(switched: Sequence[str]) -> None:
    """Ask before power is switched. Raises: UsageError without a terminal; typer.Abort."""
    question = (
        f"The power of {', '.join(switched)} is switched off and on, one at a time. Continue?"
    )
    if sys.stdin is None or not sys.stdin.isatty():
        raise UsageError(
            f"the test switches the power of {', '.join(switched)}: confirm that on a terminal",
            remedy="add --yes, or --no-power to test the links alone",
        )
    typer.confirm(printable(question), abort=True, err=True)
