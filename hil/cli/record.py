"""Opens the records of existing runs, and prints their summaries."""

# ruff: noqa: PLC0415  (imports in functions: `hil --help` must not load the engine)

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from hil.cli.output import out, show
from hil.errors import UsageError
from hil.printable import quoted
from hil.run_outcome import RunOutcome

if TYPE_CHECKING:
    from hil.record.reader import Reader
    from hil.record.run_result import RunResult

__all__ = ["must_be_run", "must_not_be_scenario", "opened", "print_summary", "show_summary"]


def must_be_run(run: Path) -> None:
    """Check that `run` is the folder or the record of a run. Raises: UsageError if it is not."""
    must_not_be_scenario(run)
    if not (run / "run.db" if run.is_dir() else run).is_file():
        raise UsageError(
            f"there is no run at {run}",
            remedy="name the folder of a run, as `hil run` printed it (it holds run.db)",
        )


def must_not_be_scenario(run: Path) -> None:
    """Check that what should be a record is not a scenario: the name of a shipped one, or a file.
    Raises: UsageError if it is."""
    is_file = run.suffix in (".yaml", ".yml") and run.is_file()
    if is_file or (not run.exists() and _is_shipped(run)):
        raise UsageError(
            f"{run} is a scenario, not a run",
            remedy=f"run it: hil run {quoted(run)}; then name the folder of the run",
        )


def _is_shipped(run: Path) -> bool:
    from hil.errors import SetupError
    from hil.scenario.load import find_scenario

    try:
        return find_scenario(str(run)).is_file()
    except (UsageError, SetupError):
        return False


@contextlib.contextmanager
def opened(run: Path) -> Iterator[Reader]:
    """Open the record of a run, and yield a reader that sees it as it is now.

    Raises: UsageError if there is no run; RecordError if it cannot be read."""
    from hil.record.held_record import held_record

    must_be_run(run)
    with held_record(run) as reader:
        yield reader


def print_summary(run_dir: Path, result: RunResult, *, quiet: bool) -> None:
    """Print the summary of the run in a folder, or if `quiet` only its outcome and digest."""
    from hil.record.reader import Reader

    if quiet:
        out(f"{result.outcome.upper()} {run_dir} {result.run_digest}")
        return
    reader = Reader(run_dir)
    try:
        show_summary(reader, result)
    finally:
        reader.close()


def show_summary(reader: Reader, result: RunResult) -> None:
    """Print the summary of a run."""
    from hil.views import summary

    steps = _steps(reader.path.parent, result)
    show(lambda glyphs: summary.render(reader, result, glyphs, steps=steps))


def _steps(run_dir: Path, result: RunResult) -> tuple[tuple[str, str], ...]:
    """Return the commands to try after a run, and what each is for."""
    where = quoted(run_dir)
    steps = [
        (f"hil replay {where}", "frame by frame"),
        (f"hil replay {where} --verify", "vote again"),
    ]
    if result.outcome == RunOutcome.ABORTED:
        steps.insert(0, (f"hil run --resume {where}", "continue it"))
    elif result.outcome == RunOutcome.ERROR:
        steps.insert(0, ("hil discover", "which boards answer"))
    elif result.outcome == RunOutcome.FAIL:
        steps.append(("hil doctor", "check the computer"))
    else:
        steps.append(("hil run seu-storm", "a harder scenario"))
    return tuple(steps[:3])
