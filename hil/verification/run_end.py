"""The end of a run, whoever carried it out: its reports if it failed.

The command line, Python programs and tests end their runs with the same functions. Everything heavy
is loaded when it is used; nothing is printed."""

# ruff: noqa: PLC0415  (imports in functions: `hil --help` must not load the engine)

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from hil.errors import HilError
from hil.exit_codes import Exit

if TYPE_CHECKING:
    from hil.engine.run_identity import Environment, RunIdentity
    from hil.engine.run_preparation import NewRun
    from hil.engine.run_reports import FailedRun, Failure
    from hil.record.run_result import RunResult

__all__ = ["RunEnd", "has_ended", "recorded", "report_failure"]


def recorded(run_dir: Path | None) -> RunResult | None:
    """Return the recorded result of a run that failed; None without a readable record."""
    return _read(run_dir)[0]


def has_ended(run_dir: Path) -> bool:
    """Return whether a run's record has its end: what fails after that changes nothing in it, nor
    in its reports, which were written before it was closed."""
    return _read(run_dir)[1]


def _read(run_dir: Path | None) -> tuple[RunResult | None, bool]:
    if run_dir is None or not (run_dir / "run.db").is_file():
        return None, False
    from hil.record.reader import Reader
    from hil.verification.recorded_run import result_of

    try:
        reader = Reader(run_dir)
        try:
            return result_of(reader), reader.is_complete
        finally:
            reader.close()
    except HilError:
        return None, False


def report_failure(folder: Path, identity: RunIdentity | Environment, run: FailedRun) -> None:
    """Write manifest and JUnit of a run that failed, into a folder that exists. Raises:
    RecordError."""
    from hil.engine.run_reports import RunReport, write_reports

    report = RunReport(
        identity=identity,
        finished_utc=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        run=run,
        never_began=run.recorded is None,
    )
    write_reports(folder, report)


class RunEnd:
    """The end of a new run that Python carries out, for `RunSetup.at_end`. `keep_evidence` writes
    the evidence of the run in a folder."""

    def __init__(self, new: NewRun, keep_evidence: Callable[[Path], None]) -> None:
        from hil.engine.run_folder import identity

        self._new = new
        self._keep_evidence = keep_evidence
        self._identity = identity(new.scenario, new.command)

    def __call__(self, error: BaseException | None, recorded: bool) -> None:
        """Write what is due after a run that ended with this exception, or with none. `recorded`:
        its record was opened."""
        if error is not None:
            self._report(error, begun=recorded)
        if error is None or recorded:
            self._keep_evidence(self._new.run_dir)

    @contextlib.contextmanager
    def of_preparation(self) -> Iterator[None]:
        """Report a failure before the run itself begins."""
        try:
            yield
        except BaseException as error:
            self._report(error, begun=False)
            raise

    def _report(self, error: BaseException, *, begun: bool) -> None:
        from hil.engine.run_reports import FailedRun, may_be_replaced

        new, folder = self._new, self._new.run_dir
        with contextlib.suppress(HilError, OSError):
            if not begun and new.made:
                for file in new.files:
                    file.unlink(missing_ok=True)
                folder.rmdir()
            elif (not begun and may_be_replaced(folder)) or (begun and not has_ended(folder)):
                frames = None if begun else 0
                failed = FailedRun(_failure(error), new.scenario, folder, frames, recorded(folder))
                report_failure(folder, self._identity, failed)


def _failure(error: BaseException) -> Failure:
    from hil.engine.run_reports import failure_of

    if isinstance(error, KeyboardInterrupt):
        return failure_of(None, "interrupted", Exit.INTERRUPTED)
    if isinstance(error, HilError):
        return failure_of(error, str(error), error.exit_code)
    return failure_of(error, f"{type(error).__name__}: {error}".rstrip(": "), Exit.ENVIRONMENT)
